// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/files.h"
#include "cli/support.h"
#include "cli/verb.h"
#include "wire/plan_frame.h"
#include "wire/signature.h"

namespace obscura::cli {

Action define_offer(CLI::App& command, const Common&) {
  teach(command,
        "The server's first word to clients: the parameters of the encryption, the size and normalisation of images, "
        "the\n"
        "number of classes, and which keys the plan needs. No weights, no layers.",
        "obscura offer swish4.plan -o swish4.offer",
        "The offer is public: give it to every client. It names the plan by digest, so that images made for it fit "
        "only it.");
  struct Options {
    std::string plan;
    std::string output;
    std::string sign;
  };
  auto options = std::make_shared<Options>();
  command.add_option("PLAN", options->plan, "The plan (obscura compile)")->required();
  command.add_option("-o,--out", options->output, "The offer to write")->required();
  command.add_option("--sign", options->sign, "Sign the offer with this key (obscura signkey)");
  return [options]() -> Result<Answer> {
    OBSCURA_TRY_VOID(refuse_existing(options->output));
    OBSCURA_TRY(const wire::NamedPlan plan, wire::read_plan_file(options->plan));
    const plan::Offer offer = wire::make_offer(plan);
    base::Bytes file = wire::write_offer(offer);
    if (!options->sign.empty()) {
      OBSCURA_TRY(const base::SigningKey key, wire::read_signing_key_file(options->sign));
      const base::Bytes signature = wire::write_signature(key, wire::Kind::offer, wire::frame_digest(file));
      file.insert(file.end(), signature.begin(), signature.end());
    }
    OBSCURA_TRY_VOID(base::write_file(options->output, file, {}));
    Answer answer;
    answer.json = {{"offer", options->output},
                   {"network", offer.name},
                   {"plan_digest", wire::short_name(offer.plan_digest)},
                   {"classes", offer.output.classes}};
    answer.text =
        fmt::format("{}: offer of plan {} ({})", options->output, wire::short_name(offer.plan_digest), offer.name);
    return answer;
  };
}

}  // namespace obscura::cli
