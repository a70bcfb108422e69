// SPDX-License-Identifier: Apache-2.0
/// What verifying a plan asks of numbers, of the plan itself and of each step alike.
#pragma once

#include <cmath>

#include "plan/plan.h"

namespace obscura::plan {

inline bool positive(double x) { return std::isfinite(x) && x > 0; }
inline bool not_negative(double x) { return std::isfinite(x) && x >= 0; }

/// Checks against a plan's primes. Its errors are bad_format and start with the place that was set last.
class Bounds {
 public:
  /// needs   a plan that outlives it, with chain.size() > 0
  explicit Bounds(const Plan& plan) : plan_(plan) {}

  void set_place(std::string place) { place_ = std::move(place); }
  const std::string& place() const { return place_; }
  template <class... Args>
  Error broken(fmt::format_string<Args...> format, Args&&... args) const {
    return error(Code::bad_format, "{}: {}", place_, fmt::format(format, std::forward<Args>(args)...));
  }
  Result<void> limbs_and_scale(std::uint32_t limbs, double scale) const;
  /// |encoded| < product of the first `limbs` primes / 2.
  Result<void> fits(double encoded, std::uint32_t limbs, const char* what) const;
  /// Constants are finite, below 2^100 and below half of the modulus, at their scale.
  Result<void> constants_fit(const std::vector<double>& values, double scale, std::uint32_t limbs,
                             const char* what) const;
  /// As constants_fit, below the encoder's bound.
  Result<void> slots_fit(const std::vector<double>& values, double scale, std::uint32_t limbs, const char* what) const;
  /// A coefficient is at most the mean of the |slots| that it encodes, with which period they ever repeat.
  Result<void> bias_fits(const Transform& step, const ValueInfo& info) const;

 private:
  const Plan& plan_;
  std::string place_;
};

}  // namespace obscura::plan
