// SPDX-License-Identifier: Apache-2.0
#include "cli/support.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/files.h"
#include "cli/verb.h"
#include "compile/compile.h"

namespace obscura::cli {

const kernels::Kernels& Common::kernels() const { return simd.empty() ? kernels::best() : *kernels::named(simd); }

std::shared_ptr<ckks::Resources> Common::resources() const { return ckks::Resources::make(kernels()); }

void teach(CLI::App& command, const char* explanation, const char* example, const char* files) {
  command.footer(fmt::format("{}\n\nExample:\n  {}\n\n{}", explanation, example, files));
}

std::filesystem::path data_folder(const std::string& option) {
  if (!option.empty()) return option;
  const char* variable = std::getenv("OBSCURA_DATA");
  return variable != nullptr && *variable != '\0' ? variable : "data";
}

Result<void> refuse_existing(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::exists(std::filesystem::symlink_status(path, ignored))) {
    return error(Code::io, "{}: exists already; nothing is overwritten: remove it or choose another name",
                 path.string());
  }
  return {};
}

Result<bool> is_frame(const std::filesystem::path& path) {
  OBSCURA_TRY(base::InputFile file, base::InputFile::open(path));
  constexpr std::array<std::byte, 4> kMagic{std::byte{'O'}, std::byte{'B'}, std::byte{'S'}, std::byte{'C'}};
  std::array<std::byte, 4> head{};
  if (file.size() < head.size()) return false;
  OBSCURA_TRY_VOID(file.read(head));
  return head == kMagic;
}

std::uint64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

std::uint64_t server_memory_bytes() {
  const auto pages = static_cast<std::uint64_t>(std::max(0L, sysconf(_SC_PHYS_PAGES)));
  const std::uint64_t bytes = pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  return bytes == 0 ? compile::kDefaultMemory : bytes / 4 * 3;
}

std::string json_text(const nlohmann::ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array kUnits = {"B", "kB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return fmt::format("{:.3g} {}", value, kUnits[unit]);
}

std::string memory_text(std::uint64_t needed, std::uint64_t allowed) {
  const std::string text = fmt::format("needs about {} of memory", bytes_text(needed));
  return allowed == 0 ? text : text + fmt::format(" of the {} allowed", bytes_text(allowed));
}

std::uint64_t file_bytes(const std::filesystem::path& path) {
  std::error_code failed;
  const std::uint64_t size = std::filesystem::file_size(path, failed);
  return failed ? 0 : size;
}

}  // namespace obscura::cli
