// SPDX-License-Identifier: Apache-2.0
/// A folder of plans as a service: offers for clients, their evaluation keys, and encrypted images classified. Speaks
/// the Open Inference Protocol (protocol/protocol.h). Cannot decrypt.
///
///   GET  /v2/health/live, /v2/health/ready, /v2       GET    /v2/models/M, /v2/models/M/ready
///   GET  /v2/models/M/offer                           POST   /v2/models/M/infer
///   PUT  /v2/keys/ID                                  GET, DELETE /v2/keys/ID
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "http/server.h"

namespace obscura::service {

struct ServiceOptions {
  std::uint64_t memory = 0;                                 ///< of all that is loaded and runs; 0: no limit
  std::uint64_t max_keys = std::uint64_t{8'000'000'000};    ///< bytes of one client's evaluation keys
  std::uint64_t max_images = std::uint64_t{2'000'000'000};  ///< bytes of one request
  std::filesystem::path signing_key = {};                   ///< signs offers and answers; none: they are not signed
};

class Service {
 public:
  /// FOLDER/*.plan are the models, by their file names. Keys and requests on their way are kept in FOLDER/state, mode
  /// 0700.
  /// errors  io; those of wire::read_plan_file; wrong_params: no plan, or a name that no path of a URL has
  static Result<Service> open(const std::filesystem::path& folder, const ServiceOptions& options);
  Service(Service&&) noexcept;
  Service& operator=(Service&&) noexcept;
  ~Service();
  /// Names of the models.
  std::vector<std::string> models() const;
  /// What a server gives its requests to; the service outlives it.
  /// threads  concurrent; one request computes at a time, with all cores
  http::Route route() const;

 private:
  struct Internal;
  explicit Service(std::unique_ptr<Internal> internal);
  std::unique_ptr<Internal> internal_;
};

}  // namespace obscura::service
