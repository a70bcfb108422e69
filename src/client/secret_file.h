// SPDX-License-Identifier: Apache-2.0
/// The secret key's file. It lives here, not in wire/, so that the server does not even link its parser.
#pragma once

#include <functional>
#include <optional>
#include <span>

#include "base/locked.h"
#include "base/random.h"
#include "base/signing.h"
#include "wire/frames.h"

namespace obscura::client {

/// Asks for the passphrase of a key that has one. errors: those of who asks
using PassphraseSource = std::function<Result<base::LockedBytes>()>;

/// All that must be kept to have the key again.
struct SecretFile {
  wire::KeyName name;
  /// Whose offers and answers alone are taken with this key.
  std::optional<base::VerifyKey> trust;
  base::Locked<base::Seed> seed;
};

/// With a passphrase the seed is sealed by it. errors (infeasible): too little memory for its cost
Result<base::Bytes> write_secret(const SecretFile& file, const base::LockedBytes* passphrase = nullptr,
                                 const base::PassphraseCost& cost = {});
/// errors  bad_format; wrong_params: another passphrase, or none where there is one; the source's
Result<SecretFile> read_secret(base::ByteView frame, const std::string& name, const PassphraseSource& passphrase = {});
/// errors  also io: others than its owner may reach the file
Result<SecretFile> read_secret_file(const std::filesystem::path& path, const PassphraseSource& passphrase = {});

}  // namespace obscura::client
