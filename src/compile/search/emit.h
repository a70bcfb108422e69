// SPDX-License-Identifier: Apache-2.0
/// Candidate -> Plan: operations with their integer maps, limbs and scales.
#pragma once

#include "compile/search/candidate.h"

namespace obscura::compile {

/// Operations, parameters, keys, input and output, and what is predicted; batch, normalisation and reasons are the
/// caller's. `weights`: with the maps of transforms, which are large.
/// errors: as quantize.
Result<plan::Plan> emit(const MonicNetwork& network, const Candidate& candidate, bool weights = true);

/// What a transform that reads this value pays its key switches by.
ckks::SwitchSize switch_size(const plan::Plan& plan, plan::ValueId input);

}  // namespace obscura::compile
