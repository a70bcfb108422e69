// SPDX-License-Identifier: Apache-2.0
/// Where a training stands after an epoch, as a file.
#pragma once

#include <torch/torch.h>

#include "train/train.h"

namespace obscura::train {

struct Standing {
  std::int64_t epoch = 0;  ///< done
  std::size_t optimizer_steps = 0;
  std::size_t average_steps = 0;
  std::int64_t best_epoch = 0;  ///< 0: none yet
  Score best;
  std::vector<double> largest;  ///< pre-activations of the best epoch
  std::vector<EpochRecord> history;
  double seconds = 0;
};

/// Bytes of a checkpoint: kind, `identity` (a digest of recipe, data and teacher), standing, `tensors` as floats in
/// their order, a digest of all before.
/// Written beside its place and renamed: a run that is killed leaves the one of the epoch before.
Result<void> write_checkpoint(const std::filesystem::path& path, const std::string& identity, const Standing& standing,
                              const std::vector<torch::Tensor>& tensors);

/// Reads into `tensors`, which have the shapes that the recipe gives.
/// errors  absent; no checkpoint, truncated or damaged; of another identity.
Result<Standing> read_checkpoint(const std::filesystem::path& path, const std::string& identity,
                                 const std::vector<torch::Tensor>& tensors);

}  // namespace obscura::train
