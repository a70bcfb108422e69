// SPDX-License-Identifier: Apache-2.0
/// Training by a recipe (libtorch behind this header).
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "train/recipe.h"

namespace obscura::train {

/// What does not belong to a recipe.
struct Options {
  std::filesystem::path data_folder = "data";
  std::filesystem::path checkpoint;  ///< written after each epoch; empty: none
  bool resume = false;               ///< go on from it, where there is one
  std::uint32_t threads = 0;         ///< 0 = all cores
  std::string device = "auto";       ///< "cpu", "cuda", or "auto": CUDA where libtorch has it
  std::size_t limit = data::kAll;    ///< images taken of each split
};

struct Score {
  std::size_t images = 0, correct = 0;
  double loss = 0;
  double accuracy() const { return images == 0 ? 0 : static_cast<double>(correct) / static_cast<double>(images); }
};

/// One epoch, for the curve. The training figures are of the batches as they came, augmented.
struct EpochRecord {
  double training_loss = 0, training_accuracy = 0;
  double validation_loss = 0, validation_accuracy = 0;
  double seconds = 0;
};

/// What is known after a step of the optimiser; the validation figures are those of the last whole epoch.
struct Moment {
  std::int64_t epoch = 0;  ///< from 1
  std::int64_t epochs = 0;
  std::size_t step = 0, steps = 0;  ///< of the whole run
  std::size_t first_step = 0;       ///< where this run began: after what a checkpoint held
  bool epoch_ended = false;
  double training_loss = 0;
  double validation_loss = 0;
  double validation_accuracy = 0;
  double seconds = 0;  ///< of this run
};
/// Returning false ends the training with Code::cancelled.
using Observer = std::function<bool(const Moment&)>;

struct Outcome {
  nn::Graph graph;
  std::string layers;                ///< in words
  std::int64_t parameters = 0;       ///< trained numbers
  std::int64_t multiplications = 0;  ///< by weights, for one image
  std::size_t training_images = 0;
  std::int64_t best_epoch = 0;                 ///< most right on validation; ties: smaller validation loss
  Score validation;                            ///< of that epoch
  Score test;                                  ///< asked once, after the choice
  std::vector<double> largest_pre_activation;  ///< max |x| into each activation over the validation images
  std::vector<EpochRecord> history;
  double seconds = 0;  ///< of all runs that a checkpoint joined
  std::uint32_t threads = 1;
  std::string device;  ///< "AMD EPYC, 2 threads" or the name of the GPU
};

/// Trains on the training split less what the recipe holds out, and chooses the epoch by the rest or by the set's own
/// "val" split; only epochs after all blends have ended can be chosen. Draws of epoch e depend on the seed and e alone,
/// so that a run that goes on from a checkpoint gives, on the CPU with the same number of threads, the weights of one
/// that was never broken.
/// errors: the data set absent, or of another shape than the recipe's; no images to choose by; a teacher that does not
/// fit; a checkpoint that exists already without `resume`, is damaged or of another recipe; a device that is not there;
/// cancelled; a loss that is no longer finite.
Result<Outcome> train(const Recipe& recipe, const Options& options, const Observer& observe);

}  // namespace obscura::train
