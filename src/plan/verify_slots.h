// SPDX-License-Identifier: Apache-2.0
/// What the slots of an answer hold beside the logits: for plan/verify.cpp.
#pragma once

#include <memory>
#include <span>

#include "plan/diagonals.h"
#include "plan/plan.h"

namespace obscura::plan {

/// Follows which positions of each value may hold what depends on the image, from the image's layout through every step
/// that the answer needs, and refuses a plan whose answer holds any at a position that is no logit's: an intermediate
/// value there would tell the client of the weights. `diagonals`: of each transform, by step. Needs verified steps.
/// errors  bad_format, naming the ciphertext and the position
Result<void> verify_answer_slots(const Plan& plan, std::span<const std::shared_ptr<const Diagonals>> diagonals);

}  // namespace obscura::plan
