// SPDX-License-Identifier: Apache-2.0
/// What scheduling needs to know besides a circuit and a choice of parameters.
#pragma once

#include "compile/cost/model.h"
#include "compile/layout/map_cache.h"
#include "compile/measure/amplification.h"
#include "compile/measure/rounding.h"
#include "compile/pass/passes.h"
#include "compile/pass/report.h"

namespace obscura::compile {

struct Setting {
  const MonicNetwork* network = nullptr;
  const Statistics* statistics = nullptr;
  const ErrorAmplification* amplification = nullptr;
  const Rounding* rounding = nullptr;  ///< of integer matrices between ciphertexts; none: circuits have none
  CostModel cost = {};
  int headroom_bits =
      0;  ///< between the largest value seen and the modulus: of each value (Circuit::batch), or of logits
  double max_input = 1;                             ///< largest |pixel| after normalisation
  double max_error = 0;                             ///< of a logit
  double spread = 0;                                ///< of logits, which the error is compared with
  std::optional<std::uint64_t> max_key_bytes = {};  ///< of evaluation keys in the server's memory
  std::uint64_t memory = 0;                         ///< of the server, for everything
  /// What the circuits that are compared have in common.
  std::shared_ptr<MapCache> cache = {};
  Report report = {};
  Passes* passes = nullptr;  ///< or none
};

}  // namespace obscura::compile
