// SPDX-License-Identifier: Apache-2.0
#include "data/array.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "data/records.h"

namespace obscura::data {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::size_t kMaxAxes = 8;

/// IEEE half precision: sign, 5 bits of exponent, 10 of fraction.
double half(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const int fraction = bits & 1023;
  double value = std::ldexp(fraction, -24);
  if (exponent == 31) value = fraction == 0 ? HUGE_VAL : std::nan("");
  if (exponent > 0 && exponent < 31) value = std::ldexp(1024 + fraction, exponent - 25);
  return bits >> 15 == 0 ? value : -value;
}

template <class T>
double load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return static_cast<double>(value);
}

double number_at(const std::byte* from, Number number) {
  switch (number) {
    case Number::i1:
      return load<std::int8_t>(from);
    case Number::u1:
      return load<std::uint8_t>(from);
    case Number::i2:
      return load<std::int16_t>(from);
    case Number::u2:
      return load<std::uint16_t>(from);
    case Number::i4:
      return load<std::int32_t>(from);
    case Number::u4:
      return load<std::uint32_t>(from);
    case Number::i8:
      return load<std::int64_t>(from);
    case Number::u8:
      return load<std::uint64_t>(from);
    case Number::f2:
      return half(static_cast<std::uint16_t>(load<std::uint16_t>(from)));
    case Number::f4:
      return load<float>(from);
    case Number::f8:
      break;
  }
  return load<double>(from);
}

using Axes = std::vector<std::uint64_t>;

enum class Lies { nowhere, planes, pixels };

/// How an image of the wanted shape lies in an array of these axes.
Lies how_lies(const Axes& axes, const ImageShape& wanted) {
  const Axes planes{wanted.channels, wanted.height, wanted.width}, pixels{wanted.height, wanted.width, wanted.channels};
  if (axes == planes || axes == Axes{wanted.elements()}) return Lies::planes;
  if (wanted.channels == 1 && (axes == Axes{wanted.height, wanted.width} || axes == pixels)) return Lies::planes;
  if (axes == pixels) return Lies::pixels;
  std::uint64_t elements = 1;  // does not overflow: make_array bounds the product
  for (const std::uint64_t axis : axes) elements *= axis;
  return wanted.is_vector() && !axes.empty() && elements == wanted.elements() ? Lies::planes : Lies::nowhere;
}

}  // namespace

std::size_t size_of(Number number) {
  switch (number) {
    case Number::i1:
    case Number::u1:
      return 1;
    case Number::i2:
    case Number::u2:
    case Number::f2:
      return 2;
    case Number::i4:
    case Number::u4:
    case Number::f4:
      return 4;
    case Number::i8:
    case Number::u8:
    case Number::f8:
      break;
  }
  return 8;
}

bool is_float(Number number) { return number == Number::f2 || number == Number::f4 || number == Number::f8; }

std::string shape_text(const std::vector<std::uint64_t>& shape) { return fmt::format("{}", fmt::join(shape, "x")); }

Result<Array> make_array(std::string name, std::vector<std::uint64_t> shape, Number number, const Storage& storage,
                         std::uint64_t offset) {
  if (shape.empty() || shape.size() > kMaxAxes) {
    return error(Code::unsupported, "{}: an array of {} axes; 1 to {} are read", name, shape.size(), kMaxAxes);
  }
  const std::uint64_t there = offset > storage.size() ? 0 : storage.size() - offset;
  std::uint64_t bytes = size_of(number);
  bool fits = true;
  for (const std::uint64_t axis : shape) {
    fits = fits && axis > 0 && axis <= there / bytes;
    bytes *= fits ? axis : 1;
  }
  if (!fits || bytes != there) {
    return error(Code::bad_format, "{}: an array of {} numbers of {} bytes, but after its header the file has {} bytes",
                 name, shape_text(shape), size_of(number), there);
  }
  return Array{std::move(name), std::move(shape), number, storage.part(offset, bytes)};
}

Result<ArrayImages> ArrayImages::fit(Array array, const ImageShape& wanted) {
  ArrayImages out;
  const Axes all = array.shape, rest(all.begin() + 1, all.end());
  Lies lies = how_lies(rest, wanted);
  out.count_ = all.front();
  if (lies == Lies::nowhere) {
    lies = how_lies(all, wanted);
    out.count_ = 1;
  }
  if (lies == Lies::nowhere) {
    return error(Code::wrong_params,
                 "{}: an array of {}; the network takes images of {}, so n x {}, n x {}x{}x{} or n x {} is wanted",
                 array.name, shape_text(all), to_string(wanted), to_string(wanted), wanted.height, wanted.width,
                 wanted.channels, wanted.elements());
  }
  out.array_ = std::move(array);
  out.wanted_ = wanted;
  out.channels_last_ = lies == Lies::pixels;
  return out;
}

Result<void> ArrayImages::fill(const base::Bytes& bytes, std::size_t first, Dataset& out) const {
  const bool floats = is_float(array_.number);
  const std::size_t size = wanted_.elements(), area = wanted_.height * wanted_.width;
  const std::size_t width = size_of(array_.number), total = bytes.size() / width;
  (floats ? static_cast<void>(out.values.resize(total)) : out.pixels.resize(total));
  for (std::size_t i = 0; i < total; ++i) {
    const double number = number_at(bytes.data() + i * width, array_.number);
    if (!(number >= 0 && number <= (floats ? 1 : 255))) {
      return error(
          Code::wrong_params,
          "{}: image {} holds the number {}; {}, and the mean and standard deviation of a network belong to its plan "
          "(--mean, --std)",
          array_.name, first + i / size, number,
          floats ? "floats are pixel / 255, from 0 to 1" : "integers are pixels from 0 to 255");
    }
    const std::size_t e = i % size;
    const std::size_t place = channels_last_ ? e % wanted_.channels * area + e / wanted_.channels : e;
    if (floats) {
      out.values[i - e + place] = static_cast<float>(number);
    } else {
      out.pixels[i - e + place] = static_cast<std::uint8_t>(number);
    }
  }
  return {};
}

Result<Dataset> ArrayImages::read(Range range) const {
  OBSCURA_TRY_VOID(check_range(array_.name, count_, range));
  const std::size_t image_bytes = wanted_.elements() * size_of(array_.number);
  base::Bytes bytes(range.count * image_bytes);
  OBSCURA_TRY_VOID(array_.storage.read(range.first * image_bytes, bytes));
  Dataset out;
  out.name = array_.name;
  out.channels = wanted_.channels;
  out.height = wanted_.height;
  out.width = wanted_.width;
  out.available = count_;
  OBSCURA_TRY_VOID(fill(bytes, range.first, out));
  return out;
}

Result<std::vector<std::uint16_t>> labels_of(const Array& array, Range range) {
  const bool column = array.shape.size() == 2 && array.shape[1] == 1;
  if (array.shape.size() != 1 && !column) {
    return error(Code::wrong_params, "{}: an array of {}; labels are n, or n x 1, whole numbers", array.name,
                 shape_text(array.shape));
  }
  OBSCURA_TRY_VOID(check_range(array.name, array.shape[0], range));
  const std::size_t width = size_of(array.number);
  base::Bytes bytes(range.count * width);
  OBSCURA_TRY_VOID(array.storage.read(range.first * width, bytes));
  std::vector<std::uint16_t> out(range.count);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const double number = number_at(bytes.data() + i * width, array.number);
    if (!(number >= 0 && number <= 65535 && number == std::floor(number))) {
      return error(Code::wrong_params, "{}: label {} is {}; labels are whole numbers from 0 to 65535", array.name,
                   range.first + i, number);
    }
    out[i] = static_cast<std::uint16_t>(number);
  }
  return out;
}

}  // namespace obscura::data
