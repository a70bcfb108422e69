// SPDX-License-Identifier: Apache-2.0
#include "service/spool.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace obscura::service {

namespace {

/// Pieces as small as those of a connection cost the kernel more than their bytes do.
constexpr std::size_t kAtOnce = std::size_t{1} << 20;
constexpr std::uint64_t kStartEvery = std::uint64_t{8} << 20;

Result<void> sync(const std::filesystem::path& path, int flags) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags);
  const bool synced = descriptor >= 0 && ::fsync(descriptor) == 0;
  const int why = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (synced) return {};
  return error(Code::io, "{}: cannot reach the disk: {}", path.string(), std::strerror(why));
}

}  // namespace

Spool::Spool(std::filesystem::path path) : file_(std::move(path)) {
  descriptor_ = ::open(file_.path().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  why_ = errno;
  held_.reserve(kAtOnce);
}

Spool::~Spool() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<void> Spool::write(base::ByteView bytes) {
  bytes_ += bytes.size();
  while (!bytes.empty()) {
    const std::size_t some = std::min(bytes.size(), kAtOnce - held_.size());
    held_.insert(held_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(some));
    bytes = bytes.subspan(some);
    if (held_.size() == kAtOnce) OBSCURA_TRY_VOID(end());
  }
  return {};
}

Result<void> Spool::end() {
  const auto failure = [&](int why) {
    return error(Code::io, "{}: cannot write: {}", path().string(), std::strerror(why));
  };
  if (descriptor_ < 0) return failure(why_);
  for (base::ByteView left = held_; !left.empty();) {
    const ssize_t done = ::write(descriptor_, left.data(), left.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return failure(errno);
    left = left.subspan(static_cast<std::size_t>(done));
  }
  written_ += held_.size();
  held_.clear();
  if (written_ - started_ < kStartEvery) return {};
  // Only a hint: flush() is what holds.
  static_cast<void>(::sync_file_range(descriptor_, static_cast<off_t>(started_),
                                      static_cast<off_t>(written_ - started_), SYNC_FILE_RANGE_WRITE));
  started_ = written_;
  return {};
}

Result<void> flush(const std::filesystem::path& path) {
  OBSCURA_TRY_VOID(sync(path, 0));
  return sync(path.parent_path(), O_DIRECTORY);
}

}  // namespace obscura::service
