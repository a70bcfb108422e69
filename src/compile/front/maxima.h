// SPDX-License-Identifier: Apache-2.0
/// Max-pooling as a tree of pairwise maxima, max(a, b) = b + relu(a - b): nn::Graph -> junctions.
#pragma once

#include <functional>

#include "compile/front/symbol.h"

namespace obscura::compile {

/// The maximum of two of the taps of a window, at every place of the output. A tap in the padding takes no part.
struct Tap {
  std::shared_ptr<const Affine> value;
  std::vector<std::uint32_t> source;  ///< by element of the output: the element of the value; nn::kNoSource: none
};

/// What a tree is built with: fuse makes junctions of it.
struct TreeParts {
  /// map after a value.
  std::function<std::shared_ptr<const Affine>(const Affine&, LinearMap)> append;
  /// The activation of the sum of these.
  std::function<std::shared_ptr<const Affine>(const std::vector<std::shared_ptr<const Affine>>&,
                                              std::uint32_t elements)>
      activate;
  std::function<std::shared_ptr<const Affine>(const std::vector<std::shared_ptr<const Affine>>&)> sum;
};

/// The output of a max_pool node of x. Rows of a window first go across its columns, all rows side by side as further
/// channels, then down; first with second, third with fourth and so on, one that is left over goes on as it is: the
/// same maxima as eval::make_max_pool takes, so both give the same values. Windows of 2 x 2 take two activations one
/// after the other, of 3 x 3 four. Differences and what is carried along are exact: the relu is all that is
/// approximated. After: E. Lee et al., "Precise approximation of convolutional neural networks for homomorphically
/// encrypted data", 2021.
std::shared_ptr<const Affine> max_pool_tree(const nn::Graph& graph, const nn::Node& node,
                                            const std::shared_ptr<const Affine>& x, const TreeParts& parts);

}  // namespace obscura::compile
