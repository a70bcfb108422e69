// SPDX-License-Identifier: Apache-2.0
#include "cli/secrets.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "api/words.h"
#include "base/files.h"
#include "cli/progress.h"
#include "cli/support.h"
#include "wire/signature.h"

namespace obscura::cli {
namespace {

constexpr std::size_t kMaxPassphrase = 1024;

/// The terminal of this process, whatever its streams are; without an echo while this lives.
class Terminal {
 public:
  Terminal() : descriptor_(open("/dev/tty", O_RDWR | O_CLOEXEC)) {
    if (descriptor_ < 0 || tcgetattr(descriptor_, &before_) != 0) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(descriptor_, TCSAFLUSH, &silent);
  }
  ~Terminal() {
    if (descriptor_ < 0) return;
    tcsetattr(descriptor_, TCSAFLUSH, &before_);
    close(descriptor_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
  termios before_{};
};

/// Its bytes up to the end of the line. errors: none, or more than a passphrase has
Result<base::LockedBytes> first_line(std::span<const std::uint8_t> bytes, const std::string& name) {
  const auto end = std::find(bytes.begin(), bytes.end(), '\n');
  const auto size = static_cast<std::size_t>(end - bytes.begin());
  if (size == 0 || size >= kMaxPassphrase) {
    return error(Code::wrong_params, "{}: a passphrase of {} bytes; 1 to {} are allowed", name, size,
                 kMaxPassphrase - 1);
  }
  base::LockedBytes out(size);
  std::copy(bytes.begin(), end, out.span().begin());
  return out;
}

}  // namespace

void add_secret(CLI::App& command, SecretOptions& options) {
  command.add_option("--secret", options.path, "The secret key (obscura keygen)")->required();
  command.add_option("--passphrase-file", options.passphrase_file,
                     "File whose first line is the key's passphrase (default: it is asked for at the terminal)");
  command.add_option("--trust", options.trust,
                     "Take only what this key signed (obscura signkey); a key made with --trust needs no option");
}

Result<std::optional<base::VerifyKey>> read_trust(const std::string& path) {
  if (path.empty()) return std::optional<base::VerifyKey>();
  OBSCURA_TRY(const base::VerifyKey key, wire::read_trust_file(path));
  return std::optional<base::VerifyKey>(key);
}

Result<client::SecretSource> source_of(const SecretOptions& options) {
  const std::string file = options.passphrase_file;
  client::SecretSource source(options.path, [file, path = options.path] {
    return file.empty() ? ask_passphrase("passphrase of " + path + ": ") : read_passphrase(file);
  });
  OBSCURA_TRY(source.trust, read_trust(options.trust));
  return source;
}

Result<base::LockedBytes> read_passphrase(const std::string& path) {
  OBSCURA_TRY(base::InputFile file, base::InputFile::open(path));
  OBSCURA_TRY_VOID(file.require_private());
  base::LockedBytes bytes(std::min<std::size_t>(file.size(), kMaxPassphrase) + 1);
  const auto content = bytes.span().first(bytes.size() - 1);
  OBSCURA_TRY_VOID(file.read(std::as_writable_bytes(content)));
  return first_line(content, path);
}

Result<base::LockedBytes> ask_passphrase(const std::string& prompt) {
  const Terminal terminal;
  if (terminal.descriptor() < 0) {
    return error(Code::io, "there is no terminal to ask for a passphrase at; name a file with --passphrase-file");
  }
  (void)!write(terminal.descriptor(), prompt.data(), prompt.size());
  base::LockedBytes bytes(kMaxPassphrase);
  const ssize_t got = read(terminal.descriptor(), bytes.span().data(), bytes.size());
  (void)!write(terminal.descriptor(), "\n", 1);
  if (got < 0) return error(Code::io, "the terminal: cannot read: {}", std::strerror(errno));
  return first_line(bytes.span().first(static_cast<std::size_t>(got)), "the terminal");
}

Result<base::LockedBytes> ask_new_passphrase() {
  OBSCURA_TRY(base::LockedBytes first, ask_passphrase("new passphrase: "));
  OBSCURA_TRY(const base::LockedBytes second, ask_passphrase("once more: "));
  if (base::equal_secrets(first.span(), second.span())) return first;
  return error(Code::wrong_params, "the terminal: two different passphrases");
}

void guard_secrets() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0);
  end_within_a_second();
}

std::string cost_text(const client::KeyCost& cost) {
  return fmt::format("{}, {}; {} of memory, about {:.0f} s of a core", api::plural(cost.keys, "evaluation key"),
                     bytes_text(cost.file_bytes), bytes_text(cost.memory_bytes), cost.core_seconds);
}

}  // namespace obscura::cli
