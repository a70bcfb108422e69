// SPDX-License-Identifier: Apache-2.0
/// Where the elements of a tensor stand in slots (image layout), and which diagonals of a matrix between two layouts
/// are not zero. Arrows: the client packs an image by a Layout; the runtime turns a step's map into diagonals.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/check.h"
#include "ckks/integer_map.h"
#include "ckks/transform.h"

namespace obscura::plan {

/// A slot of a ciphertext.
struct Place {
  std::uint32_t ciphertext = 0;
  std::uint32_t slot = 0;
  auto operator<=>(const Place&) const = default;
};

/// Element (c, y, x) stands at units[(c * phases + y % phases) * phases + x % phases], (y / phases) * row +
/// (x / phases) * column slots further on, and again at each multiple of `period` slots from there. Slots that no
/// element has hold anything.
///
/// A convolution of stride 2 leaves gaps in the rows and columns, into which other channels go: units are slots of the
/// gaps and of further blocks (multiplexed packing: Lee et al.: ICML 2022). phases = 2 puts the four elements that an
/// average pooling sums at the same place of different units, so that it costs additions alone.
struct Layout {
  std::uint32_t channels = 0;
  std::uint32_t height = 1;
  std::uint32_t width = 1;
  std::uint32_t phases = 1;
  std::uint32_t row = 0;
  std::uint32_t column = 0;
  std::uint32_t period = 0;  ///< divides the slots, a power of two; all of them where there are no copies
  std::vector<Place> units;
  bool operator==(const Layout&) const = default;

  std::uint32_t elements() const { return channels * height * width; }
  /// Of element e in C, H, W order, its first copy.
  Place place(std::uint32_t element) const;
  /// place() of all elements.
  std::vector<Place> places() const;
  std::uint32_t ciphertexts() const;
};

/// Bounds of a layout, far above what the compiler makes.
inline constexpr std::uint32_t kMaxLayoutElements = std::uint32_t{1} << 20;
inline constexpr std::uint32_t kMaxLayoutCiphertexts = 1024;
inline constexpr std::size_t kMaxSpreads = 32;

/// Sizes within the bounds and consistent, every element within its period, no two at one slot.
/// errors  bad_format, naming `place`
Result<void> verify_layout(const Layout& layout, std::uint64_t slots, const std::string& place);

/// One entry of a matrix between slots: y_output[slot] += weight * x_input[(slot + step) mod n].
struct Entry {
  ckks::Diagonal diagonal;
  std::uint32_t slot = 0;
};

/// Where the entries of a matrix between the elements of two layouts go. An output may be computed in parts, at its
/// slot and at the sums of some of the `spread` steps from there (a fold adds them up afterwards): each entry goes to
/// the part that is nearest to its input, so that few diagonals are not zero. Inputs with copies are read at the
/// nearest one; outputs with copies are computed in each.
class Spots {
 public:
  Spots(const Layout& from, const Layout& to, const std::vector<std::uint32_t>& spread, std::uint64_t slots);
  std::uint32_t copies() const { return copies_; }
  /// Whether the entries of all copies of an output are on one diagonal: inputs repeat as often, or more.
  bool alike() const { return to_period_ % from_period_ == 0; }
  Entry at(std::uint32_t row, std::uint32_t column, std::uint32_t copy) const;

 private:
  /// The offset that is nearest to a distance, around the period.
  std::int64_t nearest(std::int64_t distance) const;
  std::vector<Place> from_, to_;
  std::vector<std::int64_t> offsets_;  ///< sums of spread steps, ascending
  std::int64_t slots_, from_period_, to_period_;
  std::uint32_t copies_;
};

}  // namespace obscura::plan
