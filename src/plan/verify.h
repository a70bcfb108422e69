// SPDX-License-Identifier: Apache-2.0
/// The plan, recomputed from scratch. Shares no code with compile/.
#pragma once

#include <type_traits>

#include "plan/plan.h"

namespace obscura::plan {

// Else clang 14 for WebAssembly gives Gates::bootstrap another signature than BootstrapParams::make has.
static_assert(std::is_move_constructible_v<Result<ckks::BootstrapParams>>);

/// What judges parameters: the 128-bit gates. Tests with small rings bring others.
struct Gates {
  Result<ckks::Params> (*params)(ckks::ParamsLiteral) = ckks::Params::make;
  Result<ckks::BootstrapParams> (*bootstrap)(const ckks::BootstrapLiteral&) = ckks::BootstrapParams::make;
};

/// Checks that a plan, which may come from a file of anyone, is one that the runtime can execute without surprises:
/// parameters pass ckks::Params::make; every id is defined before its use; elements, limbs, parts and scales of each
/// step follow from its inputs (scales to a relative 1e-9); every integer map covers each output once with indices in
/// range and rows under the norm bound; coefficients and biases are finite, and fit the modulus at their scale;
/// layouts put every element in a slot of its own; a transform's map and layouts fit each other and its input;
/// relinearisation only where a key is requested, and exactly the rotation keys that transforms and folds need, each at
/// the most limbs; bootstrapping only by a set that is among BootstrapParams::demonstrated(), on its own ring, at its
/// scales, of values that are at most 1, and a set only where a step bootstraps; polynomials as ckks::plan_composite;
/// no position of the answer but the logits' holds what depends on the image (verify_answer_slots);
/// calibrated values times scale stay below half the modulus at every value that is decrypted; the output spec is the
/// last value's, its encryption noise is above 0 and no more than its error, and its answer passes verify_answer.
/// errors: bad_format or wrong_params, naming the step, the actual and the expected value.
Result<void> verify(const Plan& plan, const Gates& gates = {});

}  // namespace obscura::plan
