// SPDX-License-Identifier: Apache-2.0
/// Junctions while fuse collects them: sums that are values of their own until it is known who reads them.
#pragma once

#include "compile/front/network.h"

namespace obscura::compile {

/// A Junction that still owns its segments and its activation.
struct Draft {
  struct Branch {
    std::size_t source = 0;
    Segment segment;
    bool factor = false;
  };
  std::vector<Branch> branches;
  std::optional<PolynomialActivation> activation;
  std::uint32_t elements = 0;
  std::string origin;  ///< of the sum
};

/// A sum without an activation that one branch alone reads becomes part of the reader, where its branches with the
/// reader's map have no more weights than apart: so what an activation scales goes into the maps before the sum, and a
/// map after a concatenation goes to the parts.
void inline_sums(std::vector<Draft>& drafts);

/// Drafts as junctions, segments and activations with their numbers.
void number(std::vector<Draft> drafts, FusedNetwork& network);

}  // namespace obscura::compile
