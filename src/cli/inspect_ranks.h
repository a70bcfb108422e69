// SPDX-License-Identifier: Apache-2.0
/// What `inspect PLAN --ranks` says: how long a run on many ranks will take.
#pragma once

#include <cstdint>

#include "cli/verb.h"
#include "plan/plan.h"

namespace obscura::cli {

struct RanksOptions {
  std::uint32_t ranks = 0;   ///< 0: not asked for
  double gigabits = 25;      ///< a second, from and to each rank
  std::uint64_t images = 0;  ///< 0: one batch
  double core_seconds = 0;   ///< measured of one batch, in place of the plan's; 0: the plan's
};

void add_ranks(CLI::App& command, RanksOptions& options);

/// For 1, 2, 4 ... ranks: seconds, efficiency, memory, bytes sent; for the last the layers of the batches that ranks
/// share. errors: wrong_params, of options that do not fit
Result<Answer> inspect_ranks(const plan::Plan& plan, const RanksOptions& options);

}  // namespace obscura::cli
