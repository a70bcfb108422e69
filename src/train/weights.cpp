// SPDX-License-Identifier: Apache-2.0
#include "train/weights.h"

#include <algorithm>

namespace obscura::train {
namespace {

constexpr std::int64_t kPatchImages = 1000;
/// Added to the variance along an eigenvector, so that directions of mere noise are not blown up.
constexpr double kPatchFloor = 5e-4;

void hand_on(const torch::Tensor& weight) {
  const std::int64_t shared = std::min(weight.size(0), weight.size(1));
  const std::int64_t first = (weight.size(2) - 1) / 2;
  const std::int64_t end = weight.size(2) / 2 + 1;
  weight.slice(0, 0, shared).zero_();
  const double each = 1.0 / static_cast<double>((end - first) * (end - first));
  for (std::int64_t i = 0; i < shared; ++i) weight[i][i].slice(0, first, end).slice(1, first, end).fill_(each);
}

}  // namespace

torch::Tensor whitening_filters(const torch::Tensor& images, std::int64_t kernel, std::int64_t channels) {
  const torch::Tensor patches = images.unfold(2, kernel, 1)
                                    .unfold(3, kernel, 1)
                                    .permute({0, 2, 3, 1, 4, 5})
                                    .reshape({-1, images.size(1) * kernel * kernel});
  // In double precision and in one order: the same filters on every run.
  const torch::Tensor wide = patches.to(torch::kFloat64);
  const torch::Tensor covariance = wide.t().mm(wide) / static_cast<double>(wide.size(0));
  const auto [values, vectors] = torch::linalg_eigh(covariance, "L");
  const torch::Tensor filters = (vectors / (values + kPatchFloor).sqrt()).t().flip({0});
  const torch::Tensor both = torch::cat({filters, -filters}).slice(0, 0, channels);
  return both.to(torch::kFloat32).reshape({-1, images.size(1), kernel, kernel});
}

void set_first_weights(Network network, const Images& training, const Normalisation& normalise) {
  torch::NoGradGuard no_gradient;
  for (std::size_t i = 0; i < network->steps.size(); ++i) {
    const Step& step = network->steps[i];
    if (step.kind != StepKind::conv) continue;
    const torch::Tensor weight = network->parts[i].conv->weight;
    if (step.layer.weights == FirstWeights::identity) hand_on(weight);
    if (step.layer.weights != FirstWeights::patches) continue;
    const Images some = training.slice(0, std::min(kPatchImages, training.count()));
    const torch::Tensor pixels = normalise(as_floats(some.pixels.to(weight.device())));
    const torch::Tensor filters = whitening_filters(pixels, step.layer.kernel, step.layer.channels);
    weight.slice(0, 0, filters.size(0)).copy_(filters);
  }
}

}  // namespace obscura::train
