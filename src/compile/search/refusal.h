// SPDX-License-Identifier: Apache-2.0
/// What a search that ends without a choice says.
#pragma once

#include "compile/schedule/schedule.h"
#include "compile/search/choices.h"
#include "compile/search/memory.h"

namespace obscura::compile {

/// What was refused of the choices, as far as it helps to say so.
class Refusal {
 public:
  /// What lowering or memory refused; the first of the latter is kept, since choices come by time.
  void lowering(const Error& error) { lowering_ = error; }
  void batch_memory(const Error& error);
  /// Precise enough and too large, or keys of any precision: the least is kept.
  void too_large(const Memory& memory);
  void too_large(std::uint64_t keys);
  /// Of any precision: the closest is kept.
  void scheduled(const Schedule& schedule);

  /// infeasible: memory or keys where something was precise enough; else the least error; else what lowering said.
  Error error_of(const Setting& setting, const Request& request) const;

 private:
  struct Closest {
    double logit_error = 0;
    Choice choice;
  };
  std::optional<Memory> memory_;
  std::optional<std::uint64_t> keys_;
  std::optional<Error> lowering_, batch_memory_;
  std::optional<Closest> closest_;
};

}  // namespace obscura::compile
