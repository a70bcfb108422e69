// SPDX-License-Identifier: Apache-2.0
#include "train/outliers.h"

#include <vector>

namespace obscura::train {
namespace {

constexpr std::int64_t kKinds = 7;
constexpr std::int64_t kWidestField = 8;

std::int64_t drawn(std::int64_t below) { return torch::randint(below, {1}).item<std::int64_t>(); }

/// A colour inside the cube, or (half of them) one of its corners, where contrasts are largest.
torch::Tensor colour(std::int64_t channels) {
  const torch::Tensor any = torch::rand({channels, 1, 1});
  return drawn(2) == 0 ? any : (any > 0.5).to(torch::kFloat32);
}

/// Fields of `field` pixels that alternate down and to the right, as far as these say.
torch::Tensor alternating(const torch::Tensor& like, std::int64_t field, bool down, bool right) {
  const torch::Tensor rows = torch::arange(like.size(1)).div(field, "floor").reshape({-1, 1}) * (down ? 1 : 0);
  const torch::Tensor columns = torch::arange(like.size(2)).div(field, "floor").reshape({1, -1}) * (right ? 1 : 0);
  const torch::Tensor second = (rows + columns).remainder(2).to(torch::kFloat32).unsqueeze(0);
  return colour(like.size(0)) * second + colour(like.size(0)) * (1 - second);
}

torch::Tensor one(const torch::Tensor& image) {
  const std::int64_t kind = drawn(kKinds);
  const std::int64_t field = 1 + drawn(kWidestField);
  switch (kind) {
    case 0:
      return torch::rand_like(image);
    case 1:
      return (torch::rand_like(image) > 0.5).to(torch::kFloat32);
    case 2:
      return alternating(image, field, true, true);
    case 3: {
      const bool down = drawn(2) == 0;
      return alternating(image, field, down, !down);
    }
    case 4:
      return colour(image.size(0)).expand_as(image);
    case 5:
      return 1 - image;
    default:
      return (image > 0.5).to(torch::kFloat32);
  }
}

}  // namespace

torch::Tensor outliers(std::int64_t count, const torch::Tensor& images) {
  std::vector<torch::Tensor> out;
  for (std::int64_t i = 0; i < count; ++i) out.push_back(one(images[i % images.size(0)]));
  return torch::stack(out);
}

}  // namespace obscura::train
