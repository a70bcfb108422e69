// SPDX-License-Identifier: Apache-2.0
/// Whether the forms of a network before layouts are sound, and their text.
#pragma once

#include "compile/front/network.h"

namespace obscura::compile {

/// Junctions read values before them, each segment and activation is of one junction, and maps fit each other.
/// errors  bad_format, naming the junction
Result<void> verify(const FusedNetwork& network);
Result<void> verify(const MonicNetwork& network);

/// One line for each junction, branch and map: what it reads, the sizes and weights of maps, the kind of activations.
std::string to_text(const FusedNetwork& network);
std::string to_text(const MonicNetwork& network);

}  // namespace obscura::compile
