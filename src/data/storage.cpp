// SPDX-License-Identifier: Apache-2.0
#include "data/storage.h"

#include <algorithm>

#include "base/files.h"

namespace obscura::data {

Result<Storage> Storage::of_file(const std::filesystem::path& path) {
  OBSCURA_TRY(const base::InputFile file, base::InputFile::open(path));
  Storage out;
  out.path_ = path;
  out.size_ = file.size();
  return out;
}

Storage Storage::of_memory(const std::filesystem::path& path, base::Bytes bytes) {
  Storage out;
  out.path_ = path;
  out.size_ = bytes.size();
  out.memory_ = std::make_shared<const base::Bytes>(std::move(bytes));
  return out;
}

Storage Storage::part(std::uint64_t offset, std::uint64_t size) const {
  OBSCURA_CHECK(offset <= size_ && size <= size_ - offset, "{} bytes from {} on of {}", size, offset, size_);
  Storage out = *this;
  out.start_ += offset;
  out.size_ = size;
  return out;
}

Result<void> Storage::read(std::uint64_t offset, std::span<std::byte> out) const {
  if (offset > size_ || out.size() > size_ - offset) {
    return error(Code::bad_format, "{}: truncated: {} bytes from byte {} on are wanted, and {} are there",
                 path_.string(), out.size(), offset, size_);
  }
  if (memory_ != nullptr) {
    std::copy_n(memory_->begin() + static_cast<std::ptrdiff_t>(start_ + offset), out.size(), out.begin());
    return {};
  }
  OBSCURA_TRY(base::InputFile file, base::InputFile::open(path_));
  OBSCURA_TRY_VOID(file.seek(start_ + offset));
  return file.read(out);
}

Result<base::Bytes> Storage::read_all(std::uint64_t limit) const {
  if (size_ > limit) {
    return error(Code::bad_format, "{}: {} bytes; at most {} are read", path_.string(), size_, limit);
  }
  base::Bytes out(size_);
  OBSCURA_TRY_VOID(read(0, out));
  return out;
}

}  // namespace obscura::data
