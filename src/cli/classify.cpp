// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <map>

#include "api/images.h"
#include "cli/answers.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/save.h"
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
  std::string save;
};

constexpr const char* kResize = "--resize";
constexpr const char* kConvert = "--convert-colour";

/// $XDG_DATA_HOME/obscura, else ~/.local/share/obscura.
std::filesystem::path folder_of_keys() {
  if (const char* data = std::getenv("XDG_DATA_HOME"); data != nullptr && *data == '/')
    return std::filesystem::path(data) / "obscura";
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home != nullptr ? home : ".") / ".local/share/obscura";
}

Result<std::string> read_token(const std::string& path) {
  constexpr std::uint64_t kLongest = 4096;
  OBSCURA_TRY(const base::Bytes bytes, base::read_file(path, kLongest));
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return text.substr(0, text.find_first_of("\r\n"));
}

Result<remote::RemoteOptions> remote_options(const ClassifyOptions& options, const Common& common) {
  remote::RemoteOptions how;
  how.folder = options.keys.empty() ? folder_of_keys() : std::filesystem::path(options.keys);
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

/// What was done to pictures that did not fit: a line for all that it was done to, before the work; and for JSON.
nlohmann::ordered_json tell_changes(const api::Images& images, const Common& common) {
  auto changes = nlohmann::ordered_json::array();
  std::map<std::string, std::vector<std::size_t>> changed;
  for (std::size_t i = 0; images.of_files() && i < images.count(); ++i) {
    if (!images.changed(i).empty()) changed[images.changed(i)].push_back(i);
  }
  for (const auto& [change, which] : changed) {
    const std::string more = which.size() == 1 ? "" : " and " + api::plural(which.size() - 1, "other picture");
    note(fmt::format("{}{}: {}", images.name(which.front()), more, change), common.json);
    changes.push_back({{"change", change}, {"images", which}});
  }
  return changes;
}

Result<Answer> perform(const ClassifyOptions& options, const Common& common) {
  guard_secrets();
  OBSCURA_TRY_VOID(check_save(options.save));
  OBSCURA_TRY(remote::RemoteOptions how, remote_options(options, common));
  const api::Stopwatch watch;
  OBSCURA_TRY(auto client, remote::RemoteClient::connect(options.server, options.model, std::move(how)));
  const plan::Offer& offer = client.offer();
  OBSCURA_TRY(const api::Images images,
              api::Images::of(options.selection, api::shape_of(offer.input), offer.output.classes));
  const nlohmann::ordered_json changes = tell_changes(images, common);
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
  std::vector<std::string> files;
  if (images.of_files()) {
    add_names(images, answer);
    for (std::size_t i = 0; i < images.count(); ++i) files.push_back(images.name(i));
  }
  if (!changes.empty()) answer.json["changes"] = changes;
  answer.json["seconds"] = watch.seconds();
  answer.json["peak_memory_bytes"] = peak_memory_bytes();
  if (!options.save.empty()) {
    OBSCURA_TRY_VOID(save_answers(options.save, offer.output.answer, logits, files, answer));
    note(fmt::format("{}: {}", options.save, api::plural(logits.images, "answer")), common.json);
  }
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
      "IMAGES are as for `obscura encrypt`; a picture (PNG, JPEG) of another size or in other colours is refused but "
      "for\n"
      "--resize and --convert-colour, which say what they did to it.",
      "obscura classify --server https://localhost:8080 --ca plans/tls/certificate.pem mnist-square digit.png",
      "Keys are kept in --keys, a folder for each set of parameters, mode 0700: the secret key in it decrypts\n"
      "everything, and never leaves this machine. What is sent is ciphertext, and evaluation keys, which decrypt\n"
      "nothing. --save writes a file for you alone (mode 0600): decrypted numbers carry traces of the secret key.");
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
  data::Fitting& fitting = options->selection.fitting;
  fitting = {.recolour = false, .resize_option = kResize, .recolour_option = kConvert};
  command.add_flag(kResize, fitting.resize,
                   "Stretch pictures of another size to what the network takes (bilinear; arrays stay refused)");
  command.add_flag(kConvert, fitting.recolour, "Take colour as grey where the network is grey, and grey as colour");
  command.add_option("--keys", options->keys,
                     "Folder of this client's keys (default: $XDG_DATA_HOME/obscura, else ~/.local/share/obscura)");
  as_size(*command.add_option("--max-keys", options->max_keys, "Bytes of evaluation keys that an offer may ask for")
               ->default_str("4GB"));
  command.add_option("--trust", options->trust, "The server's key (obscura signkey): take only what it signed");
  CLI::Option* ask = command.add_flag("--passphrase", options->passphrase, "Ask for a passphrase where a key is made");
  command.add_option("--passphrase-file", options->passphrase_file, "File whose first line is the passphrase")
      ->excludes(ask);
  command.add_flag("--logits", options->logits, "Print the network's numbers too");
  command.add_option("--save", options->save,
                     "File to write: .csv labels, probabilities and logits; .json what --json prints; .npy logits");
  return [options, &common] { return perform(*options, common); };
}

}  // namespace obscura::cli
