// SPDX-License-Identifier: Apache-2.0
/// Pictures in another size.
#pragma once

#include "data/picture.h"

namespace obscura::data {

/// Stretched to height x width, whatever the proportions: each sample is the mean of those around its place, weighted
/// by a triangle as wide as two samples of the coarser grid (bilinear where it grows; where it shrinks no pixel is left
/// out).
Picture resize(const Picture& picture, std::size_t height, std::size_t width);

}  // namespace obscura::data
