// SPDX-License-Identifier: Apache-2.0
/// What operators watch, in the text form of Prometheus. No names of tenants, models' inputs or keys.
#pragma once

#include <memory>

#include "service/jobs.h"

namespace obscura::http {
struct Response;
}

namespace obscura::service {

class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;
  /// A request has come.
  void request();
  /// Of now.
  http::Response response(const JobCounts& jobs);

 private:
  struct Internal;
  std::unique_ptr<Internal> internal_;
};

}  // namespace obscura::service
