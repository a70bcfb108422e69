// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/files.h"
#include "cli/secrets.h"
#include "cli/support.h"
#include "cli/verb.h"
#include "wire/signature.h"

namespace obscura::cli {

Action define_signkey(CLI::App& command, const Common&) {
  teach(command,
        "Makes a server's pair of keys for signatures (Ed25519). With the secret one `obscura offer --sign` and\n"
        "`obscura run --sign` sign; clients who have the other, over a way that they trust, refuse with --trust what\n"
        "somebody else made or changed.",
        "obscura signkey --secret server.signkey --public server.trust",
        "Who has the secret key can sign in the server's name: it stays there (mode 0600). The other one is public.");
  struct Options {
    std::string secret;
    std::string trust;
  };
  auto options = std::make_shared<Options>();
  command.add_option("--secret", options->secret, "The signing key to write; never show it to anyone")->required();
  command.add_option("--public", options->trust, "The key to write that clients trust")->required();
  return [options]() -> Result<Answer> {
    guard_secrets();
    OBSCURA_TRY_VOID(refuse_existing(options->secret));
    OBSCURA_TRY_VOID(refuse_existing(options->trust));
    const base::SigningKey key = base::make_signing_key();
    OBSCURA_TRY_VOID(base::write_file(options->trust, wire::write_trust(key.verify), {}));
    base::Bytes frame = wire::write_signing_key(key);
    const auto written = base::write_file(options->secret, frame, {.overwrite = false, .secret = true});
    base::zeroize(frame.data(), frame.size());
    if (!written) return written.error();
    const std::string name = wire::short_name(key.verify);
    return Answer{{{"secret", options->secret}, {"public", options->trust}, {"key", name}},
                  fmt::format("{}: signing key, keep it\n{}: key {} for clients to trust", options->secret,
                              options->trust, name)};
  };
}

}  // namespace obscura::cli
