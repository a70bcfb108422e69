// SPDX-License-Identifier: Apache-2.0
#include "client/ledger.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <span>
#include <sstream>
#include <utility>

#include "base/files.h"
#include "client/answer.h"

namespace obscura::client {

namespace {

constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 24;
constexpr const char* kTitle = "obscura ledger of key";

std::string title_of(const wire::KeyId& key) { return fmt::format("{} {}\n", kTitle, wire::short_name(key)); }

Error io_error(const std::filesystem::path& path, const char* doing) {
  return error(Code::io, "{}: {}: {}", path.string(), doing, std::strerror(errno));
}

}  // namespace

std::filesystem::path ledger_of(const std::filesystem::path& secret) { return secret.string() + ".published"; }

Ledger::Ledger(Ledger&& other) noexcept { *this = std::move(other); }

Ledger& Ledger::operator=(Ledger&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(earlier_, other.earlier_);
  return *this;
}

Ledger::~Ledger() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<Ledger> Ledger::open(const std::filesystem::path& path, const wire::KeyId& key) {
  Ledger ledger;
  ledger.path_ = path;
  ledger.descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  if (ledger.descriptor_ < 0) return io_error(path, "cannot open");
  if (::flock(ledger.descriptor_, LOCK_EX | LOCK_NB) != 0) {
    return error(Code::busy, "{}: another process publishes under this key", path.string());
  }
  OBSCURA_TRY_VOID(ledger.read(key));
  return ledger;
}

Result<void> Ledger::read(const wire::KeyId& key) {
  OBSCURA_TRY(const base::Bytes bytes, base::read_file(path_, kMaxBytes));
  if (bytes.empty()) return append(title_of(key));
  std::istringstream lines(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  std::string line;
  std::getline(lines, line);
  if (line + "\n" != title_of(key)) {
    return error(Code::wrong_params, "{}: begins with '{}', and not with '{} {}'", path_.string(), line.substr(0, 60),
                 kTitle, wire::short_name(key));
  }
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string request;
    std::size_t numbers = 0;
    double spent = 0;
    if (!(words >> request >> numbers >> spent) || !std::isfinite(spent) || spent <= 0) {
      return error(Code::bad_format, "{}: '{}' is no line of a ledger; without it nobody knows what was published",
                   path_.string(), line.substr(0, 60));
    }
    earlier_.spent += spent;
    ++earlier_.publications;
  }
  return {};
}

Result<void> Ledger::append(const std::string& line) const {
  if (::write(descriptor_, line.data(), line.size()) != static_cast<ssize_t>(line.size()) ||
      ::fsync(descriptor_) != 0) {
    return io_error(path_, "cannot write");
  }
  return {};
}

Result<void> Ledger::add(const wire::Nonce& request, std::size_t numbers, double spent) {
  OBSCURA_TRY_VOID(append(fmt::format("{} {} {:.17g}\n", wire::short_name(request), numbers, spent)));
  earlier_.spent += spent;
  ++earlier_.publications;
  return {};
}

Result<Publication> publish_once(const Logits& exact, const plan::OutputSpec& output,
                                 const std::filesystem::path& ledger, int bits) {
  OBSCURA_TRY(Ledger book, Ledger::open(ledger, exact.key));
  Publication out;
  OBSCURA_TRY(out.published, publish(exact, output.answer.kind, worst_noise(output), bits, book.earlier()));
  OBSCURA_TRY_VOID(book.add(exact.request, exact.values.size(), out.published.spent));
  out.publications = book.earlier().publications;
  if (output.answer.kind == plan::AnswerKind::values) return out;
  const auto labels_in = [&](const Logits& logits, std::size_t image) {
    return labels(output.answer, std::span(logits.values).subspan(image * logits.classes, logits.classes));
  };
  out.changed = 0;
  for (std::size_t i = 0; i < exact.images; ++i) {
    *out.changed += labels_in(exact, i) != labels_in(out.published.logits, i) ? 1 : 0;
  }
  return out;
}

}  // namespace obscura::client
