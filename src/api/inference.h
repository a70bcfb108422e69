// SPDX-License-Identifier: Apache-2.0
/// A set of images through one backend, all inside this process.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "api/images.h"
#include "api/settings.h"
#include "base/check.h"
#include "calibrate/choice.h"
#include "compile/pass/report.h"
#include "nn/graph.h"
#include "wire/plan_frame.h"

namespace obscura::api {

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

/// The network in floating point (eval::Network), normalised images of C*H*W floats each. Reports "float network".
/// errors: those of eval::Network.
Result<Inference> infer_float(const nn::Graph& graph, std::span<const float> images, std::size_t count,
                              const compile::Report& report);

/// The same of images that are read from disk a part at a time.
Result<Inference> infer_float(const nn::Graph& graph, const Images& images, const Normalization& normalization,
                              const compile::Report& report);

/// Noise on each activation's output.
struct Noise {
  /// Standard deviation of bound * 2^-bits; nothing: what ciphertexts of scale 2^46 at N = 2^16 have.
  std::optional<double> bits;
  std::uint64_t seed = 1;
};

struct PolynomialInference {
  Inference inference;
  std::map<std::size_t, eval::Excess> excess;
  std::uint64_t outside() const;
  std::uint64_t arguments() const;
};

/// The network with the chosen polynomials on normalised images. Reports "polynomials".
/// errors: those of eval::Network.
Result<PolynomialInference> infer_poly(const nn::Graph& graph, const calibrate::Choice& choice,
                                       std::span<const float> images, std::size_t count,
                                       const std::optional<Noise>& noise, const compile::Report& report);

/// How a plan is run on images.
struct PlanOptions {
  std::uint64_t memory = 0;                         ///< see server::allot
  std::optional<std::uint64_t> noise_seed;          ///< of the plaintext simulator
  std::function<void(std::uint64_t bytes)> before;  ///< called with the memory that the plan takes, before any image
  compile::Report report;
  std::shared_ptr<ckks::Resources> resources = ckks::Resources::make();  ///< of both sides
};

/// The plan on the plaintext simulator, batch by batch of as many images as there are slots, each read from disk when
/// it is due; without noise unless a seed is given. Reports "plaintext simulator", over all batches.
/// errors: those of the images and of Simulator.
Result<Inference> infer_clear(const plan::Plan& plan, const Images& images, const PlanOptions& options);

/// Fresh keys, then for each batch: read them from disk, encrypt (client), run (server; expanding the
/// seeds of fresh ciphertexts is its work), decrypt (client). Reports "encrypted", over all batches.
/// errors: those of the images and of server::Session; parameters that are refused; cancelled.
Result<Inference> infer_encrypted(const wire::NamedPlan& plan, const Images& images, const PlanOptions& options);

}  // namespace obscura::api
