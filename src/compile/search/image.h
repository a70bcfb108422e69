// SPDX-License-Identifier: Apache-2.0
/// The cheapest parameters in the image layout, with bootstrapping or without, and how many images share ciphertexts.
#pragma once

#include "compile/search/candidate.h"

namespace obscura::compile {

struct ImageSelection {
  Selection selection;
  std::vector<std::string> compared;  ///< numbers of images at once and what each takes, human-readable
};

/// The number of images at once that takes the least predicted time for `batch` images. Tried are 1, 2, 4 .. images
/// that share ciphertexts, up to the batch and as long as a plane of each fits: from the most on down, as long as fewer
/// take less, since the time of an image falls with their number until what is kept of diagonals runs out.
/// errors: as search_levelled and search_bootstrapped; infeasible: what is least of memory or keys, where that is too
/// much.
Result<ImageSelection> search_image(const Setting& setting, std::optional<int> log2_degree, std::uint32_t batch);

}  // namespace obscura::compile
