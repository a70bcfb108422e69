// SPDX-License-Identifier: Apache-2.0
/// The folder that a service keeps its files in, mode 0700. Names of tenants, keys and jobs are protocol::is_name.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/check.h"

namespace obscura::service {

/// A message without a path: those of the server are nobody's business.
std::string without(std::string message, const std::filesystem::path& path, const std::string& instead);

/// errors  io: there is no folder to be served by that name, which a mistyped one must not come to be
Result<void> require_folder(const std::filesystem::path& folder);

class Place {
 public:
  /// Made where it is not. errors: io
  static Result<Place> open(const std::filesystem::path& folder);
  /// What an earlier process left of bodies on their way goes, but for keys, which may be resumed.
  void clear() const;
  /// Held by the process that serves it.
  std::filesystem::path lock() const { return folder_ / "server"; }
  std::filesystem::path database() const { return folder_ / "service.db"; }
  /// Evaluation keys of a tenant. errors: io (the tenant's folder cannot be made)
  Result<std::filesystem::path> key_to_be(const std::string& tenant, const std::string& id) const;
  std::filesystem::path key(const std::string& tenant, const std::string& id) const {
    return folder_ / "keys" / tenant / id;
  }
  std::filesystem::path images(const std::string& job) const { return folder_ / "jobs" / (job + ".images"); }
  std::filesystem::path answer(const std::string& job) const { return folder_ / "jobs" / (job + ".answer"); }
  std::filesystem::path jobs() const { return folder_ / "jobs"; }
  /// A file that nobody else has.
  std::filesystem::path fresh() const;

 private:
  std::filesystem::path folder_;
  /// Of fresh(), for all copies.
  std::shared_ptr<std::atomic<std::uint64_t>> next_ = std::make_shared<std::atomic<std::uint64_t>>(0);
};

}  // namespace obscura::service
