// SPDX-License-Identifier: Apache-2.0
/// What is executed, before any backend has made it ready.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "ckks/bootstrap.h"
#include "plan/diagonal_weights.h"
#include "plan/schedule.h"

namespace obscura::run {

/// A plan, the order of its work and what preparing it takes. Models of several backends may share one.
struct Program {
  plan::Plan plan;          ///< has passed plan::verify
  plan::Schedule schedule;  ///< of this plan
  /// Its own (plan::make_bootstrapper), where it bootstraps; the plaintext simulator needs it for noise alone.
  std::shared_ptr<const ckks::Bootstrapper> bootstrapper = nullptr;
  /// For what may stay from one batch to the next, instead of being made again: encoded diagonals.
  std::uint64_t kept_bytes = 0;
};

/// With the schedule of the largest tasks (plan::make_schedule).
std::shared_ptr<const Program> make_program(plan::Plan plan,
                                            std::shared_ptr<const ckks::Bootstrapper> bootstrapper = nullptr,
                                            std::uint64_t kept_bytes = 0);

/// A transform of a plan as diagonals.
struct WeightedTransform {
  std::shared_ptr<const plan::Diagonals> diagonals;
  std::shared_ptr<const plan::DiagonalWeights> weights;
  std::shared_ptr<const ckks::TransformShape> shape;
};
/// All of a plan, by step.
/// cost    one pass over the weights
std::map<std::size_t, WeightedTransform> weighted_transforms(const plan::Plan& plan);

/// What models of any backend start from.
class Model {
 public:
  explicit Model(std::shared_ptr<const Program> program);
  const plan::Plan& plan() const { return program_->plan; }
  const plan::Schedule& schedule() const { return program_->schedule; }
  const Program& program() const { return *program_; }
  /// errors  ContractError where the step is not a Polynomial.
  const ckks::CompositePlan& polynomial(std::size_t step) const;

 private:
  std::shared_ptr<const Program> program_;
  std::map<std::size_t, ckks::CompositePlan> polynomials_;  ///< by step
};

}  // namespace obscura::run
