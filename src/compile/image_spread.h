// SPDX-License-Identifier: Apache-2.0
/// A number of each channel at all places of that channel, for compile/image_network.cpp.
#pragma once

#include <optional>

#include "compile/image_layout.h"

namespace obscura::compile {

/// First each channel at its first place, then sums of rotations that repeat it, since all other slots are 0.
struct ChannelSpread {
  LinearMap map;  ///< a row a channel
  Target target;  ///< ends in the layout that was asked for
};

/// Of a map whose rows are the same at all places of a channel, so that instead of a diagonal for each place there are
/// few. Nothing for other maps, and where `to` has one place a channel or several phases.
std::optional<ChannelSpread> channel_spread(const LinearMap& map, const plan::Layout& to, std::uint32_t slots);

}  // namespace obscura::compile
