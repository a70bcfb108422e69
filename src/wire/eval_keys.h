// SPDX-License-Identifier: Apache-2.0
/// Evaluation keys as a frame: the half that cannot be computed from a seed, and the seed.
#pragma once

#include "ckks/context.h"
#include "ckks/values.h"
#include "plan/plan.h"
#include "wire/frames.h"

namespace obscura::wire {

struct NamedEvalKeys {
  ckks::EvalKeys keys;
  Binding binding;
};

base::Bytes write_eval_keys(const ckks::Context& context, const ckks::EvalKeys& keys, const Binding& binding);

/// The keys that a plan asks for.
/// errors  bad_format; wrong_params: keys for another plan; missing_key: one that `request` names is not there
Result<NamedEvalKeys> read_eval_keys(const ckks::Context& context, const plan::KeyRequest& request, const Digest& plan,
                                     base::ByteView frame, const std::string& name);
Result<NamedEvalKeys> read_eval_keys_file(const ckks::Context& context, const plan::KeyRequest& request,
                                          const Digest& plan, const std::filesystem::path& path);

/// Only what the file says of itself: no key is read.
struct EvalKeysInfo {
  Binding binding;
  std::uint32_t log2_degree = 0;
  std::uint32_t primes = 0;
  std::uint32_t relinearization = 0;  ///< keys of that sort
  std::uint32_t rotations = 0;        ///< keys of that sort
  std::uint32_t digits = 0;
};
Result<EvalKeysInfo> inspect_eval_keys(const std::filesystem::path& path);

}  // namespace obscura::wire
