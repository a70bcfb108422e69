// SPDX-License-Identifier: Apache-2.0
/// The structure of an integer map, checked.
#pragma once

#include "plan/plan.h"

namespace obscura::plan {

/// Every block names a matrix of its size, indices are in range, every output is in exactly one block, rows are
/// under ckks::kMaxRowNorm. `place` starts the sentence of an error.
/// errors: bad_format
Result<void> verify_map(const ckks::IntegerMap& map, const std::string& place);

}  // namespace obscura::plan
