// SPDX-License-Identifier: Apache-2.0
/// Bits of the weights of integer matrices between ciphertexts, for one choice of parameters.
#pragma once

#include "compile/search/candidate.h"

namespace obscura::compile {

/// The choice of the trial with the weight bits that give the least error; nothing where scales leave no headroom: a
/// value that does not fit its modulus, or drowns in noise. Where the error is within setting.max_error, the effect of
/// rounding is measured with all maps rounded; else it is estimated map by map. The circuit is the caller's to set.
std::optional<Candidate> with_best_weight_bits(const Trial& trial);

}  // namespace obscura::compile
