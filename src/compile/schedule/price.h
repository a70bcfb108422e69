// SPDX-License-Identifier: Apache-2.0
/// What operations are predicted to take.
#pragma once

#include "compile/cost/model.h"
#include "compile/layout/choice.h"
#include "compile/layout/circuit.h"

namespace obscura::compile {

/// Nanoseconds of an operation on inputs of so many limbs and parts; of one that is neither a transform, a polynomial
/// nor a bootstrapping, whose prices depend on more.
double price(const CostModel& cost, const MonicNetwork& network, const Operation& operation, const Choice& choice,
             std::uint32_t limbs, std::uint32_t parts);

}  // namespace obscura::compile
