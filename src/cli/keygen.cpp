// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cli/options.h"
#include "cli/progress.h"
#include "cli/secrets.h"
#include "cli/support.h"
#include "cli/verb.h"
#include "client/client.h"
#include "wire/plan_frame.h"

namespace obscura::cli {
namespace {

struct Options {
  std::string offer;
  std::string secret;
  std::string eval;
  std::uint64_t max_keys = client::KeygenOptions{}.max_bytes;
  std::string trust;
  bool passphrase = false;
  std::string passphrase_file;
};

Result<Answer> perform(const Options& options, const Common& common) {
  guard_secrets();
  OBSCURA_TRY_VOID(refuse_existing(options.secret));
  OBSCURA_TRY_VOID(refuse_existing(options.eval));
  OBSCURA_TRY(const plan::Offer offer, wire::read_offer_file(options.offer));
  client::KeygenOptions how;
  how.max_bytes = options.max_keys;
  how.resources = common.resources();
  OBSCURA_TRY(how.trust, read_trust(options.trust));
  if (!options.passphrase_file.empty()) {
    how.passphrase = [&] { return read_passphrase(options.passphrase_file); };
  } else if (options.passphrase) {
    how.passphrase = ask_new_passphrase;
  }
  OBSCURA_TRY(const client::KeyCost cost, client::cost_of_keys(offer));
  if (cost.file_bytes <= options.max_keys) note(cost_text(cost), common.json);
  const api::Stopwatch watch;
  {
    ProgressBar bar("keys");
    how.progress = bar.callback();
    OBSCURA_TRY_VOID(client::keygen(offer, options.secret, options.eval, how));
  }
  Answer answer;
  answer.json = {{"secret", options.secret},
                 {"eval", options.eval},
                 {"eval_bytes", file_bytes(options.eval)},
                 {"keys", cost.keys},
                 {"predicted_bytes", cost.file_bytes},
                 {"predicted_memory_bytes", cost.memory_bytes},
                 {"predicted_core_seconds", cost.core_seconds},
                 {"seconds", watch.seconds()},
                 {"peak_memory_bytes", peak_memory_bytes()}};
  answer.text = fmt::format("{}: secret key, keep it\n{}: evaluation keys, {}, for the server", options.secret,
                            options.eval, bytes_text(file_bytes(options.eval)));
  return answer;
}

}  // namespace

Action define_keygen(CLI::App& command, const Common& common) {
  teach(
      command,
      "Makes a fresh secret key for an offer, and the evaluation keys with which the server can multiply ciphertexts.\n"
      "Once for each set of parameters: the same keys serve any number of images, and every offer with the same\n"
      "parameters that asks for no other keys. What the keys take is printed before the first is made, and an offer\n"
      "that asks for more than --max-keys is refused.\n"
      "With --trust only an offer that this key signed is taken, and the secret key remembers it: encrypt and decrypt\n"
      "then refuse what somebody else signed, or nobody. With a passphrase the secret key is sealed by it.",
      "obscura keygen swish4.offer --secret my.secret --eval my.eval",
      "The secret key decrypts everything: it stays with the client (mode 0600). The evaluation keys go to the "
      "server;\n"
      "they decrypt nothing.");
  auto options = std::make_shared<Options>();
  command.add_option("OFFER", options->offer, "The server's offer (obscura offer)")->required();
  command.add_option("--secret", options->secret, "The secret key to write; never show it to anyone")->required();
  command.add_option("--eval", options->eval, "The evaluation keys to write, for the server")->required();
  as_size(*command.add_option("--max-keys", options->max_keys, "Bytes of evaluation keys that an offer may ask for")
               ->default_str("4GB"));
  command.add_option("--trust", options->trust, "The server's key (obscura signkey): take only what it signed");
  CLI::Option* ask = command.add_flag("--passphrase", options->passphrase, "Ask for a passphrase at the terminal");
  command.add_option("--passphrase-file", options->passphrase_file, "File whose first line is the passphrase")
      ->excludes(ask);
  return [options, &common] { return perform(*options, common); };
}

}  // namespace obscura::cli
