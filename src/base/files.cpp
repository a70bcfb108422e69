// SPDX-License-Identifier: Apache-2.0
#include "base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace obscura::base {

namespace {
Error io_error(const std::filesystem::path& path, const char* doing) {
  return error(Code::io, "{}: {}: {}", path.string(), doing, std::strerror(errno));
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

InputFile::InputFile(InputFile&& other) noexcept { *this = std::move(other); }

InputFile& InputFile::operator=(InputFile&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(size_, other.size_);
  std::swap(offset_, other.offset_);
  std::swap(path_, other.path_);
  return *this;
}

InputFile::~InputFile() {
  if (file_ != nullptr) std::fclose(file_);
}

Result<void> InputFile::read(std::span<std::byte> out) {
  const std::size_t got = std::fread(out.data(), 1, out.size(), file_);
  offset_ += got;
  if (got == out.size()) return {};
  if (std::ferror(file_) != 0) return io_error(path_, "cannot read");
  return error(Code::bad_format, "{}: truncated: {} bytes are missing after byte {}", path_.string(), out.size() - got,
               offset_);
}

Result<OutputFile> OutputFile::create(const std::filesystem::path& path, Options options) {
  if (!options.overwrite && std::filesystem::exists(std::filesystem::symlink_status(path))) {
    return error(Code::io, "{}: exists already; remove it or choose another name", path.string());
  }
  OutputFile file;
  file.path_ = path;
  file.overwrite_ = options.overwrite;
  std::string name = path.string() + ".partial-XXXXXX";
  file.descriptor_ = mkstemp(name.data());
  if (file.descriptor_ < 0) return io_error(path, "cannot create");
  file.temporary_ = name;
  if (fchmod(file.descriptor_, options.secret ? 0600 : 0644) != 0) return io_error(path, "cannot set permissions");
  return file;
}

OutputFile::OutputFile(OutputFile&& other) noexcept { *this = std::move(other); }

OutputFile& OutputFile::operator=(OutputFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(overwrite_, other.overwrite_);
  std::swap(path_, other.path_);
  std::swap(temporary_, other.temporary_);
  return *this;
}

OutputFile::~OutputFile() { discard(); }

void OutputFile::discard() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  if (!temporary_.empty()) ::unlink(std::exchange(temporary_, {}).c_str());
}

Result<void> OutputFile::write(ByteView bytes) {
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

Result<void> OutputFile::commit() {
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
  return {};
}

Result<void> write_file(const std::filesystem::path& path, ByteView bytes, OutputFile::Options options) {
  OBSCURA_TRY(OutputFile file, OutputFile::create(path, options));
  OBSCURA_TRY_VOID(file.write(bytes));
  return file.commit();
}

}  // namespace obscura::base
