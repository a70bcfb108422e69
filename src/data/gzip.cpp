// SPDX-License-Identifier: Apache-2.0
#include "data/gzip.h"

#include <zlib.h>

#include <algorithm>

#include "base/files.h"

namespace obscura::data {
namespace {

/// zlib takes 15 window bits plus 16 as "a gzip header, and its checksum is verified".
constexpr int kGzipOnly = 15 + 16;
constexpr std::size_t kPiece = 1 << 20;

struct Inflater {
  z_stream stream{};
  ~Inflater() { inflateEnd(&stream); }
};

}  // namespace

Result<base::Bytes> read_gzip(const std::filesystem::path& path, std::uint64_t limit) {
  OBSCURA_TRY(base::Bytes packed, base::read_file(path, limit));
  Inflater inflater;
  z_stream& stream = inflater.stream;
  OBSCURA_CHECK(inflateInit2(&stream, kGzipOnly) == Z_OK, "zlib does not start");
  stream.next_in = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  base::Bytes out;
  int state = Z_OK;
  while (state == Z_OK) {
    const std::size_t filled = out.size();
    if (filled > limit) return error(Code::bad_format, "{}: unpacks to more than {} bytes", path.string(), limit);
    out.resize(filled + kPiece);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + filled);
    stream.avail_out = static_cast<uInt>(kPiece);
    state = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
  }
  if (state == Z_BUF_ERROR) return error(Code::bad_format, "{}: a truncated gzip file", path.string());
  if (state != Z_STREAM_END) return error(Code::bad_format, "{}: not a gzip file, or a damaged one", path.string());
  if (out.size() > limit) return error(Code::bad_format, "{}: unpacks to more than {} bytes", path.string(), limit);
  return out;
}

}  // namespace obscura::data
