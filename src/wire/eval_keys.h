// SPDX-License-Identifier: Apache-2.0
/// Files of evaluation keys, written and read one key at a time: a header frame that lists the keys, then a frame for
/// each, in the order of ckks::list. Of a key there is the half that cannot be computed from a seed, at the limbs that
/// it is used at, and the seed.
#pragma once

#include <memory>

#include "ckks/key_needs.h"
#include "wire/frames.h"

namespace obscura::wire {

/// Keys that one file may list.
inline constexpr std::size_t kMaxKeys = std::size_t{1} << 16;

/// What stands in front of the keys.
struct EvalKeysHeader {
  struct Galois {
    std::uint64_t element = 0;  ///< power of X
    std::uint32_t limbs = 0;
    bool operator==(const Galois&) const = default;
  };
  KeyName name;
  std::uint32_t log2_degree = 0;
  ckks::RingType ring = ckks::RingType::standard;
  std::uint32_t chain = 0;    ///< primes
  std::uint32_t special = 0;  ///< primes
  std::uint32_t digit_limbs = 0;
  bool relinearization = false;
  std::uint8_t bootstrap = 0;  ///< keys of its sparse secret
  Digest bootstrap_set{};      ///< name_of_set of what they are for
  std::vector<Galois> galois;  ///< elements ascending
  bool operator==(const EvalKeysHeader&) const = default;
  std::size_t keys() const { return galois.size() + (relinearization ? 1 : 0) + bootstrap; }
};

EvalKeysHeader header_of(const ckks::Context& context, const ckks::KeyNeeds& needs, const KeyId& key);
base::Bytes write_keys_header(const EvalKeysHeader& header);
/// errors  bad_format
Result<EvalKeysHeader> read_keys_header(base::ByteView frame, const std::string& name);

/// Names a set of bootstrapping.
Digest name_of_set(const ckks::BootstrapLiteral& set);

/// Bytes of a file before its first key, with so many Galois keys; and of the frame of one key for `limbs` limbs.
std::uint64_t keys_header_bytes(std::size_t galois);
std::uint64_t key_frame_bytes(const ckks::ParamsLiteral& params, std::size_t limbs);

/// The frame of one key of ckks::list; `index` counts them from 0. `context` is ckks::context_of it.
base::Bytes write_key(const ckks::Context& context, std::uint64_t index, const ckks::SwitchKey& key);
/// errors  bad_format, naming the key
Result<ckks::SwitchKey> read_key(const ckks::Context& context, std::size_t limbs, std::uint64_t index,
                                 base::ByteView frame, const std::string& name);
/// Of a key that was made for `limbs` what those for `wanted` limbs have.
Result<ckks::SwitchKey> read_key(const ckks::Context& context, std::size_t limbs, std::size_t wanted,
                                 std::uint64_t index, base::ByteView frame, const std::string& name);

struct NamedEvalKeys {
  ckks::EvalKeys keys;
  KeyName name;
};

/// The keys that are needed, of a file that may have others and for more limbs. Holds them, without their uniform
/// halves, and a packed key for each thread besides.
/// errors  io; bad_format: damaged, truncated, oversized; wrong_params: keys for other parameters; missing_key: those
///         that are not there, or for fewer limbs, named
Result<NamedEvalKeys> read_eval_keys(const ckks::Context& context, const ckks::KeyNeeds& needs, base::InputFile& file);
Result<NamedEvalKeys> read_eval_keys_file(const ckks::Context& context, const ckks::KeyNeeds& needs,
                                          const std::filesystem::path& path);

/// Only what the file says of itself: no key is read.
Result<EvalKeysHeader> inspect_eval_keys(const std::filesystem::path& path);

}  // namespace obscura::wire
