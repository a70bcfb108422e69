// SPDX-License-Identifier: Apache-2.0
/// Layouts that a value may have in the image layout, for layout/lower.cpp.
#pragma once

#include "compile/front/network.h"
#include "plan/plan.h"

namespace obscura::compile {

/// The positions of one ciphertext as blocks, each of which holds one plane of an image.
struct Grid {
  std::uint32_t positions = 0;  ///< of each image
  std::uint32_t row = 0;        ///< positions from one row of the image to the next
  std::uint32_t block = 0;      ///< a power of two
  plan::ImageSlots sharing = {};
  /// Whether there may be copies, which rotations go around.
  bool may_repeat() const { return sharing.interleaved(); }
};

/// Nothing where a plane of the image has more pixels than a ciphertext has positions.
std::optional<Grid> make_grid(const nn::Shape& image, std::uint32_t slots, std::uint32_t images,
                              bool interleaved = true);

/// One plane a block, in copies where they fit.
plan::Layout input_layout(const nn::Shape& image, const Grid& grid);

/// Where a map may put its outputs.
struct LayoutCandidate {
  plan::Layout to;                     ///< of the transform
  std::vector<std::uint32_t> spread;   ///< of the transform
  std::vector<plan::Fold::Sum> folds;  ///< that add up the parts; steps in positions
  plan::Layout after;                  ///< of the folded value
  /// Every position of the folded value is an element's or 0. Others hold sums of parts that belong to no element,
  /// which a polynomial of higher degree would make large: they are multiplied with the rounding of weights that are 0.
  bool clean = true;
};

/// Targets for a map that reads `from`. Convolutions keep their pixels where they are, so that one step serves all
/// positions: a stride leaves gaps for other channels. Everything else is a vector, computed in as many parts as fit
/// and folded. `pool`: the window of an average pooling that reads the outputs, or 1; its elements may go to different
/// units.
std::vector<LayoutCandidate> layout_candidates(const LinearMap& map, const plan::Layout& from, const Grid& grid,
                                               std::uint32_t pool);

/// A map whose rows add up equal multiples of elements: y[r] = factor[r] * (sum of its window) + bias[r].
struct WindowSum {
  std::vector<double> factor;
  std::uint32_t window = 0;  ///< side of a square window
};
std::optional<WindowSum> window_sum(const LinearMap& map);

/// The sums of a WindowSum without products: first output ciphertext o = sum of ciphertexts add[o], then folds.
struct SumSteps {
  std::vector<std::vector<std::uint32_t>> add;  ///< empty: ciphertexts stay as they are
  std::vector<plan::Fold::Sum> folds;           ///< steps in positions
  plan::Layout after;
};
/// Nothing where the layout does not have the windows at equal distances.
std::optional<SumSteps> sum_steps(const LinearMap& map, std::uint32_t window, const plan::Layout& from);

}  // namespace obscura::compile
