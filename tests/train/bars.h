// SPDX-License-Identifier: Apache-2.0
/// A data set made here, so that trainings are tested wherever they are built: a bright bar whose place is the class.
#pragma once

#include <torch/torch.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace obscura::train::testing {

/// A recipe for them; 4 epochs of 15 steps.
inline const std::string kBars = R"(name = "bars"
[data]
set = "mnist"
shape = [1, 28, 28]
classes = 10
validation = 0.2
[augmentation]
crop = 1
elastic = 0.3
[network]
layers = [
  { type = "conv", channels = 6, kernel = 5, stride = 3 },
  { type = "batch_norm" },
  { type = "activation" },
  { type = "flatten" },
  { type = "dense", features = 10 },
]
[optimizer]
kind = "adamw"
rate = 0.01
[training]
epochs = 4
batch = 32
average_decay = 0.9
)";

inline std::string big_endian(std::vector<std::uint32_t> numbers) {
  std::string out;
  for (const std::uint32_t n : numbers) {
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(n >> shift);
  }
  return out;
}

/// `count` images of a set laid out like MNIST, with noise.
inline void write_split(const std::filesystem::path& folder, const std::string& stem, std::uint32_t count,
                        std::uint64_t seed) {
  torch::manual_seed(seed);
  const torch::Tensor noise = torch::randint(0, 120, {count, 28, 28}, torch::kUInt8);
  std::string labels;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto label = static_cast<std::int64_t>(i % 10);
    noise[i].slice(0, 2 * label + 3, 2 * label + 6) += 100;
    labels += static_cast<char>(label);
  }
  const auto* pixels = reinterpret_cast<const char*>(noise.data_ptr<std::uint8_t>());
  std::ofstream(folder / (stem + "-images-idx3-ubyte"), std::ios::binary)
      << big_endian({0x803, count, 28, 28}) << std::string(pixels, static_cast<std::size_t>(noise.numel()));
  std::ofstream(folder / (stem + "-labels-idx1-ubyte"), std::ios::binary) << big_endian({0x801, count}) << labels;
}

/// folder/mnist: 600 images to train on and 200 to test.
inline void write_bars(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder / "mnist");
  write_split(folder / "mnist", "train", 600, 1);
  write_split(folder / "mnist", "t10k", 200, 2);
}

}  // namespace obscura::train::testing
