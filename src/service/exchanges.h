// SPDX-License-Identifier: Apache-2.0
/// The requests of the service, each from its body to its answer.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>

#include "base/signing.h"
#include "http/server.h"
#include "service/sessions.h"
#include "wire/plan_frame.h"

namespace obscura::service {

struct Model {
  std::string name;
  wire::NamedPlan plan;
  base::Bytes offer;  ///< with its signature, where offers are signed
};

/// Where keys and requests on their way are.
class Place {
 public:
  /// Made where it is not; what an earlier process left of requests goes.
  /// errors  io
  static Result<Place> open(const std::filesystem::path& folder);
  std::filesystem::path key(const std::string& id) const { return folder_ / "keys" / id; }
  /// A file that nobody else has.
  std::filesystem::path fresh() const;

 private:
  std::filesystem::path folder_;
};

http::Response json_response(unsigned status, const std::string& json);
/// An answer that needs no body.
std::unique_ptr<http::Exchange> say(http::Response response);
std::unique_ptr<http::Exchange> refuse(unsigned status, const std::string& sentence);
/// Evaluation keys, of at most so many bytes: whole, and in their place at the end.
std::unique_ptr<http::Exchange> take_key(const Place& place, Sessions& sessions, const std::string& id,
                                         std::uint64_t limit);

struct Inference {
  const Model& model;
  const Place& place;
  Sessions& sessions;
  std::mutex& at_work;
  const base::SigningKey* signing;
  std::uint64_t limit;
};
/// Encrypted images, classified.
std::unique_ptr<http::Exchange> infer(const Inference& how, const http::Head& head);

}  // namespace obscura::service
