// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>
#include <utility>

#include "protocol/protocol.h"
#include "service/exchanges.h"

namespace obscura::service {

namespace {

using nlohmann::ordered_json;

constexpr const char* kRetrySeconds = "5";
/// A stream of events asks the database at most so often.
constexpr std::chrono::milliseconds kAskEvery{50};

unsigned status_of(Code code) {
  switch (code) {
    case Code::wrong_params:
    case Code::bad_format:
    case Code::unsupported:
      return 400;
    case Code::missing_key:
      return 404;
    case Code::cancelled:
      return 410;
    case Code::busy:
      return 429;
    case Code::infeasible:
      return 503;
    case Code::io:
      return 507;
  }
  return 500;
}

class Said final : public http::Exchange {
 public:
  explicit Said(http::Response response) : response_(std::move(response)) {}
  std::optional<http::Response> at_once() override { return std::move(response_); }
  std::optional<http::Response> take(base::ByteView) override { return std::nullopt; }
  http::Response answer() override { return std::move(response_); }

 private:
  http::Response response_;
};

ordered_json json_of(const JobStatus& status) {
  const Job& job = status.job;
  ordered_json json{{"job_id", job.id},          {"model_name", job.model},      {"state", job.state},
                    {"images", job.images},      {"jobs_before", status.before}, {"work_done", status.done},
                    {"work_total", status.total}};
  if (status.seconds_left > 0) json["seconds_left"] = status.seconds_left;
  if (!job.error.empty()) json["error"] = job.error;
  return json;
}

}  // namespace

http::Response json_response(unsigned status, const std::string& json) {
  http::Response response;
  response.status = status;
  const base::ByteView bytes = base::as_bytes(json);
  response.body.assign(bytes.begin(), bytes.end());
  return response;
}

http::Response refusal(const Error& error) {
  http::Response response = json_response(status_of(error.code), protocol::write_error(error.message));
  if (response.status == 429 || response.status == 503) response.headers["Retry-After"] = kRetrySeconds;
  return response;
}

std::unique_ptr<http::Exchange> say(http::Response response) { return std::make_unique<Said>(std::move(response)); }

std::unique_ptr<http::Exchange> refuse(unsigned status, const std::string& sentence) {
  return say(json_response(status, protocol::write_error(sentence)));
}

http::Response status_response(unsigned status, const JobStatus& job) {
  http::Response response = json_response(status, json_of(job).dump() + "\n");
  if (status == 202) {
    response.headers["Location"] = "/v2/jobs/" + job.job.id;
    response.headers["Retry-After"] = "1";
  }
  return response;
}

http::Response answer_of(const Jobs& jobs, const std::string& tenant, const std::string& id,
                         const std::string& request) {
  const auto found = jobs.status(tenant, id);
  if (!found) return refusal(found.error());
  const std::optional<JobStatus>& status = *found;
  if (!status) return refusal({Code::missing_key, "no job of this name"});
  if (!has_ended(status->job)) return status_response(202, *status);
  auto file = jobs.answer(tenant, id);
  if (!file) return refusal(file.error());
  http::Response response;
  response.file = std::move(file).value();
  const std::string json = protocol::write_answer({request, status->job.model, "", response.file->size()});
  response.type = "application/octet-stream";
  response.headers[protocol::kHeadLength] = std::to_string(json.size());
  const base::ByteView text = base::as_bytes(json);
  response.body.assign(text.begin(), text.end());
  const base::Bytes prefix = protocol::write_prefix(response.file->size());
  response.body.insert(response.body.end(), prefix.begin(), prefix.end());
  return response;
}

http::Response events_of(const Jobs& jobs, const std::string& tenant, const std::string& id) {
  http::Response response;
  using Clock = std::chrono::steady_clock;
  response.events = [&jobs, tenant, id, said = std::string(), over = false,
                     asked = Clock::time_point()]() mutable -> std::optional<std::string> {
    if (over) return std::nullopt;
    if (Clock::now() - asked < kAskEvery) return "";
    asked = Clock::now();
    const auto found = jobs.status(tenant, id);
    if (!found) return "";  // the database does not answer: it may again
    const std::optional<JobStatus>& status = *found;
    over = !status || has_ended(status->job);
    const std::string name = status ? status->job.state : "cancelled";
    const std::string text =
        "event: " + name + "\ndata: " + (status ? json_of(*status).dump() : std::string("{}")) + "\n\n";
    if (text == said) return "";
    said = text;
    return text;
  };
  return response;
}

}  // namespace obscura::service
