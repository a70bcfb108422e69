// SPDX-License-Identifier: Apache-2.0
/// The polynomials that calibrate chose, as compile takes them.
#pragma once

#include "calibrate/choice.h"
#include "compile/approximation.h"
#include "nn/graph.h"

namespace obscura::cli {

/// LeakyReLU of slope s, s x + (1 - s) y(x) with y = x (1 + p) / 2, is x (1 + (s + (1 - s) p)) / 2; with y = p it is
/// one polynomial too.
compile::Approximations approximations_of(const nn::Graph& graph, const calibrate::Choice& choice);

}  // namespace obscura::cli
