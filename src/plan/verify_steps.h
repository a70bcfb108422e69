// SPDX-License-Identifier: Apache-2.0
/// The steps of a plan, recomputed one after the other.
#pragma once

#include <optional>

#include "ckks/bootstrap_params.h"
#include "plan/verify_bounds.h"

namespace obscura::plan {

class StepVerifier {
 public:
  /// `bootstrap`: limbs of the plan's bootstrapping, where it has one.
  StepVerifier(const Plan& plan, Bounds& bounds, std::optional<ckks::BootstrapLimbs> bootstrap)
      : plan_(plan), bounds_(bounds), bootstrap_limbs_(bootstrap) {}

  /// Whether what each step says of its output follows from its inputs; the last value.
  /// errors: bad_format or wrong_params, naming the step
  Result<ValueInfo> run();

 private:
  Result<ValueInfo> follow(const Linear& step) const;
  Result<ValueInfo> follow(const Multiply& step) const;
  Result<ValueInfo> follow(const Relinearize& step) const;
  Result<ValueInfo> follow(const Rescale& step) const;
  Result<ValueInfo> follow(const Combine& step) const;
  Result<ValueInfo> follow(const Transform& step) const;
  Result<ValueInfo> follow(const Fold& step) const;
  Result<ValueInfo> follow(const Polynomial& step) const;
  Result<ValueInfo> follow(const Bootstrap& step) const;
  Result<void> compare(const ValueInfo& expected, const ValueInfo& actual) const;
  Result<ValueInfo> read(ValueId id) const;
  /// What an operation on the slots of two-part ciphertexts with the relinearisation key reads.
  Result<ValueInfo> read_for_products(ValueId id, const char* what) const;
  double primes_dropped(std::uint32_t limbs, std::uint32_t count) const;
  /// Divides by the last `count` primes.
  Result<void> drop(ValueInfo& info, std::uint32_t count) const;
  std::uint64_t slots() const { return plan::slots(plan_); }

  const Plan& plan_;
  Bounds& bounds_;
  std::optional<ckks::BootstrapLimbs> bootstrap_limbs_;
  const ValueInfo* stated_ = nullptr;  ///< output of the step that is followed
  std::vector<ValueInfo> values_;
};

/// Relative; doubles multiplied in another order differ by 1e-15.
inline constexpr double kScaleTolerance = 1e-9;

}  // namespace obscura::plan
