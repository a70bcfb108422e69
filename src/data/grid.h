// SPDX-License-Identifier: Apache-2.0
/// A picture of what a network answered.
#pragma once

#include "base/bytes.h"
#include "data/dataset.h"

namespace obscura::data {

/// Pictures are refused beyond this many images.
inline constexpr std::size_t kMaxGridImages = 4096;

/// PNG bytes of a grid of `columns` columns: each image enlarged, its predicted label below. Where images.labels is
/// there, a mistake stands in a red frame with "predicted / true" below. Labels are digits of the class number.
/// errors  ContractError: not one prediction an image, no images, columns 0, more than kMaxGridImages.
base::Bytes draw_grid(const Dataset& images, std::span<const std::uint32_t> predictions, std::size_t columns);

}  // namespace obscura::data
