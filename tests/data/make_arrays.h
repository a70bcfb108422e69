// SPDX-License-Identifier: Apache-2.0
/// .npy files and .npz archives, written by their specifications.
#pragma once

#include <zlib.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace obscura::data {

/// A little-endian number of so many bytes.
inline std::string little(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> 8 * i & 0xFF);
  return out;
}

template <class T>
std::string raw(const std::vector<T>& numbers) {
  std::string out(numbers.size() * sizeof(T), '\0');
  std::memcpy(out.data(), numbers.data(), out.size());
  return out;
}

/// A .npy file whose header is `dictionary`.
inline std::string npy_of(const std::string& dictionary, const std::string& content, int version = 1) {
  std::string header = dictionary;
  const std::size_t before = version == 1 ? 10 : 12;
  while ((before + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  return std::string("\x93NUMPY") + static_cast<char>(version) + '\0' + little(header.size(), version == 1 ? 2 : 4) +
         header + content;
}

inline std::string npy(const std::string& kind, const std::string& shape, const std::string& content, int version = 1) {
  return npy_of("{'descr': '" + kind + "', 'fortran_order': False, 'shape': " + shape + ", }", content, version);
}

/// A zip archive, its members stored or deflated, with the sizes in the local headers left to the directory, as numpy
/// writes them.
class ZipMaker {
 public:
  void add(const std::string& name, const std::string& content, bool deflated) {
    const std::string packed = deflated ? deflate_raw(content) : content;
    const auto check = crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size()));
    const std::string common = little(deflated ? 8 : 0, 2) + little(0, 4) + little(check, 4);
    const std::string sizes = little(packed.size(), 4) + little(content.size(), 4);
    directory_ += "PK\1\2" + little(20, 2) + little(45, 2) + little(0, 2) + common + sizes + little(name.size(), 2) +
                  little(0, 2) + little(0, 2) + little(0, 2) + little(0, 2) + little(0, 4) +
                  little(members_.size(), 4) + name;
    members_ += "PK\3\4" + little(45, 2) + little(0, 2) + common + little(0xFFFFFFFF, 4) + little(0xFFFFFFFF, 4) +
                little(name.size(), 2) + little(20, 2) + name + little(1, 2) + little(16, 2) +
                little(content.size(), 8) + little(packed.size(), 8) + packed;
    ++count_;
  }
  std::string bytes() const {
    return members_ + directory_ + "PK\5\6" + little(0, 4) + little(count_, 2) + little(count_, 2) +
           little(directory_.size(), 4) + little(members_.size(), 4) + little(0, 2);
  }

 private:
  static std::string deflate_raw(const std::string& content) {
    std::string out(content.size() + 1000, '\0');
    z_stream stream{};
    deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
    stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(content.data()));
    stream.avail_in = static_cast<uInt>(content.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
  }
  std::string members_, directory_;
  std::size_t count_ = 0;
};

}  // namespace obscura::data
