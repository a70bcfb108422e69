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
  Binding binding;
  std::uint32_t log2_degree = 0;
  std::uint32_t chain = 0;    ///< primes
  std::uint32_t special = 0;  ///< primes
  std::uint32_t digit_limbs = 0;
  bool relinearization = false;
  std::uint8_t bootstrap = 0;  ///< keys of its sparse secret
  std::vector<Galois> galois;  ///< elements ascending
  bool operator==(const EvalKeysHeader&) const = default;
  std::size_t keys() const { return galois.size() + (relinearization ? 1 : 0) + bootstrap; }
};

EvalKeysHeader header_of(const ckks::Context& context, const ckks::KeyNeeds& needs, const Binding& binding);
base::Bytes write_keys_header(const EvalKeysHeader& header);
/// errors  bad_format
Result<EvalKeysHeader> read_keys_header(base::ByteView frame, const std::string& name);

/// The frame of one key of ckks::list; `index` counts them from 0. `context` is ckks::context_of it.
base::Bytes write_key(const ckks::Context& context, std::uint64_t index, const ckks::SwitchKey& key);
/// errors  bad_format, naming the key
Result<ckks::SwitchKey> read_key(const ckks::Context& context, std::size_t limbs, std::uint64_t index,
                                 base::ByteView frame, const std::string& name);

struct NamedEvalKeys {
  ckks::EvalKeys keys;
  Binding binding;
};

/// Exactly the keys that are needed. Holds them, without their uniform halves, and a packed key for each thread
/// besides. errors  io; bad_format: damaged, truncated, oversized; wrong_params: keys for another plan or ring;
/// missing_key: one
///         that is not there, or for fewer limbs, named
Result<NamedEvalKeys> read_eval_keys_file(const ckks::Context& context, const ckks::KeyNeeds& needs, const Digest& plan,
                                          const std::filesystem::path& path);

/// Only what the file says of itself: no key is read.
Result<EvalKeysHeader> inspect_eval_keys(const std::filesystem::path& path);

}  // namespace obscura::wire
