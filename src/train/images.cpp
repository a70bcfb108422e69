// SPDX-License-Identifier: Apache-2.0
#include "train/images.h"

#include <algorithm>

namespace obscura::train {
namespace {

Result<Images> load(const Recipe& recipe, const Options& options, const std::string& split,
                    std::vector<std::string>& class_names) {
  OBSCURA_TRY(data::Dataset set, data::load(recipe.data.set, split, options.data_folder));
  const nn::Shape shape = {static_cast<std::int64_t>(set.channels), static_cast<std::int64_t>(set.height),
                           static_cast<std::int64_t>(set.width)};
  if (shape != recipe.data.shape) {
    return error(Code::unsupported, "{}: images of {}; data.shape of recipe {} is {}", recipe.data.set,
                 nn::to_string(shape), recipe.name, nn::to_string(recipe.data.shape));
  }
  if (static_cast<std::int64_t>(set.class_names.size()) != recipe.data.classes) {
    return error(Code::unsupported, "{}: {} classes; data.classes of recipe {} is {}", recipe.data.set,
                 set.class_names.size(), recipe.name, recipe.data.classes);
  }
  const auto count = static_cast<std::int64_t>(std::min(set.count(), options.limit));
  const auto bytes = torch::TensorOptions(torch::kUInt8);
  Images out;
  out.pixels = torch::from_blob(set.pixels.data(), {count, shape[0], shape[1], shape[2]}, bytes).clone();
  std::vector<std::int64_t> labels(set.labels.begin(), set.labels.end());
  out.labels = torch::from_blob(labels.data(), {count}, torch::TensorOptions(torch::kInt64)).clone();
  class_names = std::move(set.class_names);
  return out;
}

torch::Tensor per_channel(const std::vector<double>& numbers, torch::Device device) {
  const auto count = static_cast<std::int64_t>(numbers.size());
  return torch::tensor(numbers, torch::kFloat32).reshape({1, count, 1, 1}).to(device);
}

}  // namespace

Result<Splits> load_splits(const Recipe& recipe, const Options& options) {
  Splits out;
  OBSCURA_TRY(const Images all, load(recipe, options, "train", out.class_names));
  OBSCURA_TRY(out.test, load(recipe, options, "test", out.class_names));
  if (recipe.data.validation == 0) {
    auto own = load(recipe, options, "val", out.class_names);
    if (!own.ok()) {
      return error(own.error().code, "{}; data.validation (a share of the training images) holds images out instead",
                   own.error().message);
    }
    out.training = all;
    out.validation = std::move(own).value();
  } else {
    torch::manual_seed(recipe.data.split_seed);
    const torch::Tensor order = torch::randperm(all.count());
    const auto held_out = static_cast<std::int64_t>(recipe.data.validation * static_cast<double>(all.count()));
    out.validation = all.rows(order.slice(0, 0, held_out));
    out.training = all.rows(order.slice(0, held_out));
  }
  if (out.validation.count() == 0) {
    return error(Code::unsupported, "no images to choose the epoch by: {} training images, data.validation is {}",
                 all.count(), recipe.data.validation);
  }
  if (out.training.count() < recipe.training.batch) {
    return error(Code::unsupported, "training.batch is {}; there are {} training images", recipe.training.batch,
                 out.training.count());
  }
  return out;
}

torch::Tensor as_floats(const torch::Tensor& pixels) { return pixels.to(torch::kFloat32) / 255; }

Normalisation::Normalisation(const DataRecipe& data, torch::Device device)
    : mean_(per_channel(data.mean, device)),
      deviation_(per_channel(data.std, device)),
      standardise_(data.standardise) {}

torch::Tensor Normalisation::operator()(const torch::Tensor& images) const {
  const torch::Tensor x = (images - mean_) / deviation_;
  if (!standardise_) return x;
  const torch::Tensor centred = x - x.mean({1, 2, 3}, true);
  const torch::Tensor deviation = centred.square().mean({1, 2, 3}, true).sqrt();
  return (centred / deviation.clamp_min(standardise_.floor)).clamp(-standardise_.clip, standardise_.clip);
}

}  // namespace obscura::train
