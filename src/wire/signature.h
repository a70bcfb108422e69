// SPDX-License-Identifier: Apache-2.0
/// Signatures of files, and the two files of a signing key: the secret one, and the one that others trust.
#pragma once

#include <filesystem>
#include <optional>

#include "base/signing.h"
#include "wire/frames.h"

namespace obscura::wire {

inline constexpr std::uint64_t kSignaturePayload = sizeof(base::VerifyKey) + sizeof(base::Signature);
inline constexpr std::uint64_t kSignatureFrame = kHeaderBytes + kSignaturePayload + kDigestBytes;

/// The frame that ends a signed file: who signed, and the signature of the file's kind and digest.
base::Bytes write_signature(const base::SigningKey& key, Kind kind, const Digest& digest);
/// Who signed.
/// errors  bad_format: the signature is not of this kind and digest
Result<base::VerifyKey> read_signature(base::InputFile& file, Kind kind, const Digest& digest);

/// Whether a file that `signer` signed, or nobody, is one that is trusted. errors (wrong_params): unsigned, or signed
/// by somebody else
Result<void> require_signer(const std::optional<base::VerifyKey>& signer, const base::VerifyKey& trusted,
                            const std::string& name);

base::Bytes write_signing_key(const base::SigningKey& key);
base::Bytes write_trust(const base::VerifyKey& key);
/// errors  bad_format; io: others than its owner may reach the file
Result<base::SigningKey> read_signing_key_file(const std::filesystem::path& path);
/// errors  bad_format, io
Result<base::VerifyKey> read_trust_file(const std::filesystem::path& path);

}  // namespace obscura::wire
