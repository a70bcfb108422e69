// SPDX-License-Identifier: Apache-2.0
/// The requests that have a body or a long answer, each from its head to its answer.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "http/server.h"
#include "service/jobs.h"

namespace obscura::service {

/// {"error": sentence}, with the status that the protocol has for the code.
http::Response refusal(const Error& error);
http::Response json_response(unsigned status, const std::string& json);
/// An answer that needs no body.
std::unique_ptr<http::Exchange> say(http::Response response);
std::unique_ptr<http::Exchange> refuse(unsigned status, const std::string& sentence);

struct KeyUpload {
  const Store& store;
  const Place& place;
  Jobs& jobs;
  std::string tenant, id;
  std::uint64_t limit = 0;  ///< bytes
  std::uint64_t quota = 0;  ///< bytes of all keys of the tenant; 0: no limit
};
/// Evaluation keys, whole or a piece of them (Content-Range: bytes FIRST-LAST/TOTAL). What came of an upload that broke
/// off stays, and the next one continues after it. 201 with the last byte, 202 before it.
std::unique_ptr<http::Exchange> take_key(const KeyUpload& how, const http::Head& head);
/// Bytes of an upload that is not whole; 0: none is there.
std::uint64_t received(const Place& place, const std::string& tenant, const std::string& id);

struct Inference {
  const Model& model;
  const Store& store;
  const Place& place;
  Jobs& jobs;
  std::string tenant;
  std::uint64_t limit = 0;
  std::uint64_t memory = 0;  ///< of the server; 0: any
};
/// Encrypted images, classified: at once, while the client waits on its connection; or, where it sends `Prefer:
/// respond-async[, wait=SECONDS]`, as a job (202) if that takes longer: with the 202 it is on disk.
std::unique_ptr<http::Exchange> infer(const Inference& how, const http::Head& head);

/// A done job's answer, as infer gives it; else 202 with its state, or what it failed with.
http::Response answer_of(const Jobs& jobs, const std::string& tenant, const std::string& id,
                         const std::string& request);
http::Response status_response(unsigned status, const JobStatus& job);
/// Server-sent events: the job's state where it changes, until it has ended.
http::Response events_of(const Jobs& jobs, const std::string& tenant, const std::string& id);

}  // namespace obscura::service
