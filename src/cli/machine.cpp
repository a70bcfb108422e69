// SPDX-License-Identifier: Apache-2.0
#include "cli/machine.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sys/utsname.h>

#include <ctime>
#include <fstream>
#include <thread>

#include "base/parallel.h"
#include "cli/support.h"

namespace obscura::cli {
namespace {

/// What follows `key` and the separator on its line of a file of the system; null where it is not there.
nlohmann::ordered_json entry(const char* file, const std::string& key, char separator) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t at = line.find(separator);
    if (at == std::string::npos) continue;
    const std::size_t first = line.find_first_not_of(" \t\"", at + 1);
    const std::size_t last = line.find_last_not_of(" \t\"");
    if (first != std::string::npos && last >= first) return line.substr(first, last - first + 1);
  }
  return nullptr;
}

nlohmann::ordered_json memory_bytes() {
  const nlohmann::ordered_json kilobytes = entry("/proc/meminfo", "MemTotal", ':');
  if (!kilobytes.is_string()) return nullptr;
  return std::strtoull(kilobytes.get<std::string>().c_str(), nullptr, 10) * 1024;
}

std::string text_of(const nlohmann::ordered_json& name) {
  return name.is_string() ? name.get<std::string>() : "not known";
}

}  // namespace

nlohmann::ordered_json describe_machine(const kernels::Kernels& kernels) {
  utsname kernel{};
  uname(&kernel);
  return {{"processor", entry("/proc/cpuinfo", "model name", ':')},
          {"cores", std::thread::hardware_concurrency()},
          {"memory_bytes", memory_bytes()},
          {"system", entry("/etc/os-release", "PRETTY_NAME", '=')},
          {"kernel", fmt::format("{} {}", kernel.sysname, kernel.release)},
          {"kernels", kernels.name},
          {"threads", base::thread_count()},
          {"compiler", __VERSION__},
          {"version", OBSCURA_VERSION},
          {"date", fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(std::time(nullptr)))}};
}

std::string machine_text(const nlohmann::ordered_json& machine) {
  const auto& memory = machine.at("memory_bytes");
  return fmt::format("{}, {} of {}, {} of memory; {}\nobscura {}, compiler {}, kernels {}, {}",
                     text_of(machine.at("processor")), api::plural(machine.at("threads").get<std::size_t>(), "thread"),
                     api::plural(machine.at("cores").get<std::size_t>(), "core"),
                     memory.is_null() ? "not known" : bytes_text(memory.get<std::uint64_t>()),
                     text_of(machine.at("system")), text_of(machine.at("version")), text_of(machine.at("compiler")),
                     text_of(machine.at("kernels")), text_of(machine.at("date")));
}

void forget_peak_memory() {
  malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << "5";
}

}  // namespace obscura::cli
