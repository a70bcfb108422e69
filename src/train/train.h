// SPDX-License-Identifier: Apache-2.0
/// Training of small networks with polynomial activations, in place, on the CPU (libtorch behind this header).
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/check.h"
#include "data/dataset.h"
#include "nn/graph.h"

namespace obscura::train {

/// mnist-swish4: conv 5x5x5 stride 2, batch norm, Swish-4, conv 5x5x50 stride 2, batch norm, Swish-4, dense 10
/// (Ishiyama et al. 2020). mnist-square: the same with x^2 for Swish-4 (the network of Badawi et al. with batch norm).
const std::vector<std::string>& network_names();

/// Everything that decides the outcome. The same recipe with the same number of threads gives the same weights.
struct Recipe {
  std::string network = "mnist-swish4";
  std::string dataset = "mnist";
  std::filesystem::path data_folder = "data";
  std::uint32_t epochs = 50;
  std::uint32_t batch_size = 128;
  double learning_rate = 4e-3;  ///< the peak: linear warm-up over a twentieth of the run, then cosine to zero
  double weight_decay = 1e-2;   ///< decoupled (AdamW)
  double label_smoothing = 0.0;
  double range_penalty = 1e-2;         ///< times the mean of max(0, |pre-activation| - activation_range)^2
  std::uint32_t activation_range = 6;  ///< r of the Swish-4 fit on [-r, r], 3 to 8; the soft bound of both networks
  double average_decay = 0.999;        ///< exponential moving average of the weights, one step a batch; 0 = none
  double augmentation = 0.5;           ///< share of rotation 15 degrees, zoom 0.1 and shift 0.1; 0 = none
  double elastic = 0.6;                ///< pixels: deviation of a smooth random displacement; 0 = none
  std::uint64_t seed = 1;
  std::uint32_t threads = 0;       ///< 0 = all cores
  std::size_t limit = data::kAll;  ///< images taken of each split
};

/// What is known after a step of the optimiser; the validation figures are those of the last whole epoch.
struct Moment {
  std::uint32_t epoch = 0;  ///< from 1
  std::uint32_t epochs = 0;
  std::size_t step = 0, steps = 0;  ///< of the whole run
  bool epoch_ended = false;
  double training_loss = 0;
  double validation_loss = 0;
  double validation_accuracy = 0;
  double seconds = 0;
};
/// Returning false ends the training with Code::cancelled.
using Observer = std::function<bool(const Moment&)>;

struct Score {
  std::size_t images = 0, correct = 0;
  double loss = 0;
  double accuracy() const { return images == 0 ? 0 : static_cast<double>(correct) / static_cast<double>(images); }
};

struct Outcome {
  nn::Graph graph;
  std::size_t parameters = 0;  ///< trained numbers
  std::size_t training_images = 0;
  std::uint32_t best_epoch = 0;                    ///< most right on validation; ties: smaller validation loss
  Score validation;                                ///< of that epoch
  Score test;                                      ///< asked once, after the choice
  std::array<double, 2> largest_pre_activation{};  ///< max |x| into each activation over the validation images
  double seconds = 0;
};

/// Trains on 90 % of the training split and chooses the epoch by the other 10 %, drawn by the seed. Inputs are
/// pixel / 255.
/// errors: an unknown network; a recipe out of range, naming the option; the data set absent; a data set whose images
/// are not 1x28x28; cancelled; a loss that is no longer finite.
/// cost  about 3 seconds an epoch of MNIST on one core.
Result<Outcome> train(const Recipe& recipe, const Observer& observe);

}  // namespace obscura::train
