// SPDX-License-Identifier: Apache-2.0
/// Networks of others, the images that their accuracies were measured on, and what was measured.
#pragma once

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/files.h"
#include "data/dataset.h"
#include "nn/graph.h"
#include "nn/reference.h"
#include "tests/nn/graphs.h"

namespace obscura::nn {

/// Floats that a network reads, image after image, and their labels.
struct LabelledImages {
  std::vector<float> pixels;
  std::vector<int> labels;
};

/// Pixels over `range`, minus the mean, over the standard deviation of their channel
/// (the last entry serves all further ones).
struct Normalization {
  float range = 255;
  std::vector<float> mean{0};
  std::vector<float> std{1};
};

inline Normalization plain() { return {}; }
inline Normalization imagenet_norm() { return {255, {0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}}; }
inline Normalization cifar_norm() { return {255, {0.4914F, 0.4822F, 0.4465F}, {0.2023F, 0.1994F, 0.2010F}}; }
inline Normalization centered_norm() { return {255, {0.5F}, {0.5F}}; }
inline Normalization lenet_norm() { return {255, {0.1307F}, {0.3081F}}; }
inline Normalization bytes_norm() { return {1, {0}, {1}}; }

/// {count, channels, plane} bytes as floats.
inline std::vector<float> normalize(const std::vector<std::uint8_t>& bytes, std::size_t channels, std::size_t plane,
                                    const Normalization& n) {
  std::vector<float> out(bytes.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::size_t c = i / plane % channels;
    const float mean = n.mean[std::min(c, n.mean.size() - 1)];
    const float deviation = n.std[std::min(c, n.std.size() - 1)];
    out[i] = (static_cast<float>(bytes[i]) / n.range - mean) / deviation;
  }
  return out;
}

/// $OBSCURA_DATA, or data/ beside the sources.
inline std::filesystem::path data_folder() {
  const char* chosen = std::getenv("OBSCURA_DATA");
  return chosen != nullptr ? std::filesystem::path(chosen) : std::filesystem::path(OBSCURA_SOURCE_DIR "/data");
}

inline LabelledImages labelled(const data::Dataset& set, const Normalization& n) {
  return {normalize(set.pixels, set.channels, set.height * set.width, n), {set.labels.begin(), set.labels.end()}};
}

/// How many of the images have their label as the largest logit.
inline int count_correct(const Graph& graph, const LabelledImages& images) {
  const std::size_t count = images.labels.size();
  const std::vector<float> logits = run_reference(graph, images.pixels, count);
  const std::size_t classes = logits.size() / count;
  int correct = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto row = logits.begin() + static_cast<std::ptrdiff_t>(classes * i);
    correct += std::max_element(row, row + static_cast<std::ptrdiff_t>(classes)) - row == images.labels[i] ? 1 : 0;
  }
  return correct;
}

/// One of the two ImageNet networks.
struct ImagenetNetwork {
  const char* name;  ///< of its file, and in the name of the file with its logits
  bool caffe;        ///< BGR 0..255 minus (104, 117, 123); else as imagenet_norm
};

/// Images [first, first + count) of the 100 photographs as the network reads them; empty where they are absent.
inline std::vector<float> imagenet_images(const ImagenetNetwork& network, std::size_t first, std::size_t count) {
  constexpr std::size_t kPlane = 224 * 224;
  const auto file = base::read_file(shared_data() / "imagenet/sample100_224_u8_nchw.bin", 1 << 24);
  if (!file.ok()) return {};
  std::vector<std::uint8_t> bytes(3 * kPlane * count);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::size_t channel = i / kPlane % 3;
    const std::size_t from = network.caffe ? i + 2 * kPlane - 2 * channel * kPlane : i;  // RGB to BGR
    bytes[i] = static_cast<std::uint8_t>((*file)[first * 3 * kPlane + from]);
  }
  return normalize(bytes, 3, kPlane, network.caffe ? Normalization{1, {104, 117, 123}, {1}} : imagenet_norm());
}

/// The logits of all 100 photographs, computed with an independent runtime.
inline std::vector<float> imagenet_logits(const ImagenetNetwork& network) {
  const std::string name = std::string("imagenet/sample100_logits_") + network.name + "_f32le.bin";
  const auto file = base::read_file(shared_data() / name, 1 << 20);
  if (!file.ok()) return {};
  std::vector<float> logits(file->size() / sizeof(float));
  std::memcpy(logits.data(), file->data(), logits.size() * sizeof(float));
  return logits;
}

inline float largest_difference(const std::vector<float>& a, const float* b) {
  float largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

}  // namespace obscura::nn
