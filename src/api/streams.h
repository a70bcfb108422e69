// SPDX-License-Identifier: Apache-2.0
/// obscura/io.h as the files that all else reads and writes.
#pragma once

#include "base/files.h"
#include "obscura/io.h"

namespace obscura::api {

/// errors  io
inline Result<base::InputFile> open(const Source& source) {
  if (source.is_memory()) return base::InputFile::of_memory(source.memory(), source.path().string());
  return base::InputFile::open(source.path());
}

/// errors  io: the file exists already (unless it may be overwritten), cannot be created
inline Result<base::OutputFile> create(const Sink& sink) {
  if (sink.function()) return base::OutputFile::to_sink(sink.function());
  return base::OutputFile::create(sink.path(), {.overwrite = sink.overwrite()});
}

/// The whole of it. errors: io; bad_format: over `limit` bytes
inline Result<Bytes> read_all(const Source& source, std::uint64_t limit) {
  if (!source.is_memory()) return base::read_file(source.path(), limit);
  return Bytes(source.memory().begin(), source.memory().end());
}

}  // namespace obscura::api
