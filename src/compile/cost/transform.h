// SPDX-License-Identifier: Apache-2.0
/// What the costly steps of the image layout take, for one image of many: keys are expanded, and diagonals encoded as
/// far as they are kept (arrow: compile -> plan, ckks).
#pragma once

#include <span>
#include <vector>

#include "ckks/bootstrap.h"
#include "compile/cost/model.h"

namespace obscura::compile {

/// Shares of a transform's diagonals that need not be encoded again: their FFTs, and their NTTs.
struct Kept {
  double coefficients = 1;
  double residues = 0;
};

/// What is kept of each of a plan's transforms within so many bytes, as run::CkksModel keeps it: coefficients
/// in the plan's order, then residues in their place.
std::vector<Kept> kept_diagonals(int log2_degree, std::span<const ckks::TransformCost> work, double bytes);

/// Nanoseconds of a transform at `size`, which `work` was counted for.
double transform_nanoseconds(const CostModel& cost, int log2_degree, const ckks::TransformCost& work,
                             const ckks::SwitchSize& size, const Kept& kept = {});

/// Nanoseconds of one bootstrapping: the transforms, the key switches between them and the cosine. What is kept of its
/// limbs afterwards changes nothing here.
double bootstrap_nanoseconds(const CostModel& cost, const ckks::Bootstrapper& bootstrapper);

}  // namespace obscura::compile
