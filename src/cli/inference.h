// SPDX-License-Identifier: Apache-2.0
/// A set of images through one backend, all inside this process: what `evaluate` measures.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "api/images.h"
#include "base/check.h"
#include "cli/support.h"
#include "nn/graph.h"
#include "wire/plan_frame.h"

namespace obscura::cli {

struct Inference {
  std::vector<float> logits;          ///< count x classes, row-major
  std::vector<std::uint16_t> labels;  ///< the true ones, of images that were read here
  std::size_t batches = 0;
  struct Seconds {
    double keygen = 0;
    double encrypt = 0;
    double run = 0;  ///< the server's part
    double decrypt = 0;
  } seconds;
};

/// The network in floating point (eval::Network), normalised images of C*H*W floats each. Progress bar on a terminal.
/// errors: those of eval::Network.
Result<Inference> infer_float(const nn::Graph& graph, std::span<const float> images, std::size_t count);

/// The same of images that are read from disk a part at a time.
Result<Inference> infer_float(const nn::Graph& graph, const api::Images& images,
                              const api::Normalization& normalization);

/// How a plan is run on images.
struct PlanOptions {
  std::uint64_t memory = 0;                         ///< see server::allot
  std::optional<std::uint64_t> noise_seed;          ///< of the plaintext simulator
  std::function<void(std::uint64_t bytes)> before;  ///< called with the memory that the plan takes, before any image
};

/// The plan on the plaintext simulator, batch by batch of N/2 images, each read from disk when it is due; without noise
/// unless a seed is given. Progress bar over all batches on a terminal.
/// errors: those of the images, of server::allot and of run::run_clear.
Result<Inference> infer_clear(const plan::Plan& plan, const api::Images& images, const PlanOptions& options);

/// Fresh keys, then for each batch of N/2 images: read them from disk, encrypt (client), run (server; expanding the
/// seeds of fresh ciphertexts is its work), decrypt (client). Progress bar over all batches on a terminal.
/// errors: those of the images and of server::Session; parameters that are refused; cancelled.
Result<Inference> infer_encrypted(const wire::NamedPlan& plan, const api::Images& images, const PlanOptions& options);

}  // namespace obscura::cli
