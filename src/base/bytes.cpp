// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

#include <bit>
#include <cstring>

namespace obscura::base {

static_assert(std::endian::native == std::endian::little, "frames are little-endian and copied as they are");

namespace {
template <class T>
void append(Bytes& bytes, T v) {
  const auto* p = reinterpret_cast<const std::byte*>(&v);
  bytes.insert(bytes.end(), p, p + sizeof v);
}

template <class T>
T load(ByteView view) {
  T v{};
  if (view.size() == sizeof v) std::memcpy(&v, view.data(), sizeof v);
  return v;
}
}  // namespace

ByteView as_bytes(const std::string& text) { return {reinterpret_cast<const std::byte*>(text.data()), text.size()}; }

bool is_readable(const std::string& text) {
  std::size_t follow = 0;      // continuation bytes still to come
  std::uint32_t point = 0;     // the character so far
  std::uint32_t smallest = 0;  // below it the encoding would be overlong, or the character a control character
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (follow > 0) {
      if ((byte & 0xC0U) != 0x80U) return false;
      point = (point << 6U) | (byte & 0x3FU);
      if (--follow == 0 && (point < smallest || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000))) return false;
    } else if (byte < 0x80) {
      if (byte < 0x20 || byte == 0x7F) return false;
    } else {
      if (byte < 0xC0 || byte > 0xF7) return false;
      follow = byte >= 0xF0 ? 3 : byte >= 0xE0 ? 2 : 1;
      point = byte & (0x3FU >> follow);
      smallest = follow == 3 ? 0x10000 : follow == 2 ? 0x800 : 0xA0;
    }
  }
  return follow == 0;
}

void Writer::u8(std::uint8_t v) { append(bytes_, v); }
void Writer::u32(std::uint32_t v) { append(bytes_, v); }
void Writer::u64(std::uint64_t v) { append(bytes_, v); }
void Writer::f64(double v) { append(bytes_, v); }
void Writer::raw(ByteView v) { bytes_.insert(bytes_.end(), v.begin(), v.end()); }
void Writer::text(const std::string& v) {
  OBSCURA_CHECK(v.size() <= UINT32_MAX, "text of {} bytes does not fit a frame", v.size());
  u32(static_cast<std::uint32_t>(v.size()));
  raw(as_bytes(v));
}

ByteView Reader::take(std::size_t size) {
  if (!ok_ || size > rest_.size()) {
    ok_ = false;
    rest_ = {};
    return {};
  }
  const ByteView view = rest_.first(size);
  rest_ = rest_.subspan(size);
  return view;
}

std::uint8_t Reader::u8() { return load<std::uint8_t>(take(1)); }
std::uint32_t Reader::u32() { return load<std::uint32_t>(take(4)); }
std::uint64_t Reader::u64() { return load<std::uint64_t>(take(8)); }
double Reader::f64() { return load<double>(take(8)); }
ByteView Reader::raw(std::size_t size) { return take(size); }

std::string Reader::text(std::size_t limit) {
  const std::size_t size = count(limit, 1);
  const ByteView view = take(size);
  return {reinterpret_cast<const char*>(view.data()), view.size()};
}

std::size_t Reader::count(std::size_t limit, std::size_t record_bytes) {
  const std::size_t n = u32();
  if (!ok_ || n > limit || (record_bytes != 0 && n > rest_.size() / record_bytes)) {
    ok_ = false;
    rest_ = {};
    return 0;
  }
  return n;
}

}  // namespace obscura::base
