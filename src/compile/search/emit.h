// SPDX-License-Identifier: Apache-2.0
/// Selection -> Plan: steps with their integer maps.
#pragma once

#include "compile/search/batch_search.h"

namespace obscura::compile {

/// Steps, parameters, input and output; batch, normalisation, reasons and predictions are the caller's.
/// errors: as quantize.
Result<plan::Plan> emit(const MonicNetwork& network, const Candidate& candidate);

}  // namespace obscura::compile
