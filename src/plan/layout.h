// SPDX-License-Identifier: Apache-2.0
/// Where the elements of a tensor are in slots. Arrow: the client packs images by a Layout.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/check.h"

namespace obscura::plan {

/// A position of a ciphertext.
struct Place {
  std::uint32_t ciphertext = 0;
  std::uint32_t position = 0;
  auto operator<=>(const Place&) const = default;
};

/// How the positions of B images share the slots of a ciphertext.
///
/// Interleaved (stride 1): slot B p + b is position p of image b. What rotates the positions of one image rotates those
/// of all, around the positions of each. Four slots, B = 2: {a0, b0, a1, b1}.
///
/// One after the other (stride P, the positions of an image): slot P b + p, {a0, a1, b0, b1}. Every diagonal repeats
/// after P slots: it is a polynomial in X^(N / P), and encoding it is a B-th of the work. But what is rotated beyond an
/// image's positions comes from the next image, so that both directions are diagonals of their own.
struct ImageSlots {
  std::uint32_t images = 1;  ///< B, a power of two that divides the slots
  std::uint32_t stride = 1;  ///< slots from one image to the next
  bool interleaved() const { return stride == 1; }
  /// Slots from one position to the next.
  std::uint32_t step() const { return interleaved() ? images : 1; }
  std::uint64_t slot(std::uint64_t position, std::uint64_t image) const { return position * step() + image * stride; }
  bool operator==(const ImageSlots&) const = default;
};

/// B images share ciphertexts, as `sharing` says.
///
/// Element (c, y, x) is at units[(c * phases + y % phases) * phases + x % phases], (y / phases) * row +
/// (x / phases) * column positions further on, and again at each multiple of `period` positions from there. Positions
/// that no element has hold anything.
///
/// From one image in all slots (B = 1) to one in each (batch layout: B = n, and every element is a ciphertext).
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
  std::uint32_t period = 0;  ///< divides the positions, a power of two; all of them where there are no copies
  ImageSlots sharing;
  std::vector<Place> units;
  bool operator==(const Layout&) const = default;

  std::uint32_t elements() const { return channels * height * width; }
  /// Of each image, in ciphertexts of so many slots.
  std::uint64_t positions(std::uint64_t slots) const { return slots / sharing.images; }
  std::uint64_t copies(std::uint64_t slots) const { return positions(slots) / period; }
  /// Of element e in C, H, W order, its first copy.
  Place place(std::uint32_t element) const;
  /// place() of all elements.
  std::vector<Place> places() const;
  std::uint32_t ciphertexts() const;
};

/// One image in each slot: a vector of elements, of which each is a ciphertext.
Layout batch_layout(std::uint32_t elements, std::uint64_t slots);

/// Bounds of a layout, far above what the compiler makes.
inline constexpr std::uint32_t kMaxLayoutElements = std::uint32_t{1} << 20;
inline constexpr std::size_t kMaxSpreads = 32;

/// Sizes within the bounds and consistent, every element within its period, no two at one position.
/// errors  bad_format, naming `place`
Result<void> verify_layout(const Layout& layout, std::uint64_t slots, const std::string& place);

/// From tensors of several images to slots, ciphertext by ciphertext.
class Packing {
 public:
  /// needs   a layout that passed verify_layout for these slots
  Packing(const Layout& layout, std::uint64_t slots);
  /// One ciphertext of the images 0 .. count - 1: value(element, image) in the slots of each copy, 0 elsewhere.
  template <class Value>
  std::vector<double> pack(std::uint32_t ciphertext, std::size_t count, const Value& value) const {
    std::vector<double> out(static_cast<std::size_t>(slots_), 0);
    for (const auto& [element, position] : by_ciphertext_[ciphertext]) {
      for (std::size_t image = 0; image < count; ++image) {
        const double number = value(element, image);
        for (std::uint64_t copy = 0; copy < copies_; ++copy) {
          out[static_cast<std::size_t>(sharing_.slot(position + copy * period_, image))] = number;
        }
      }
    }
    return out;
  }

 private:
  struct Item {
    std::uint32_t element = 0;
    std::uint64_t position = 0;
  };
  ImageSlots sharing_;
  std::uint64_t slots_, period_, copies_;
  std::vector<std::vector<Item>> by_ciphertext_;
};

}  // namespace obscura::plan
