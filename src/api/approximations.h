// SPDX-License-Identifier: Apache-2.0
/// The polynomials that calibrate chose, as compile takes them.
#pragma once

#include "calibrate/choice.h"
#include "compile/front/approximation.h"
#include "nn/graph.h"

namespace obscura::api {

/// The relu form gives a term for each bend of the function (approx/bent.h), the direct form one for all of it.
compile::Approximations approximations_of(const nn::Graph& graph, const calibrate::Choice& choice);

}  // namespace obscura::api
