// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cli/progress.h"
#include "cli/support.h"
#include "cli/verb.h"
#include "client/client.h"
#include "wire/plan_frame.h"

namespace obscura::cli {

Action define_keygen(CLI::App& command, const Common&) {
  teach(
      command,
      "Makes a fresh secret key for an offer, and the evaluation keys with which the server can multiply ciphertexts.\n"
      "Once for each offer; the same keys serve any number of images.",
      "obscura keygen swish4.offer --secret my.secret --eval my.eval",
      "The secret key decrypts everything: it stays with the client (mode 0600). The evaluation keys go to the "
      "server;\n"
      "they decrypt nothing.");
  struct Options {
    std::string offer;
    std::string secret;
    std::string eval;
  };
  auto options = std::make_shared<Options>();
  command.add_option("OFFER", options->offer, "The server's offer (obscura offer)")->required();
  command.add_option("--secret", options->secret, "The secret key to write; never show it to anyone")->required();
  command.add_option("--eval", options->eval, "The evaluation keys to write, for the server")->required();
  return [options]() -> Result<Answer> {
    OBSCURA_TRY_VOID(refuse_existing(options->secret));
    OBSCURA_TRY_VOID(refuse_existing(options->eval));
    OBSCURA_TRY(const plan::Offer offer, wire::read_offer_file(options->offer));
    const Stopwatch watch;
    {
      ProgressBar bar("keys");
      OBSCURA_TRY_VOID(client::keygen(offer, options->secret, options->eval, false, bar.callback()));
    }
    Answer answer;
    answer.json = {{"secret", options->secret},
                   {"eval", options->eval},
                   {"eval_bytes", file_bytes(options->eval)},
                   {"seconds", watch.seconds()},
                   {"peak_memory_bytes", peak_memory_bytes()}};
    answer.text = fmt::format("{}: secret key, keep it\n{}: evaluation keys, {}, for the server", options->secret,
                              options->eval, bytes_text(file_bytes(options->eval)));
    return answer;
  };
}

}  // namespace obscura::cli
