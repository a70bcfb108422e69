// SPDX-License-Identifier: Apache-2.0
/// Frames: what stands in every file of Obscura.
///
///   offset  bytes  all numbers little-endian
///   0       4      magic "OBSC"
///   4       4      kind
///   8       4      version of the format
///   12      8      n, the payload's length
///   20      n      payload
///   20 + n  32     BLAKE2b-256 of everything before it
///
/// The digest finds damage: truncation, flipped bits. It is not a signature: whoever can write a file can write its
/// digest too; wire/signature.h has those. Plans, offers and secret keys are one frame; files of ciphertexts and of
/// evaluation keys are a header frame followed by one frame for each ciphertext or key (wire/ciphertexts.h,
/// wire/state.h, wire/eval_keys.h).
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/bytes.h"
#include "base/files.h"

namespace obscura::wire {

enum class Kind : std::uint32_t {
  plan = 1,
  offer = 2,
  secret_key = 3,
  evaluation_keys = 4,
  inputs = 5,
  outputs = 6,
  record = 7,  ///< one ciphertext of an inputs, outputs or state file
  key = 8,     ///< one key of an evaluation-key file
  state = 9,
  signature = 10,    ///< after an offer or an answer
  signing_key = 11,  ///< secret: what signs
  trust = 12,        ///< what tells its signatures from others
};

/// "a plan", "an evaluation-key file": as it stands in sentences.
const char* describe(Kind kind);

inline constexpr std::uint32_t kVersion = 9;
inline constexpr std::size_t kHeaderBytes = 20;
inline constexpr std::size_t kDigestBytes = 32;
/// Plans hold all weights; nothing else in one frame comes near this.
inline constexpr std::uint64_t kMaxPayload = std::uint64_t{1} << 30;

using Digest = std::array<std::uint8_t, kDigestBytes>;
/// Chosen at random when a key is made; names the key in everything made with it.
using KeyId = std::array<std::uint8_t, 16>;

/// Chosen at random by the client for each file of encrypted images; stands in every frame of its answer.
using Nonce = std::array<std::uint8_t, 32>;

/// What ties a key's two files to each other and to the parameters that they serve.
struct KeyName {
  Digest params{};  ///< name_of_params
  KeyId key{};
  bool operator==(const KeyName&) const = default;
};

/// What ties a file to one plan and one key.
struct Binding {
  Digest plan{};
  KeyId key{};
  bool operator==(const Binding&) const = default;
};

/// In hexadecimal, two digits a byte.
std::string hex(std::span<const std::uint8_t> bytes);
/// The first 8 bytes in hexadecimal: enough for people to tell two apart.
std::string short_name(std::span<const std::uint8_t> bytes);

/// The frame of a payload. The last 32 bytes are its digest.
base::Bytes make_frame(Kind kind, base::ByteView payload);

/// The digest that ends a whole frame.
Digest frame_digest(base::ByteView frame);

/// The payload of bytes that are exactly one frame of that kind; a view into `bytes`. `name` stands in messages.
/// errors  bad_format: not a file of Obscura, another version, another kind, truncated, bytes after the end, damaged.
Result<base::ByteView> open_frame(base::ByteView bytes, Kind expected, const std::string& name);

/// The next frame of a file, whole, read only after its length passed the limit.
/// errors  as open_frame, and io
Result<base::Bytes> read_frame(base::InputFile& file, Kind expected, std::uint64_t max_payload);

/// Goes over the next frame of a file.
/// errors  as open_frame, but for its digest; io
Result<void> skip_frame(base::InputFile& file, Kind expected);

/// Whether nothing is left of a file but a frame of this kind with so many bytes of payload.
bool only_frame_left(const base::InputFile& file, std::uint64_t payload);

/// A file that is exactly one frame.
Result<base::Bytes> read_frame_file(const std::filesystem::path& path, Kind expected, std::uint64_t max_payload);

/// The kind of a file, from its first bytes.
Result<Kind> read_kind(const std::filesystem::path& path);

}  // namespace obscura::wire
