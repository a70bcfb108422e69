// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "api/images.h"
#include "cli/answers.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/secrets.h"
#include "cli/support.h"
#include "cli/verb.h"
#include "remote/remote.h"

namespace obscura::cli {
namespace {

struct ClassifyOptions {
  std::string server, model;
  std::string token_file, ca, certificate, key;
  api::Selection selection;
  std::string keys;
  std::uint64_t max_keys = remote::RemoteOptions{}.max_keys;
  std::string trust;
  bool passphrase = false;
  std::string passphrase_file;
  bool logits = false;
};

Result<std::string> read_token(const std::string& path) {
  constexpr std::uint64_t kLongest = 4096;
  OBSCURA_TRY(const base::Bytes bytes, base::read_file(path, kLongest));
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return text.substr(0, text.find_first_of("\r\n"));
}

Result<remote::RemoteOptions> remote_options(const ClassifyOptions& options, const Common& common) {
  remote::RemoteOptions how;
  how.folder = options.keys;
  how.max_keys = options.max_keys;
  how.resources = common.resources();
  OBSCURA_TRY(how.trust, read_trust(options.trust));
  if (!options.passphrase_file.empty()) {
    how.passphrase = [file = options.passphrase_file] { return read_passphrase(file); };
    how.new_passphrase = how.passphrase;
  } else {
    how.passphrase = [] { return ask_passphrase("Passphrase of the key: "); };
    if (options.passphrase) how.new_passphrase = ask_new_passphrase;
  }
  if (!options.token_file.empty()) {
    OBSCURA_TRY(how.token, read_token(options.token_file));
  } else if (const char* token = std::getenv("OBSCURA_TOKEN"); token != nullptr) {
    how.token = token;
  }
  how.tls = {options.ca, options.certificate, options.key};
  how.before_keys = [json = common.json](const client::KeyCost& cost) {
    note("a key for this model, once: " + cost_text(cost), json);
  };
  how.progress = progress_bars();
  return how;
}

Result<Answer> perform(const ClassifyOptions& options, const Common& common) {
  guard_secrets();
  OBSCURA_TRY(remote::RemoteOptions how, remote_options(options, common));
  const api::Stopwatch watch;
  OBSCURA_TRY(auto client, remote::RemoteClient::connect(options.server, options.model, std::move(how)));
  const plan::Offer& offer = client.offer();
  OBSCURA_TRY(const api::Images images,
              api::Images::of(options.selection, api::shape_of(offer.input), offer.output.classes));
  const auto read = [&](std::uint64_t first, std::size_t count) -> Result<std::vector<float>> {
    OBSCURA_TRY(const data::Dataset part, images.read(first, count));
    return part.floats();
  };
  OBSCURA_TRY(const client::Logits logits, client.classify({images.count(), read}));
  Answer answer;
  answer.json = {{"server", options.server},      {"model", options.model},
                 {"images", logits.images},       {"classes", logits.classes},
                 {"made_key", client.made_key()}, {"answer", answer_json(offer.output.answer)}};
  add_answers(offer.output.answer, logits, {.probabilities = true, .logits = options.logits}, answer);
  if (images.of_files()) add_names(images, answer);
  answer.json["seconds"] = watch.seconds();
  answer.json["peak_memory_bytes"] = peak_memory_bytes();
  return answer;
}

}  // namespace

Action define_classify(CLI::App& command, const Common& common) {
  teach(
      command,
      "From images to labels through a server (`obscura-server serve`) that never sees them: fetches the model's "
      "offer,\n"
      "makes a key for it once and keeps it, sends the evaluation keys where the server has none, encrypts, asks, and\n"
      "decrypts. Prints for each image its number, its label and the probability of that label.\n"
      "IMAGES are as for `obscura encrypt`.",
      "obscura classify --server https://localhost:8080 --ca plans/tls/certificate.pem mnist-square digit.png",
      "Keys are kept in --keys, a folder for each set of parameters, mode 0700: the secret key in it decrypts\n"
      "everything, and never leaves this machine. What is sent is ciphertext, and evaluation keys, which decrypt\n"
      "nothing.");
  auto options = std::make_shared<ClassifyOptions>();
  command.add_option("MODEL", options->model, "Its name on the server")->required();
  command.add_option("--server", options->server, "https://HOST:PORT, or http://HOST:PORT")->required();
  command.add_option("--token-file", options->token_file,
                     "File whose first line is this client's token (default: $OBSCURA_TOKEN)");
  command.add_option("--ca", options->ca, "PEM file: whom to trust in place of this machine's certificates");
  CLI::Option* certificate =
      command.add_option("--certificate", options->certificate, "PEM file: this client's, where the server wants one");
  command.add_option("--key", options->key, "PEM file: its private key")->needs(certificate);
  add_selection(command, options->selection, "IMAGES,--images");
  command.add_option("--keys", options->keys,
                     "Folder of this client's keys (default: $XDG_DATA_HOME/obscura, else ~/.local/share/obscura)");
  as_size(*command.add_option("--max-keys", options->max_keys, "Bytes of evaluation keys that an offer may ask for")
               ->default_str("4GB"));
  command.add_option("--trust", options->trust, "The server's key (obscura signkey): take only what it signed");
  CLI::Option* ask = command.add_flag("--passphrase", options->passphrase, "Ask for a passphrase where a key is made");
  command.add_option("--passphrase-file", options->passphrase_file, "File whose first line is the passphrase")
      ->excludes(ask);
  command.add_flag("--logits", options->logits, "Print the network's numbers too");
  return [options, &common] { return perform(*options, common); };
}

}  // namespace obscura::cli
