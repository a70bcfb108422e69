// SPDX-License-Identifier: Apache-2.0
/// Plans on ciphertexts.
#pragma once

#include <memory>
#include <variant>
#include <vector>

#include "ckks/context.h"
#include "ckks/evaluator.h"
#include "ckks/transform.h"
#include "ckks/values.h"
#include "run/host_backend.h"

namespace obscura::run {

/// A program for one context: weights in the order of the kernels, diagonals that are encoded when they are first used.
/// The first Program::kept_bytes of them are kept; what is beyond is encoded again for each image.
class CkksModel : public Model {
 public:
  /// cost    one pass over the weights
  CkksModel(std::shared_ptr<const Program> program, const std::shared_ptr<const ckks::Context>& context);
  struct EncodedTransform {
    ckks::Transform transform;
    std::shared_ptr<const plan::DiagonalWeights> weights;  ///< and their bias
  };
  /// errors  ContractError where the step is not a Linear.
  const ckks::PreparedMap& map(std::size_t step) const;
  /// errors  ContractError where the step is not a Transform.
  const EncodedTransform& transform(std::size_t step) const;

 private:
  void encode_transforms(const std::shared_ptr<const ckks::Context>& context);
  std::vector<std::variant<std::monostate, ckks::PreparedMap, EncodedTransform>> steps_;
};

/// Each operation is the function of the same name in ckks/evaluator.h, ckks/transform.h, ckks/polyeval.h (evaluate) or
/// ckks/bootstrap.h (run).
class CkksBackend : public HostTensors<ckks::Ciphertext> {
 public:
  using Model = CkksModel;
  using Elements = OneElement<CkksModel, ckks::Ciphertext>;

  CkksBackend(std::shared_ptr<const ckks::Context> context, std::shared_ptr<const ckks::EvalKeys> keys)
      : context_(std::move(context)), keys_(std::move(keys)) {}

  /// For another client's keys.
  CkksBackend with(std::shared_ptr<const ckks::EvalKeys> keys) const { return {context_, std::move(keys)}; }
  Model prepare(std::shared_ptr<const Program> program) const { return {std::move(program), context_}; }
  static Shape shape(const Value& x);
  static Shape shape(const Tensor& x, std::size_t i) { return shape(x[i]); }

  void linear(const Model& model, std::size_t step, std::span<const std::uint32_t> blocks, const Tensor& x,
              Tensor& y) const;
  void transform(const Model& model, std::size_t step, const Tensor& x, Tensor& y) const;
  void elementwise(const Model& model, ElementwiseTask& task, std::span<Tensor> values) const;

  Value apply(const plan::Multiply& product, const Elements& at) const;
  Value apply(const plan::Relinearize& switched, const Elements& at) const;
  Value apply(const plan::Rescale& rescaled, const Elements& at) const;
  Value apply(const plan::Combine& sum, const Elements& at) const;
  Value apply(const plan::Fold& fold, const Elements& at) const;
  Value apply(const plan::Polynomial& polynomial, const Elements& at) const;
  Value apply(const plan::Bootstrap& bootstrap, const Elements& at) const;

 private:
  std::shared_ptr<const ckks::Context> context_;
  std::shared_ptr<const ckks::EvalKeys> keys_;
};

static_assert(Backend<CkksBackend>);

}  // namespace obscura::run
