// SPDX-License-Identifier: Apache-2.0
/// Arrays of numbers in files (idx, npy, members of npz), taken as images or as labels.
#pragma once

#include "data/dataset.h"
#include "data/storage.h"

namespace obscura::data {

/// Kinds of numbers, little-endian: signed and unsigned integers and floats of so many bytes.
enum class Number { i1, u1, i2, u2, i4, u4, i8, u8, f2, f4, f8 };
std::size_t size_of(Number number);
bool is_float(Number number);

/// Row-major: the last axis moves fastest.
struct Array {
  std::string name;  ///< for messages
  std::vector<std::uint64_t> shape;
  Number number = Number::u1;
  Storage storage;  ///< of exactly its numbers
};

/// "10x28x28"
std::string shape_text(const std::vector<std::uint64_t>& shape);

/// Names what lies in `storage` from `offset` on an array. errors: no axes, more than 8, one of 0; sizes that do not
/// fit the bytes that are there.
Result<Array> make_array(std::string name, std::vector<std::uint64_t> shape, Number number, const Storage& storage,
                         std::uint64_t offset);

/// An array of which each entry along the first axis is an image, or which is one image.
class ArrayImages {
 public:
  /// An image of C x H x W may lie as {C, H, W}, {H, W, C} (and where both fit it is the first), {H, W} where C is 1,
  /// or flat. A network on a vector takes images of as many numbers in any shape. errors: another shape, naming what is
  /// wanted.
  static Result<ArrayImages> fit(Array array, const ImageShape& wanted);
  std::size_t count() const { return count_; }
  /// Integers are bytes, 0 to 255; floats are in units of pixel / 255.
  /// errors: a range that leaves the array; a number outside of that.
  Result<Dataset> read(Range range) const;

 private:
  Result<void> fill(const base::Bytes& bytes, std::size_t first, Dataset& out) const;
  Array array_;
  ImageShape wanted_;
  std::size_t count_ = 0;
  bool channels_last_ = false;
};

/// Labels `range` of an array of n, or n x 1, whole numbers from 0 to 65535. errors: any other.
Result<std::vector<std::uint16_t>> labels_of(const Array& array, Range range);

}  // namespace obscura::data
