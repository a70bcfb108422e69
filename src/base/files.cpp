// SPDX-License-Identifier: Apache-2.0
#include "base/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

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
}  // namespace

Result<Bytes> read_file(const std::filesystem::path& path, std::uint64_t limit) {
  OBSCURA_TRY(InputFile file, InputFile::open(path));
  if (file.size() > limit) {
    return error(Code::bad_format, "{}: {} bytes, at most {} are allowed here", path.string(), file.size(), limit);
  }
  Bytes bytes(file.size());
  OBSCURA_TRY_VOID(file.read(bytes));
  return bytes;
}

Result<InputFile> InputFile::open(const std::filesystem::path& path) {
  InputFile file;
  file.path_ = path;
  file.file_ = std::fopen(path.c_str(), "rb");
  if (file.file_ == nullptr) return io_error(path, "cannot open");
  struct stat info {};
  if (fstat(fileno(file.file_), &info) != 0) return io_error(path, "cannot stat");
  if (!S_ISREG(info.st_mode)) return error(Code::io, "{}: not a regular file", path.string());
  file.size_ = static_cast<std::uint64_t>(info.st_size);
  return file;
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
  std::swap(file_, other.file_);
  std::swap(memory_, other.memory_);
  std::swap(size_, other.size_);
  std::swap(offset_, other.offset_);
  std::swap(path_, other.path_);
  return *this;
}

InputFile::~InputFile() {
  if (file_ != nullptr) std::fclose(file_);
}

Result<void> InputFile::read(std::span<std::byte> out) {
  std::size_t got = 0;
  if (file_ != nullptr) {
    got = std::fread(out.data(), 1, out.size(), file_);
  } else {
    got = std::min<std::uint64_t>(out.size(), remaining());
    std::copy_n(memory_.begin() + static_cast<std::ptrdiff_t>(offset_), got, out.begin());
  }
  offset_ += got;
  if (got == out.size()) return {};
  if (file_ != nullptr && std::ferror(file_) != 0) return io_error(path_, "cannot read");
  return error(Code::bad_format, "{}: truncated: {} bytes are missing after byte {}", path_.string(), out.size() - got,
               offset_);
}

Result<void> InputFile::seek(std::uint64_t offset) {
  if (offset > size_) {
    return error(Code::bad_format, "{}: truncated: {} bytes, at least {} are needed", path_.string(), size_, offset);
  }
  if (file_ != nullptr && fseeko(file_, static_cast<off_t>(offset), SEEK_SET) != 0)
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
  std::string name = options.resumable ? partial_of(path).string() : path.string() + ".partial-XXXXXX";
  file.descriptor_ =
      options.resumable ? ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : mkstemp(name.data());
  if (file.descriptor_ < 0) return io_error(options.resumable ? std::filesystem::path(name) : path, "cannot create");
  file.temporary_ = name;
  if (options.resumable) OBSCURA_TRY_VOID(file.lock());
  if (fchmod(file.descriptor_, options.secret ? 0600 : 0644) != 0) return io_error(path, "cannot set permissions");
  return file;
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

Result<void> OutputFile::commit() {
  if (sink_) return {};
  OBSCURA_CHECK(descriptor_ >= 0, "OutputFile: commit twice");
  const bool flushed = ::fsync(descriptor_) == 0;
  const bool closed = ::close(std::exchange(descriptor_, -1)) == 0;
  // link + unlink refuses a name that appeared meanwhile; rename would replace it.
  const bool placed =
      flushed && closed &&
      (overwrite_ ? ::rename(temporary_.c_str(), path_.c_str()) : ::link(temporary_.c_str(), path_.c_str())) == 0;
  if (!placed) {
    const Error failure = io_error(path_, "cannot finish");
    discard();
    return failure;
  }
  if (!overwrite_) ::unlink(temporary_.c_str());
  temporary_.clear();
  flush_folder_of(path_);
  return {};
}

Result<void> write_file(const std::filesystem::path& path, ByteView bytes, OutputFile::Options options) {
  OBSCURA_TRY(OutputFile file, OutputFile::create(path, options));
  OBSCURA_TRY_VOID(file.write(bytes));
  return file.commit();
}

}  // namespace obscura::base
