// SPDX-License-Identifier: Apache-2.0
/// The folder that a service keeps its files in, mode 0700. Names of tenants, keys and jobs are protocol::is_name.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"

namespace obscura::service {

/// A message without a path: those of the server are nobody's business.
std::string without(std::string message, const std::filesystem::path& path, const std::string& instead);

/// 128 random bits in hexadecimal.
std::string fresh_name();

/// errors  io: there is no folder to be served by that name, which a mistyped one must not come to be
Result<void> require_folder(const std::filesystem::path& folder);

class Place {
 public:
  /// Made where it is not. errors: io
  static Result<Place> open(const std::filesystem::path& folder);
  /// This process, among those that share the folder.
  const std::string& replica() const { return replica_; }
  /// Held by the process that serves it alone.
  std::filesystem::path lock() const { return folder_ / "server"; }
  std::filesystem::path database() const { return folder_ / "service.db"; }
  /// There where replicas share the folder: its name, which their database has too.
  std::filesystem::path shared() const { return folder_ / "shared"; }
  /// Evaluation keys of a tenant. errors: io (the tenant's folder cannot be made)
  Result<std::filesystem::path> key_to_be(const std::string& tenant, const std::string& id) const;
  std::filesystem::path key(const std::string& tenant, const std::string& id) const {
    return folder_ / "keys" / tenant / id;
  }
  std::filesystem::path images(const std::string& job) const { return folder_ / "jobs" / (job + ".images"); }
  /// Of a run of a job: each writes files of its own, whichever process is late.
  std::filesystem::path answer(const std::string& job, std::int64_t run) const {
    return folder_ / "jobs" / (run == 0 ? job + ".answer" : fmt::format("{}.{}.answer", job, run));
  }
  /// A file that nobody else has.
  std::filesystem::path fresh() const;
  /// Files of jobs and of bodies on their way, each with the name of its job, or of the process that has the body.
  using Named = std::vector<std::pair<std::filesystem::path, std::string>>;
  Named files_of_jobs() const { return named("jobs"); }
  Named bodies() const { return named("incoming"); }

 private:
  Named named(const char* folder) const;
  std::filesystem::path folder_;
  std::string replica_;
  /// Of fresh(), for all copies.
  std::shared_ptr<std::atomic<std::uint64_t>> next_ = std::make_shared<std::atomic<std::uint64_t>>(0);
};

}  // namespace obscura::service
