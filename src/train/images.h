// SPDX-License-Identifier: Apache-2.0
/// The images of a recipe as tensors.
#pragma once

#include <torch/torch.h>

#include "train/train.h"

namespace obscura::train {

struct Images {
  torch::Tensor pixels;  ///< bytes, {n, C, H, W}
  torch::Tensor labels;  ///< int64, {n}
  std::int64_t count() const { return labels.size(0); }
  Images rows(const torch::Tensor& index) const {
    return {pixels.index_select(0, index), labels.index_select(0, index)};
  }
  Images slice(std::int64_t begin, std::int64_t end) const {
    return {pixels.slice(0, begin, end), labels.slice(0, begin, end)};
  }
};

struct Splits {
  Images training, validation, test;
  std::vector<std::string> class_names;  ///< of the data set
};

/// errors  as data::load; images or classes other than the recipe's; no validation images; fewer training images than
///         a batch.
Result<Splits> load_splits(const Recipe& recipe, const Options& options);

/// pixel / 255, floats.
torch::Tensor as_floats(const torch::Tensor& pixels);

/// (x - mean) / deviation of each channel, and then, where the recipe says so, each image standardised.
class Normalisation {
 public:
  Normalisation(const DataRecipe& data, torch::Device device);
  torch::Tensor operator()(const torch::Tensor& images) const;

 private:
  torch::Tensor mean_, deviation_;
  base::Standardisation standardise_;
};

}  // namespace obscura::train
