// SPDX-License-Identifier: Apache-2.0
/// Rotations that are composed of others, where not every one has a key of its own (arrow: transform_shape.cpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace obscura::ckks {

/// In place of the index of a rotation that another one starts from: what is not rotated at all.
inline constexpr std::uint32_t kUnrotated = ~std::uint32_t{0};

/// A rotation by `step` slots: by `turn`, which has a key, of what an earlier one gives.
struct ComposedRotation {
  std::int64_t step = 0;
  std::uint32_t from = kUnrotated;  ///< index of the earlier one
  std::int64_t turn = 0;
  std::uint32_t switches = 1;  ///< rotations from what is not rotated up to here
};

/// Into (-slots / 2, slots / 2].
std::int64_t centred_step(std::int64_t step, std::int64_t slots);

/// A tree of rotations by `keys` alone that reaches every wanted step, those it starts from first; others between them
/// where need be. Each wanted step in turn is joined to the tree by the fewest rotations, and among equals where the
/// error is least: at the lowest place. Steps that have keys come from what is not rotated. Deterministic, and the same
/// when keys that no rotation of it has are taken away.
/// cost    wanted^2 + wanted * keys; where wanted steps are several rotations apart up to slots * keys for each
/// errors  nothing: a step cannot be reached, or not by few rotations (kMostBetween)
std::optional<std::vector<ComposedRotation>> rotation_tree(std::int64_t slots, std::span<const std::int64_t> wanted,
                                                           std::span<const std::int64_t> keys);

/// Rotations of a tree for each wanted one, at most.
inline constexpr std::size_t kMostBetween = 16;

}  // namespace obscura::ckks
