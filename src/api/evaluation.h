// SPDX-License-Identifier: Apache-2.0
/// A network or a plan, measured on images beside the network in floating point: what the verbs evaluate and bench do.
/// Arrow: ONNX file or plan, images -> Inference -> Marks.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "api/images.h"
#include "api/inference.h"
#include "api/make_plan.h"
#include "api/marks.h"
#include "api/settings.h"
#include "nn/onnx.h"
#include "wire/plan_frame.h"

namespace obscura::api {

enum class Backend {
  floats,       ///< the network as it is
  polynomials,  ///< in floating point, with polynomials in place of its functions
  clear,        ///< the plan on the plaintext simulator
  ckks,         ///< the plan on ciphertexts, with fresh keys
};
/// clear and ckks.
bool takes_plan(Backend backend);

struct EvaluationJob {
  std::string network;  ///< ONNX file; of a plan that from which it was made, or ""
  std::string plan;     ///< file, for backends that take one; "": the network is compiled for them
  nn::ReadOptions read;
  Selection selection;
  Backend backend = Backend::ckks;
  Settings settings;  ///< of a network
  /// How a network is compiled, batch 0 standing for the images, at most 16384; what polynomials are chosen by. Its
  /// report is called for all of the work.
  PlanJob making;
  std::uint64_t memory = 0;                 ///< of running a plan; see server::allot
  std::optional<std::uint64_t> noise_seed;  ///< of clear
  std::optional<Noise> noise;               ///< of polynomials
  std::shared_ptr<ckks::Resources> resources = ckks::Resources::make();
  /// Called with the number of images and the memory that the plan takes, before any image is run.
  std::function<void(std::size_t images, std::uint64_t bytes)> before;
};

struct Evaluation {
  std::optional<nn::Graph> graph;       ///< the reference; else it is the plan on the plaintext simulator
  std::optional<wire::NamedPlan> plan;  ///< of backends that take one
  Settings settings;                    ///< with what the network's file says
  plan::AnswerSpec answer;
  Images images;
  Inference inference;
  Marks marks;
  std::optional<std::uint64_t> memory;             ///< that the plan takes
  calibrate::Choice choice;                        ///< of polynomials
  std::optional<PolynomialInference> polynomials;  ///< its inference is moved above
};

/// errors: the network, the data set or the settings do not fit; parameters that are refused; cancelled.
Result<Evaluation> evaluate(const EvaluationJob& job);

}  // namespace obscura::api
