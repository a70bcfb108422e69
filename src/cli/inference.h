// SPDX-License-Identifier: Apache-2.0
/// A set of images through one backend, all inside this process: what `evaluate` measures.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/check.h"
#include "nn/graph.h"
#include "wire/plan_frame.h"

namespace obscura::cli {

struct Inference {
  std::vector<float> logits;  ///< count x classes, row-major
  std::size_t batches = 0;
  struct Seconds {
    double keygen = 0;
    double encrypt = 0;
    double run = 0;  ///< the server's part
    double decrypt = 0;
  } seconds;
};

/// The network on floats (eval::Network), normalised images of C*H*W floats each. Progress bar on a terminal.
/// errors: those of eval::Network.
Result<Inference> infer_float(const nn::Graph& graph, std::span<const float> images, std::size_t count);

/// The plan on the clear twin, without noise unless a seed is given. errors: those of run::run_clear.
Result<Inference> infer_clear(const plan::Plan& plan, std::span<const float> images, std::size_t count,
                              std::optional<std::uint64_t> noise_seed);

/// Fresh keys, then for each batch of N/2 images: encrypt (client), run (server; expanding the seeds of
/// fresh ciphertexts is its work), decrypt (client). `pixels`: C*H*W bytes an image. Progress bars on a terminal.
/// errors: parameters that are refused, cancelled.
Result<Inference> infer_encrypted(const wire::NamedPlan& plan, std::span<const std::uint8_t> pixels);

}  // namespace obscura::cli
