// SPDX-License-Identifier: Apache-2.0
#include "service/service.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "protocol/protocol.h"
#include "service/exchanges.h"
#include "wire/signature.h"

namespace obscura::service {

namespace {

using nlohmann::ordered_json;
namespace fs = std::filesystem;

http::Response ok(const ordered_json& json) { return json_response(200, json.dump() + "\n"); }

http::Response metadata() {
  return ok({{"name", "obscura-server"},
             {"version", OBSCURA_VERSION},
             {"extensions", {"binary_tensor_data", "obscura_offer", "obscura_keys"}}});
}

http::Response metadata_of(const Model& model) {
  const auto tensor = [](const char* name) {
    return ordered_json{{"name", name}, {"datatype", "BYTES"}, {"shape", {1}}};
  };
  const plan::Plan& plan = model.plan.plan;
  return ok({{"name", model.name},
             {"versions", {"1"}},
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

}  // namespace

struct Service::Internal {
  explicit Internal(ServiceOptions with) : options(std::move(with)), sessions(options.memory) {}
  ServiceOptions options;
  Place place;
  std::map<std::string, Model> models;
  std::optional<base::SigningKey> signing;
  Sessions sessions;
  std::mutex at_work;

  std::unique_ptr<http::Exchange> route(const http::Head& head) {
    const std::vector<std::string> parts = parts_of(head.target);
    const bool get = head.method == "GET";
    if (parts.empty() || parts[0] != "v2") return refuse(404, "no such path; GET /v2 says what there is");
    if (parts.size() == 1 && get) return say(metadata());
    if (parts.size() == 3 && parts[1] == "health" && get && (parts[2] == "live" || parts[2] == "ready")) {
      return say(ok({{parts[2], true}}));
    }
    if (parts.size() >= 3 && parts[1] == "models") return model_route(head, parts);
    if (parts.size() == 3 && parts[1] == "keys") return key_route(head.method, parts[2]);
    return refuse(404, "no such path; GET /v2 says what there is");
  }

  std::unique_ptr<http::Exchange> model_route(const http::Head& head, const std::vector<std::string>& parts) {
    const auto found = models.find(parts[2]);
    if (found == models.end()) {
      std::string names;
      for (const auto& one : models) names += (names.empty() ? "" : ", ") + one.first;
      return refuse(404, "no model of this name; there are: " + names);
    }
    const Model& model = found->second;
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
      const Inference how{model, place, sessions, at_work, signing ? &*signing : nullptr, options.max_images};
      return infer(how, head);
    }
    return refuse(405, "models have GET, GET ready, GET offer and POST infer");
  }

  std::unique_ptr<http::Exchange> key_route(const std::string& method, const std::string& id) {
    if (!protocol::is_name(id)) return refuse(400, "a key's name has 1 to 64 letters, digits, '.', '-' and '_'");
    const fs::path file = place.key(id);
    if (method == "PUT") return take_key(place, sessions, id, options.max_keys);
    std::error_code failed;
    const auto bytes = fs::file_size(file, failed);
    if (failed) return refuse(404, "no key of this name");
    if (method == "GET") return say(ok({{"key_id", id}, {"bytes", bytes}}));
    if (method != "DELETE") return refuse(405, "keys have GET, PUT and DELETE");
    sessions.forget(id);
    fs::remove(file, failed);
    return say(failed ? json_response(500, protocol::write_error(failed.message()))
                      : ok({{"key_id", id}, {"deleted", true}}));
  }
};

Service::Service(std::unique_ptr<Internal> internal) : internal_(std::move(internal)) {}
Service::Service(Service&&) noexcept = default;
Service& Service::operator=(Service&&) noexcept = default;
Service::~Service() = default;

Result<Service> Service::open(const fs::path& folder, const ServiceOptions& options) {
  auto internal = std::make_unique<Internal>(options);
  if (!options.signing_key.empty()) {
    OBSCURA_TRY(internal->signing, wire::read_signing_key_file(options.signing_key));
  }
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder, failed)) {
    if (entry.path().extension() != ".plan") continue;
    Model model;
    model.name = entry.path().stem().string();
    if (!protocol::is_name(model.name)) {
      return error(Code::wrong_params, "{}: a model's name has 1 to 64 letters, digits, '.', '-' and '_'",
                   entry.path().string());
    }
    OBSCURA_TRY(model.plan, wire::read_plan_file(entry.path()));
    model.offer = wire::write_offer(wire::make_offer(model.plan));
    if (internal->signing) {
      const base::Bytes signature =
          wire::write_signature(*internal->signing, wire::Kind::offer, wire::frame_digest(model.offer));
      model.offer.insert(model.offer.end(), signature.begin(), signature.end());
    }
    const std::string name = model.name;
    internal->models.emplace(name, std::move(model));
  }
  if (failed) return error(Code::io, "{}: {}", folder.string(), failed.message());
  if (internal->models.empty()) {
    return error(Code::wrong_params, "{}: no plan in it (NAME.plan, of `obscura compile`)", folder.string());
  }
  OBSCURA_TRY(internal->place, Place::open(folder / "state"));
  return Service(std::move(internal));
}

std::vector<std::string> Service::models() const {
  std::vector<std::string> names;
  for (const auto& one : internal_->models) names.push_back(one.first);
  return names;
}

http::Route Service::route() const {
  return [internal = internal_.get()](const http::Head& head) { return internal->route(head); };
}

}  // namespace obscura::service
