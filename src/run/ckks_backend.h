// SPDX-License-Identifier: Apache-2.0
/// Plans on ciphertexts.
#pragma once

#include <memory>

#include "ckks/context.h"
#include "ckks/values.h"
#include "run/backend.h"

namespace obscura::run {

/// Each operation is the function of the same name in ckks/evaluator.h. Holds the context and the evaluation keys; both
/// outlive it.
class CkksBackend {
 public:
  using Value = ckks::Ciphertext;

  CkksBackend(const ckks::Context& context, const ckks::EvalKeys& keys) : context_(&context), keys_(&keys) {}
  Shape shape(const Value& x) const;
  Value multiply(const Value& a, const Value& b) const;
  Value relinearize(const Value& x, std::uint32_t rescale) const;
  Value rescale(const Value& x, std::uint32_t limbs) const;
  Value combine(std::span<const Term<Value>> terms, double constant) const;
  void linear(const ckks::PreparedMap& map, std::span<const std::uint32_t> blocks, double weight_scale,
              std::span<const double> bias, std::span<const Value> x, std::span<Value> y) const;

 private:
  const ckks::Context* context_;
  const ckks::EvalKeys* keys_;
};

static_assert(Backend<CkksBackend>);

}  // namespace obscura::run
