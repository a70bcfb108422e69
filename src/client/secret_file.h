// SPDX-License-Identifier: Apache-2.0
/// The secret key's file. It lives here, not in wire/, so that the server does not even link its parser.
#pragma once

#include "base/random.h"
#include "wire/frames.h"

namespace obscura::client {

/// All that must be kept to have the key again.
struct SecretFile {
  base::Seed seed{};
  wire::Binding binding;
};

base::Bytes write_secret(const SecretFile& file);
/// errors  bad_format, io
Result<SecretFile> read_secret(base::ByteView frame, const std::string& name);
Result<SecretFile> read_secret_file(const std::filesystem::path& path);

}  // namespace obscura::client
