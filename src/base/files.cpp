// SPDX-License-Identifier: Apache-2.0
#include "base/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/random.h"

namespace obscura::base {

namespace {
Error io_error(const std::filesystem::path& path, const char* doing) {
  return error(Code::io, "{}: {}: {}", path.string(), doing, std::strerror(errno));
}

Result<void> refuse_existing(const std::filesystem::path& path) {
  if (!std::filesystem::exists(std::filesystem::symlink_status(path))) return {};
  return error(Code::io, "{}: exists already; remove it or choose another name", path.string());
}

/// Brings a name that was made or changed to disk. Where the file system cannot, the file itself is there all the same.
void flush_folder_of(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  (void)::fsync(descriptor);
  ::close(descriptor);
}

std::string link_of(int descriptor) { return fmt::format("/proc/self/fd/{}", descriptor); }

/// A file in the folder of `path` that has no name yet, and goes with this process; negative where the file system or
/// the absence of /proc does not allow it.
int open_without_name(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  const int descriptor = ::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  if (descriptor >= 0 && ::access(link_of(descriptor).c_str(), F_OK) != 0) {
    ::close(descriptor);
    return -1;
  }
  return descriptor;
}

bool make_link(int descriptor, const std::filesystem::path& path) {
  return ::linkat(AT_FDCWD, link_of(descriptor).c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0;
}
}  // namespace

Result<Bytes> read_file(const std::filesystem::path& path, std::uint64_t limit) {
  OBSCURA_TRY(InputFile file, InputFile::open(path));
  if (file.size() > limit) {
    return error(Code::bad_format, "{}: {} bytes, at most {} are allowed here", path.string(), file.size(), limit);
  }
  if (file.size() > SIZE_MAX) return error(Code::io, "{}: {} bytes are more than memory", path.string(), file.size());
  Bytes bytes(static_cast<std::size_t>(file.size()));
  OBSCURA_TRY_VOID(file.read(bytes));
  return bytes;
}

Result<InputFile> InputFile::open(const std::filesystem::path& path) {
  InputFile file;
  file.path_ = path;
  // Without O_NONBLOCK a pipe that nobody writes would be waited for.
  file.descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file.descriptor_ < 0) return io_error(path, "cannot open");
  struct stat info {};
  if (fstat(file.descriptor_, &info) != 0) return io_error(path, "cannot stat");
  if (!S_ISREG(info.st_mode)) return error(Code::io, "{}: not a regular file", path.string());
  file.size_ = static_cast<std::uint64_t>(info.st_size);
  return file;
}

Result<void> InputFile::require_private() const {
  struct stat info {};
  if (fstat(descriptor_, &info) != 0) return io_error(path_, "cannot stat");
  if (info.st_uid != geteuid() && info.st_uid != 0) {
    return error(Code::io, "{}: a secret that belongs to user {}, who can change it; it must be your own",
                 path_.string(), info.st_uid);
  }
  const unsigned mode = info.st_mode & 0777U;
  if ((mode & 077U) == 0) return {};
  return error(Code::io,
               "{}: a secret that others may reach (mode {:04o}; 0600 is allowed): chmod 600 it, and make a new one "
               "where somebody may have read it",
               path_.string(), mode);
}

InputFile InputFile::of_memory(ByteView bytes, const std::string& name) {
  InputFile file;
  file.memory_ = bytes;
  file.size_ = bytes.size();
  file.path_ = name;
  return file;
}

InputFile::InputFile(InputFile&& other) noexcept { *this = std::move(other); }

InputFile& InputFile::operator=(InputFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(memory_, other.memory_);
  std::swap(size_, other.size_);
  std::swap(offset_, other.offset_);
  std::swap(path_, other.path_);
  return *this;
}

InputFile::~InputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<void> InputFile::read(std::span<std::byte> out) {
  if (descriptor_ < 0) {
    const auto there = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), remaining()));
    std::copy_n(memory_.begin() + static_cast<std::ptrdiff_t>(offset_), there, out.begin());
    offset_ += there;
    if (there == out.size()) return {};
    return error(Code::bad_format, "{}: truncated: {} bytes are missing after byte {}", path_.string(),
                 out.size() - there, offset_);
  }
  while (!out.empty()) {
    const ssize_t got = ::read(descriptor_, out.data(), out.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error(path_, "cannot read");
    if (got == 0) {
      return error(Code::bad_format, "{}: truncated: {} bytes are missing after byte {}", path_.string(), out.size(),
                   offset_);
    }
    offset_ += static_cast<std::uint64_t>(got);
    out = out.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

Result<void> InputFile::seek(std::uint64_t offset) {
  if (offset > size_) {
    return error(Code::bad_format, "{}: truncated: {} bytes, at least {} are needed", path_.string(), size_, offset);
  }
  if (descriptor_ >= 0 && ::lseek(descriptor_, static_cast<off_t>(offset), SEEK_SET) < 0)
    return io_error(path_, "cannot read");
  offset_ = offset;
  return {};
}

std::filesystem::path partial_of(const std::filesystem::path& path) { return path.string() + ".partial"; }

Result<OutputFile> OutputFile::create(const std::filesystem::path& path, Options options) {
  if (!options.overwrite) OBSCURA_TRY_VOID(refuse_existing(path));
  if (options.restart && std::filesystem::exists(std::filesystem::symlink_status(partial_of(path)))) {
    return resume(path, 0, options);
  }
  OutputFile file;
  file.path_ = path;
  file.overwrite_ = options.overwrite;
  if (options.resumable) {
    file.temporary_ = partial_of(path);
    file.descriptor_ = ::open(file.temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file.descriptor_ < 0) return io_error(std::exchange(file.temporary_, {}), "cannot create");
    OBSCURA_TRY_VOID(file.lock());
  } else {
    file.descriptor_ = open_without_name(path);
    if (file.descriptor_ < 0) OBSCURA_TRY_VOID(file.open_with_name(options.secret));
  }
  if (fchmod(file.descriptor_, options.secret ? 0600 : 0644) != 0) return io_error(path, "cannot set permissions");
  return file;
}

/// Where files without a name are not to be had. Of a secret no other name may hold a part, whatever ends this process:
/// it is made in its place, and its few bytes come by one write.
Result<void> OutputFile::open_with_name(bool secret) {
  if (secret && !overwrite_) {
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor_ < 0) return io_error(path_, "cannot create");
    temporary_ = path_;
    return {};
  }
  std::string name = path_.string() + ".partial-XXXXXX";
  descriptor_ = mkstemp(name.data());
  if (descriptor_ < 0) return io_error(path_, "cannot create");
  temporary_ = name;
  return {};
}

Result<OutputFile> OutputFile::resume(const std::filesystem::path& path, std::uint64_t bytes, Options options) {
  if (!options.overwrite) OBSCURA_TRY_VOID(refuse_existing(path));
  const std::filesystem::path partial = partial_of(path);
  OutputFile file;
  file.path_ = path;
  file.overwrite_ = options.overwrite;
  file.kept_ = true;  // until the checks have passed
  file.descriptor_ = ::open(partial.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (file.descriptor_ < 0) return io_error(partial, "cannot open");
  file.temporary_ = partial;
  struct stat info {};
  if (fstat(file.descriptor_, &info) != 0) return io_error(partial, "cannot stat");
  if (!S_ISREG(info.st_mode)) return error(Code::io, "{}: not a regular file", partial.string());
  OBSCURA_TRY_VOID(file.lock());
  if (static_cast<std::uint64_t>(info.st_size) < bytes) {
    return error(Code::io, "{}: {} bytes, at least {} are needed", partial.string(), info.st_size, bytes);
  }
  const auto end = static_cast<off_t>(bytes);
  if (::ftruncate(file.descriptor_, end) != 0 || ::lseek(file.descriptor_, end, SEEK_SET) != end) {
    return io_error(partial, "cannot cut");
  }
  file.kept_ = bytes > 0;
  return file;
}

Result<void> OutputFile::lock() const {
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return {};
  if (errno != EWOULDBLOCK) return io_error(temporary_, "cannot lock");
  return error(Code::busy, "{}: another process is writing it", temporary_.string());
}

OutputFile OutputFile::to_sink(Sink sink) {
  OutputFile file;
  file.sink_ = std::move(sink);
  return file;
}

OutputFile::OutputFile(OutputFile&& other) noexcept { *this = std::move(other); }

OutputFile& OutputFile::operator=(OutputFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(sink_, other.sink_);
  std::swap(overwrite_, other.overwrite_);
  std::swap(kept_, other.kept_);
  std::swap(path_, other.path_);
  std::swap(temporary_, other.temporary_);
  return *this;
}

OutputFile::~OutputFile() { discard(); }

void OutputFile::discard() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  if (!temporary_.empty() && !kept_) ::unlink(temporary_.c_str());
  temporary_.clear();
}

Result<void> OutputFile::write(ByteView bytes) {
  if (sink_) return sink_(bytes);
  OBSCURA_CHECK(descriptor_ >= 0, "OutputFile: write after commit");
  while (!bytes.empty()) {
    const ssize_t done = ::write(descriptor_, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) {
      const Error failure = io_error(path_, "cannot write");
      discard();
      return failure;
    }
    bytes = bytes.subspan(static_cast<std::size_t>(done));
  }
  return {};
}

Result<void> OutputFile::keep() {
  if (sink_) return {};
  OBSCURA_CHECK(descriptor_ >= 0 && temporary_ == partial_of(path_),
                "OutputFile: keep of a file that is not resumable");
  if (::fsync(descriptor_) != 0) {
    const Error failure = io_error(temporary_, "cannot write");
    discard();
    return failure;
  }
  if (!kept_) flush_folder_of(temporary_);
  kept_ = true;
  return {};
}

/// Gives the file its name. link refuses one that appeared meanwhile; rename would replace it.
bool OutputFile::place() {
  if (temporary_ == path_) return true;
  if (temporary_.empty()) {
    if (!overwrite_) return make_link(descriptor_, path_);
    const Seed random = random_seed();
    std::uint64_t word = 0;
    std::memcpy(&word, random.data(), sizeof word);
    const std::filesystem::path name = fmt::format("{}.partial-{:016x}", path_.string(), word);
    if (!make_link(descriptor_, name)) return false;
    temporary_ = name;
  }
  if (overwrite_) return ::rename(temporary_.c_str(), path_.c_str()) == 0;
  if (::link(temporary_.c_str(), path_.c_str()) != 0) return false;
  ::unlink(temporary_.c_str());
  return true;
}

Result<void> OutputFile::commit() {
  if (sink_) return {};
  OBSCURA_CHECK(descriptor_ >= 0, "OutputFile: commit twice");
  if (::fsync(descriptor_) != 0 || !place()) {
    const Error failure = io_error(path_, "cannot finish");
    discard();
    return failure;
  }
  temporary_.clear();
  const bool closed = ::close(std::exchange(descriptor_, -1)) == 0;
  if (!closed) return io_error(path_, "cannot finish");
  flush_folder_of(path_);
  return {};
}

Result<void> write_file(const std::filesystem::path& path, ByteView bytes, OutputFile::Options options) {
  OBSCURA_TRY(OutputFile file, OutputFile::create(path, options));
  OBSCURA_TRY_VOID(file.write(bytes));
  return file.commit();
}

}  // namespace obscura::base
