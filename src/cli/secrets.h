// SPDX-License-Identifier: Apache-2.0
/// What the verbs that hold a secret key share: its options, its passphrase, and a process that does not leak it.
#pragma once

#include <string>

#include "cli/verb.h"
#include "client/client.h"

namespace obscura::cli {

struct SecretOptions {
  std::string path;
  std::string passphrase_file;
  std::string trust;
};

/// --secret, --passphrase-file and --trust.
void add_secret(CLI::App& command, SecretOptions& options);
/// Where the key is, how its passphrase is asked for (the file, else the terminal), and whom it trusts.
/// errors  those of the file to trust
Result<client::SecretSource> source_of(const SecretOptions& options);
/// Nothing where no file is named. errors: those of wire::read_trust_file
Result<std::optional<base::VerifyKey>> read_trust(const std::string& path);

/// Keys, bytes, memory and time that an offer asks of its client.
std::string cost_text(const client::KeyCost& cost);

/// The first line of a file that its owner alone may reach. errors: io; wrong_params: it is empty, or too long
Result<base::LockedBytes> read_passphrase(const std::string& path);
/// From the terminal, without an echo. errors (io): there is none
Result<base::LockedBytes> ask_passphrase(const std::string& prompt);
/// Twice, and the same.
/// errors  also wrong_params: two different ones
Result<base::LockedBytes> ask_new_passphrase();

/// No core dumps, no other process of this user reads this one's memory, and the process ends within a second of
/// Ctrl-C or SIGTERM.
void guard_secrets();

}  // namespace obscura::cli
