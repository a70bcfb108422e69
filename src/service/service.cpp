// SPDX-License-Identifier: Apache-2.0
#include "service/service.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "plan/keys.h"
#include "protocol/protocol.h"
#include "service/exchanges.h"
#include "service/metrics.h"
#include "service/openapi.h"
#include "service/shared.h"
#include "wire/signature.h"

namespace obscura::service {

namespace {

using nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr const char* kVersion = "1";  ///< of every model: another plan is another model

http::Response ok(const ordered_json& json) { return json_response(200, json.dump() + "\n"); }

http::Response metadata() {
  return ok({{"name", "obscura-server"},
             {"version", OBSCURA_VERSION},
             {"extensions", {"binary_tensor_data", "obscura_offer", "obscura_keys", "obscura_jobs"}}});
}

http::Response metadata_of(const Model& model) {
  const auto tensor = [](const char* name) {
    return ordered_json{{"name", name}, {"datatype", "BYTES"}, {"shape", {1}}};
  };
  const plan::Plan& plan = model.plan.plan;
  return ok({{"name", model.name},
             {"versions", {kVersion}},
             {"platform", "obscura_ckks"},
             {"inputs", {tensor(protocol::kInput)}},
             {"outputs", {tensor(protocol::kOutput)}},
             {"parameters",
              {{"network", plan.name},
               {"offer", "/v2/models/" + model.name + "/offer"},
               {"images_at_once", plan.images_at_once()},
               {"core_seconds", plan.predicted_seconds},
               {"memory_bytes", plan.predicted_bytes}}}});
}

http::Response unauthorized() {
  http::Response response = json_response(
      401, protocol::write_error("this server wants a token: Authorization: Bearer TOKEN; "
                                 "`obscura-server token add` makes one, and it may be expired or revoked"));
  response.headers["WWW-Authenticate"] = "Bearer";
  return response;
}

/// The parts of a path; none where it is not one of this protocol.
std::vector<std::string> parts_of(const std::string& target) {
  std::vector<std::string> parts;
  const std::string path = target.substr(0, target.find('?'));
  for (std::size_t at = 0; at < path.size();) {
    if (path[at] != '/') return {};
    const std::size_t end = std::min(path.find('/', at + 1), path.size());
    parts.push_back(path.substr(at + 1, end - at - 1));
    at = end;
  }
  return parts;
}

/// "Bearer TOKEN"
std::string token_of(const http::Head& head) {
  const auto found = head.headers.find("authorization");
  constexpr std::string_view kScheme = "Bearer ";
  if (found == head.headers.end() || !found->second.starts_with(kScheme)) return "";
  return found->second.substr(kScheme.size());
}

/// Bound on a file of evaluation keys of a plan: what they take in memory, where nothing is packed.
std::uint64_t key_bytes_of(const plan::Plan& plan, std::uint64_t most) {
  constexpr std::uint64_t kHeads = 1 << 20;
  return plan.bootstrap ? most : std::min(most, plan::key_bytes(plan.params, plan.keys) + kHeads);
}

constexpr const char* kLocal = "local";  ///< the tenant, where there are no tokens
constexpr std::chrono::seconds kTidyEvery{60};

}  // namespace

struct Service::Internal {
  explicit Internal(ServiceOptions with, Store kept) : options(std::move(with)), store(std::move(kept)) {}
  ServiceOptions options;
  Store store;
  Place place;
  std::optional<base::OutputFile> lock;  ///< one process at a time, where the store is not shared
  std::map<std::string, Model> models;
  std::unique_ptr<Jobs> jobs;
  Metrics metrics;
  std::chrono::steady_clock::time_point tidied = std::chrono::steady_clock::now();

  std::unique_ptr<http::Exchange> route(const http::Head& head) {
    tidy();
    metrics.request();
    const std::vector<std::string> parts = parts_of(head.target);
    const bool get = head.method == "GET";
    if (parts.size() == 1 && parts[0] == "metrics" && get) return say(metrics.response(jobs->counts()));
    if (parts.size() == 1 && parts[0] == "openapi.json" && get) return say(json_response(200, kOpenApi));
    if (parts.empty() || parts[0] != "v2") return refuse(404, "no such path; GET /v2 says what there is");
    if (parts.size() == 1 && get) return say(metadata());
    if (parts.size() == 3 && parts[1] == "health" && get && (parts[2] == "live" || parts[2] == "ready")) {
      // Who does not reach the database is alive, but gets no requests.
      const auto reached = parts[2] == "ready" ? store.check() : Result<void>();
      if (!reached) return say(refusal({Code::infeasible, "the database does not answer"}));
      return say(ok({{parts[2], true}}));
    }
    std::string tenant = kLocal;
    if (options.tokens) {
      const auto known = store.tenant_of(token_of(head));
      if (!known) return say(refusal(known.error()));
      if (!*known) return say(unauthorized());
      tenant = **known;
    } else if (!head.client.empty()) {
      if (!protocol::is_name(head.client)) return refuse(401, "the certificate's common name is no tenant's name");
      tenant = head.client;
    }
    if (parts.size() >= 3 && parts[1] == "models") return model_route(head, parts, tenant);
    if (parts.size() == 3 && parts[1] == "keys") return key_route(head, parts[2], tenant);
    if ((parts.size() == 3 || parts.size() == 4) && parts[1] == "jobs") return job_route(head, parts, tenant);
    return refuse(404, "no such path; GET /v2 says what there is");
  }

  /// From time to time: what is too old goes.
  void tidy() {
    if (std::chrono::steady_clock::now() - tidied < kTidyEvery) return;
    tidied = std::chrono::steady_clock::now();
    jobs->expire();
    const auto old = store.keys_unused_since(now() - options.keep_keys.count());
    if (!old) return;
    for (const auto& [tenant, id] : *old) remove_key(tenant, id);
  }

  bool remove_key(const std::string& tenant, const std::string& id) {
    jobs->forget(tenant, id);
    std::error_code failed;
    fs::remove(base::partial_of(place.key(tenant, id)), failed);
    const bool removed = fs::remove(place.key(tenant, id), failed);
    static_cast<void>(store.remove_key(tenant, id));
    return removed;
  }

  std::unique_ptr<http::Exchange> model_route(const http::Head& head, std::vector<std::string> parts,
                                              const std::string& tenant) {
    const auto found = models.find(parts[2]);
    if (found == models.end()) {
      std::string names;
      for (const auto& one : models) names += (names.empty() ? "" : ", ") + one.first;
      return refuse(404, "no model of this name; there are: " + names);
    }
    const Model& model = found->second;
    if (parts.size() >= 5 && parts[3] == "versions") {
      if (parts[4] != kVersion) return refuse(404, "no such version of the model; there is: 1");
      parts.erase(parts.begin() + 3, parts.begin() + 5);
    }
    const std::string what = parts.size() == 4 ? parts[3] : "";
    if (parts.size() > 4) return refuse(404, "no such path of a model");
    if (head.method == "GET" && parts.size() == 3) return say(metadata_of(model));
    if (head.method == "GET" && what == "ready") return say(ok({{"name", model.name}, {"ready", true}}));
    if (head.method == "GET" && what == "offer") {
      http::Response response;
      response.type = "application/octet-stream";
      response.body = model.offer;
      return say(std::move(response));
    }
    if (head.method == "POST" && what == "infer") {
      return infer({model, store, place, *jobs, tenant, options.max_images, options.memory}, head);
    }
    return refuse(405, "models have GET, GET ready, GET offer and POST infer");
  }

  std::unique_ptr<http::Exchange> key_route(const http::Head& head, const std::string& id, const std::string& tenant) {
    if (!protocol::is_name(id)) return refuse(400, "a key's name has 1 to 64 letters, digits, '.', '-' and '_'");
    if (head.method == "PUT") {
      std::uint64_t largest = 0;
      for (const auto& one : models) largest = std::max(largest, key_bytes_of(one.second.plan.plan, options.max_keys));
      return take_key({store, place, *jobs, tenant, id, largest, options.key_quota}, head);
    }
    if (head.method != "GET" && head.method != "DELETE") return refuse(405, "keys have GET, PUT and DELETE");
    const auto known = store.key(tenant, id);
    if (!known) return say(refusal(known.error()));
    if (!known->has_value()) {
      const std::uint64_t partly = received(place, tenant, id);
      if (head.method == "DELETE" && partly > 0) {
        remove_key(tenant, id);
        return say(ok({{"key_id", id}, {"deleted", true}}));
      }
      return say(
          json_response(404, ordered_json{{"error", "no key of this name"}, {"received", partly}}.dump() + "\n"));
    }
    if (head.method == "GET") return say(ok({{"key_id", id}, {"bytes", (*known)->bytes}}));
    remove_key(tenant, id);
    static_cast<void>(store.note({tenant, "keys", "", "", id, "deleted"}));
    return say(ok({{"key_id", id}, {"deleted", true}}));
  }

  std::unique_ptr<http::Exchange> job_route(const http::Head& head, const std::vector<std::string>& parts,
                                            const std::string& tenant) {
    const std::string& id = parts[2];
    const std::string what = parts.size() == 4 ? parts[3] : "";
    if (head.method == "DELETE" && what.empty()) {
      const auto removed = jobs->remove(tenant, id);
      if (!removed) return say(refusal(removed.error()));
      return *removed ? say(ok({{"job_id", id}, {"deleted", true}})) : refuse(404, "no job of this name");
    }
    if (head.method != "GET") return refuse(405, "jobs have GET, GET events, GET result and DELETE");
    const auto status = jobs->status(tenant, id);
    if (!status) return say(refusal(status.error()));
    if (!*status) return refuse(404, "no job of this name");
    if (what.empty()) return say(status_response(200, **status));
    if (what == "events") return say(events_of(*jobs, tenant, id));
    if (what == "result") return say(answer_of(*jobs, tenant, id, id));
    return refuse(404, "no such path of a job");
  }
};

Service::Service(std::unique_ptr<Internal> internal) : internal_(std::move(internal)) {}
Service::Service(Service&&) noexcept = default;
Service& Service::operator=(Service&&) noexcept = default;
Service::~Service() = default;

namespace {

Result<std::map<std::string, Model>> read_models(const fs::path& folder, const base::SigningKey* signing) {
  std::map<std::string, Model> models;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder, failed)) {
    if (entry.path().extension() != ".plan") continue;
    Model model;
    model.name = entry.path().stem().string();
    model.file = entry.path();
    if (!protocol::is_name(model.name)) {
      return error(Code::wrong_params, "{}: a model's name has 1 to 64 letters, digits, '.', '-' and '_'",
                   entry.path().string());
    }
    OBSCURA_TRY(model.plan, wire::read_plan_file(entry.path()));
    model.offer = wire::write_offer(wire::make_offer(model.plan));
    if (signing != nullptr) {
      const base::Bytes signature = wire::write_signature(*signing, wire::Kind::offer, wire::frame_digest(model.offer));
      model.offer.insert(model.offer.end(), signature.begin(), signature.end());
    }
    const std::string name = model.name;
    models.emplace(name, std::move(model));
  }
  if (failed) return error(Code::io, "{}: {}", folder.string(), failed.message());
  if (models.empty()) {
    return error(Code::wrong_params, "{}: no plan in it (NAME.plan, of `obscura compile`)", folder.string());
  }
  return models;
}

}  // namespace

Result<Store> open_store(const fs::path& folder, const DatabaseOptions& database) {
  OBSCURA_TRY_VOID(require_folder(folder));
  OBSCURA_TRY(const Place place, Place::open(folder / "state"));
  return open_store(place, database);
}

Result<Service> Service::open(const fs::path& folder, const ServiceOptions& options) {
  std::optional<base::SigningKey> signing;
  if (!options.signing_key.empty()) {
    OBSCURA_TRY(signing, wire::read_signing_key_file(options.signing_key));
  }
  OBSCURA_TRY(auto models, read_models(folder, signing ? &*signing : nullptr));
  OBSCURA_TRY(const Place place, Place::open(folder / "state"));
  std::optional<base::OutputFile> lock;
  if (!options.database.shared()) {
    OBSCURA_TRY(lock, lock_alone(folder, place));
  }
  OBSCURA_TRY(Store store, open_store(place, options.database));
  if (options.watch) store.watch(options.watch);
  auto internal = std::make_unique<Internal>(options, std::move(store));
  internal->place = place;
  internal->lock = std::move(lock);
  internal->models = std::move(models);
  const worker::Options worker{options.worker, options.memory, options.signing_key};
  OBSCURA_TRY(internal->jobs, Jobs::open(internal->store, internal->place, internal->models, worker, options.jobs));
  return Service(std::move(internal));
}

std::vector<std::string> Service::models() const {
  std::vector<std::string> names;
  for (const auto& one : internal_->models) names.push_back(one.first);
  return names;
}

JobCounts Service::counts() const { return internal_->jobs->counts(); }

pid_t Service::worker_process() const { return internal_->jobs->worker_process(); }

http::Route Service::route() const {
  return [internal = internal_.get()](const http::Head& head) { return internal->route(head); };
}

}  // namespace obscura::service
