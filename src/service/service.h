// SPDX-License-Identifier: Apache-2.0
/// A folder of plans as a service: offers for clients, their evaluation keys, and encrypted images classified. Speaks
/// the Open Inference Protocol (protocol/protocol.h) with the extensions that docs/SERVICE.md lists. Cannot decrypt.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "http/server.h"
#include "service/jobs.h"
#include "service/shared.h"

namespace obscura::service {

struct ServiceOptions {
  std::uint64_t memory = 0;                                 ///< of all that is loaded and runs; 0: no limit
  std::uint64_t max_keys = std::uint64_t{8'000'000'000};    ///< bytes of one client's evaluation keys
  std::uint64_t max_images = std::uint64_t{2'000'000'000};  ///< bytes of one request
  std::filesystem::path signing_key = {};                   ///< signs offers and answers; none: they are not signed
  std::filesystem::path worker = {};           ///< the program obscura-server, whose verb `worker` computes
  bool tokens = false;                         ///< only who has a token is served; else all are the tenant "local"
  std::uint64_t key_quota = 0;                 ///< bytes of all keys of one tenant; 0: no limit
  std::chrono::seconds keep_keys{30 * 86400};  ///< that nobody uses
  JobLimits jobs = {};
  DatabaseOptions database = {};
  std::function<void(const Event&)> watch = {};  ///< sees what the audit log notes. threads: any
};

class Service {
 public:
  /// FOLDER/*.plan are the models, by their file names. All else is kept in FOLDER/state, mode 0700, and in the
  /// database: one process at a time serves the folder, or, with PostgreSQL, any number of them.
  /// errors  io; busy: another process serves this folder; those of wire::read_plan_file; wrong_params: no plan, or a
  ///         name that no path of a URL has; unsupported: state of a newer version; those of open_store()
  static Result<Service> open(const std::filesystem::path& folder, const ServiceOptions& options);
  Service(Service&&) noexcept;
  Service& operator=(Service&&) noexcept;
  ~Service();
  /// Names of the models.
  std::vector<std::string> models() const;
  /// What a server gives its requests to; the service outlives it.
  /// threads  concurrent
  http::Route route() const;
  JobCounts counts() const;
  /// The worker's process, for those who watch it; 0: none.
  pid_t worker_process() const;

 private:
  struct Internal;
  explicit Service(std::unique_ptr<Internal> internal);
  std::unique_ptr<Internal> internal_;
};

/// The store of a folder that is served, or will be: for tokens and the audit log.
Result<Store> open_store(const std::filesystem::path& folder, const DatabaseOptions& database = {});

}  // namespace obscura::service
