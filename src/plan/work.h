// SPDX-License-Identifier: Apache-2.0
/// What a step costs, roughly: for progress bars and for memory. Arrow: plan::make_schedule -> ckks.
#pragma once

#include "plan/plan.h"

namespace obscura::plan {

/// Work of one element (of the whole map where linear or a transform), in multiply-adds over one limb of N residues.
/// needs   a step of a verified plan
std::uint64_t work_of(const Plan& plan, const Step& step);

/// Step::bytes of a step that switches keys: of a Polynomial, which holds many ciphertexts, a Relinearize and a Fold;
/// 0 of others. A Transform's follow from its shape, a Bootstrap's from its tables.
std::uint64_t working_bytes(const Plan& plan, const Step& step);

/// Whether a step is worked on one element at a time, each with all cores: a Polynomial or Bootstrap.
bool stands_alone(const Operation& operation);

}  // namespace obscura::plan
