// SPDX-License-Identifier: Apache-2.0
/// What was measured, as text.
#pragma once

#include "compile/measure/amplification.h"
#include "compile/measure/rounding.h"

namespace obscura::compile {

/// One line for each value of the network: largest, root mean square, and what an error of standard deviation 1 there
/// does to the logits.
std::string to_text(const MonicNetwork& network, const Statistics& statistics, const ErrorAmplification& amplification);

/// One line for each map: whether its weights are exact, and the root mean squared effect on the logits of 10 bits.
std::string to_text(const MonicNetwork& network, const Rounding& rounding);

}  // namespace obscura::compile
