// SPDX-License-Identifier: Apache-2.0
/// Plans on ciphertexts.
#pragma once

#include <map>
#include <memory>

#include "ckks/context.h"
#include "ckks/values.h"
#include "run/backend.h"

namespace obscura::run {

/// A model's transforms for one context: diagonals are encoded when they are first used, and the first `memory` bytes
/// of them are kept; what is beyond is encoded again for each image.
class EncodedTransforms {
 public:
  EncodedTransforms(const std::shared_ptr<const ckks::Context>& context, const EncodedModel& model, std::size_t memory);
  /// errors  ContractError where the step is not a Transform.
  const ckks::Transform& at(std::size_t step) const;

 private:
  std::map<std::size_t, ckks::Transform> by_step_;
};

/// Each operation is the function of the same name in ckks/evaluator.h, ckks/transform.h, ckks/polyeval.h (evaluate) or
/// ckks/bootstrap.h (run). Holds the context, the
/// evaluation keys and the transforms; all outlive it.
class CkksBackend {
 public:
  using Value = ckks::Ciphertext;

  CkksBackend(const ckks::Context& context, const ckks::EvalKeys& keys, const EncodedTransforms& transforms)
      : context_(&context), keys_(&keys), transforms_(&transforms) {}
  Shape shape(const Value& x) const;
  Value multiply(const Value& a, const Value& b) const;
  Value relinearize(const Value& x, std::uint32_t rescale) const;
  Value rescale(const Value& x, std::uint32_t limbs) const;
  Value combine(std::span<const Term<Value>> terms, double constant) const;
  void linear(const ckks::PreparedMap& map, std::span<const std::uint32_t> blocks, double weight_scale,
              std::span<const double> bias, std::span<const Value> x, std::span<Value> y) const;
  void transform(const PreparedTransform& transform, std::span<const Value> x, std::span<Value> y) const;
  Value fold(const plan::Fold& fold, const Value& x) const;
  Value polynomial(const ckks::CompositePlan& polynomial, const Value& x) const;
  Value bootstrap(const PreparedBootstrap& bootstrap, const Value& x) const;

 private:
  const ckks::Context* context_;
  const ckks::EvalKeys* keys_;
  const EncodedTransforms* transforms_;
};

static_assert(Backend<CkksBackend>);

}  // namespace obscura::run
