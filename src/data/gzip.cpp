// SPDX-License-Identifier: Apache-2.0
#include "data/gzip.h"

#include <zlib.h>

#include <limits>

#include "base/files.h"

namespace obscura::data {
namespace {

/// zlib takes 15 window bits plus 16 as "a gzip header, and its checksum is verified".
constexpr int kGzipOnly = 15 + 16;
/// And the negative number as "no header at all".
constexpr int kHeaderless = -15;
constexpr std::size_t kPiece = 1 << 20;

struct Inflater {
  z_stream stream{};
  ~Inflater() { inflateEnd(&stream); }
};

Result<base::Bytes> unpack(base::ByteView packed, int window, const std::string& name, const char* kind,
                           std::uint64_t limit) {
  OBSCURA_CHECK(packed.size() <= std::numeric_limits<uInt>::max(), "zlib: {} bytes at once", packed.size());
  Inflater inflater;
  z_stream& stream = inflater.stream;
  OBSCURA_CHECK(inflateInit2(&stream, window) == Z_OK, "zlib does not start");
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(packed.data()));  // zlib only reads it
  stream.avail_in = static_cast<uInt>(packed.size());
  base::Bytes out;
  int state = Z_OK;
  while (state == Z_OK) {
    const std::size_t filled = out.size();
    if (filled > limit) return error(Code::bad_format, "{}: unpacks to more than {} bytes", name, limit);
    out.resize(filled + kPiece);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + filled);
    stream.avail_out = static_cast<uInt>(kPiece);
    state = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
  }
  if (state == Z_BUF_ERROR) return error(Code::bad_format, "{}: a truncated {}", name, kind);
  if (state != Z_STREAM_END) return error(Code::bad_format, "{}: not a {}, or a damaged one", name, kind);
  if (out.size() > limit) return error(Code::bad_format, "{}: unpacks to more than {} bytes", name, limit);
  return out;
}

}  // namespace

Result<base::Bytes> read_gzip(const std::filesystem::path& path, std::uint64_t limit) {
  OBSCURA_TRY(const base::Bytes packed, base::read_file(path, limit));
  return unpack(packed, kGzipOnly, path.string(), "gzip file", limit);
}

Result<base::Bytes> inflate_raw(base::ByteView packed, const std::string& name, std::uint64_t limit) {
  return unpack(packed, kHeaderless, name, "deflated stream", limit);
}

}  // namespace obscura::data
