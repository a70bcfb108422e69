// SPDX-License-Identifier: Apache-2.0
/// The operations of activations, for lower.cpp.
#pragma once

#include "compile/layout/circuit.h"

namespace obscura::compile {

/// A value of the network: the operation that gives it.
struct PlacedValue {
  plan::ValueId id = 0;
  plan::Layout layout;
  double factor = 1;         ///< of what the network says
  bool three_parts = false;  ///< still to be relinearised, by its one reader
  /// Of a junction whose activation has `leading`, besides its x: a and b, where they are not x itself or 0.
  std::optional<plan::ValueId> a = {}, b = {};
};

/// Appends the operations of an activation of x = X / factor, where the network's activation is of X; what they give is
/// over the factor's square (one square) or fourth power (two). In two parts, and refreshable, of approximations
/// without times_input; else in three.
plan::ValueId add_activation(const MonicNetwork& network, const Points& points, std::size_t activation,
                             const PlacedValue& x, Circuit& to);

}  // namespace obscura::compile
