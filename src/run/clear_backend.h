// SPDX-License-Identifier: Apache-2.0
/// The plaintext simulator: plans on plain numbers, with the level and scale book-keeping of ciphertexts and, where
/// asked for, Gaussian errors of the size that the noise model predicts.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/parallel.h"
#include "ckks/params.h"
#include "run/backend.h"
#include "run/encode.h"

namespace obscura::run {

/// One element: a number for each slot, and what its ciphertext would say of itself.
struct ClearValue {
  std::vector<double> slots;
  Shape shape;
  std::uint64_t stream =
      0;  ///< names the value among all of a run, so that its noise does not depend on the order of work
};

class ClearBackend {
 public:
  using Value = ClearValue;

  /// Without a seed: exact weights (as quantised) and no noise. With one: encryption, key switching and
  /// rounding add errors of ckks/noise.h, the same for the same seed.
  explicit ClearBackend(ckks::Params params, std::optional<std::uint64_t> noise_seed = {});

  /// The twin of a fresh encryption at `scale` over `limbs`; `index` names the element.
  Value encrypt(std::vector<double> slots, double scale, std::uint32_t limbs, std::uint64_t index) const;

  Shape shape(const Value& x) const { return x.shape; }
  Value multiply(const Value& a, const Value& b) const;
  Value relinearize(const Value& x, std::uint32_t rescale) const;
  Value rescale(const Value& x, std::uint32_t limbs) const;
  Value combine(std::span<const Term<Value>> terms, double constant) const;
  void linear(const ckks::PreparedMap& map, std::span<const std::uint32_t> blocks, double weight_scale,
              std::span<const double> bias, std::span<const Value> x, std::span<Value> y) const;
  void transform(const PreparedTransform& transform, std::span<const Value> x, std::span<Value> y) const;
  Value fold(const plan::Fold& fold, const Value& x) const;
  Value polynomial(const ckks::CompositePlan& polynomial, const Value& x) const;
  /// The same slots; with noise, as the sine that bootstrapping takes for a line bends them. errors: ContractError
  /// where noise is asked for and the bootstrapper, which predicts it, is absent
  Value bootstrap(const PreparedBootstrap& bootstrap, const Value& x) const;

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
Result<std::vector<float>> run_clear(const EncodedModel& model, std::span<const float> images, std::size_t count,
                                     std::optional<std::uint64_t> noise_seed = {}, const base::Progress& progress = {});

}  // namespace obscura::run
