// SPDX-License-Identifier: Apache-2.0
/// Whether a file is whole, without the plan that it is for: what can be said of it alone. Arrow: inspect -> wire.
#pragma once

#include <optional>

#include "base/signing.h"
#include "wire/frames.h"

namespace obscura::wire {

struct Whole {
  Kind kind = Kind::plan;
  std::uint64_t parts = 0;  ///< records or keys behind the header
  std::optional<base::VerifyKey> signer;
};

/// Reads all of a file: the digest of every frame, the number and place of every record and key, that none is missing
/// or over, and the signature where there is one. Not what only a plan or a ring knows: sizes and residues. errors
/// bad_format, io
Result<Whole> check_whole(const std::filesystem::path& path);

}  // namespace obscura::wire
