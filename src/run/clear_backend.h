// SPDX-License-Identifier: Apache-2.0
/// The plaintext simulator: plans on plain numbers, with the level and scale book-keeping of ciphertexts and, where
/// asked for, Gaussian errors of the size that the noise model predicts.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "ckks/noise.h"
#include "ckks/params.h"
#include "run/host_backend.h"

namespace obscura::run {

/// One element: a number for each slot, and what its ciphertext would say of itself.
struct ClearValue {
  std::vector<double> slots;
  Shape shape;
  std::uint64_t stream =
      0;  ///< names the value among all of a run, so that its noise does not depend on the order of work
};

/// A program in doubles: maps are the plan's own.
class ClearModel : public Model {
 public:
  /// cost    one pass over the weights of transforms
  explicit ClearModel(std::shared_ptr<const Program> program);
  /// Of make_program.
  explicit ClearModel(plan::Plan plan, std::shared_ptr<const ckks::Bootstrapper> bootstrapper = nullptr)
      : ClearModel(make_program(std::move(plan), std::move(bootstrapper))) {}
  struct Transform {
    std::shared_ptr<const plan::Diagonals> diagonals;
    std::shared_ptr<const plan::DiagonalWeights> weights;
    std::vector<ckks::TransformNoise> noise;  ///< of each output; the inputs' mean squares are those of an image
  };
  /// errors  ContractError where the step is not a Transform.
  const Transform& transform(std::size_t step) const;

 private:
  std::map<std::size_t, Transform> transforms_;  ///< by step
};

/// One term of an elementwise sum.
struct ClearTerm {
  const ClearValue* x = nullptr;
  double coefficient = 1;
};

class ClearBackend : public HostTensors<ClearValue> {
 public:
  using Model = ClearModel;
  using Elements = OneElement<ClearModel, ClearValue>;

  /// Without a seed: exact weights (as quantised) and no noise. With one: encryption, key switching and
  /// rounding add errors of ckks/noise.h, the same for the same seed.
  explicit ClearBackend(ckks::Params params, std::optional<std::uint64_t> noise_seed = {});

  static Model prepare(std::shared_ptr<const Program> program) { return Model(std::move(program)); }
  static Shape shape(const Tensor& x, std::size_t i) { return x[i].shape; }
  static Shape shape(const Value& x) { return x.shape; }

  /// The twin of a fresh encryption at `scale` over `limbs`; `index` names the element.
  Value encrypt(std::vector<double> slots, double scale, std::uint32_t limbs, std::uint64_t index) const;

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
  /// The same slots; with noise, as the sine that bootstrapping takes for a line bends them. errors: ContractError
  /// where noise is asked for and the bootstrapper, which predicts it, is absent
  Value apply(const plan::Bootstrap& bootstrap, const Elements& at) const;

  Value multiply(const Value& a, const Value& b) const;
  Value relinearize(const Value& x, std::uint32_t rescale) const;
  Value rescale(const Value& x, std::uint32_t limbs) const;
  Value combine(std::span<const ClearTerm> terms, double constant) const;

 private:
  void add_noise(Value& x, double deviation) const;
  double scale_after(double scale, std::uint32_t limbs, std::uint32_t dropped) const;
  ckks::Params params_;
  std::optional<std::uint64_t> noise_seed_;
};

static_assert(Backend<ClearBackend>);

/// logits[i] of images[i] on the plaintext simulator: `count` normalised images (C*H*W floats each) in, count x classes
/// out, row-major, as nn::run_reference. Works on as many images at a time as share ciphertexts. A plan that
/// bootstraps needs a model with its bootstrapper where noise is asked for.
/// errors  wrong_params where the plan's parameters are refused, cancelled. ContractError where sizes do not fit.
Result<std::vector<float>> run_clear(const ClearModel& model, std::span<const float> images, std::size_t count,
                                     std::optional<std::uint64_t> noise_seed = {}, const base::Progress& progress = {});

}  // namespace obscura::run
