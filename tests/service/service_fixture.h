// SPDX-License-Identifier: Apache-2.0
/// A folder of tiny plans that is served, and clients of it; with either database.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>  // mkdtemp

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "../flow/file_flow.h"
#include "base/signing.h"
#include "http/client.h"
#include "protocol/protocol.h"
#include "remote/remote.h"
#include "service/service.h"
#include "wire/signature.h"

namespace obscura::service {

using ::testing::HasSubstr;

/// Bytes that this process holds, files' excepted.
inline std::uint64_t resident() {
  std::ifstream file("/proc/self/status");
  std::string word;
  while (file >> word) {
    std::uint64_t kilobytes = 0;
    if (word == "RssAnon:" && file >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

class ServiceTest : public ::testing::Test {
 protected:
  ServiceTest() {
    std::string name = fs::temp_directory_path() / "obscura-service-XXXXXX";
    folder_ = mkdtemp(name.data());
    fs::create_directories(folder_ / "plans");
    Flow::write(folder_ / "plans" / "square.plan", wire::write_plan(testing::square_plan()));
    Flow::write(folder_ / "plans" / "quartic.plan", wire::write_plan(testing::quartic_plan()));
    const char* cluster = std::getenv("OBSCURA_TEST_POSTGRESQL");
    if (cluster != nullptr) database_.postgresql.url = cluster + fresh_database(cluster);
  }
  ~ServiceTest() override {
    stop();
    fs::remove_all(folder_);
  }
  /// A new database of a cluster, by its name: see postgresql.py.
  static std::string fresh_database(const std::string& cluster) {
    const std::string name = "t" + fresh_name();
    const auto all = Database::connect({cluster + "postgres"}, {}).value();
    EXPECT_TRUE(all.run("CREATE DATABASE " + name).ok());
    return name;
  }
  /// Another one like that of the server.
  Store store() const { return open_store(folder_ / "plans", database_).value(); }
  void stop() {
    server_.reset();
    service_.reset();
  }
  void start(ServiceOptions options = {}) {
    stop();
    options.worker = OBSCURA_SERVER;
    options.database = database_;
    service_.emplace(Service::open(folder_ / "plans", options).value());
    server_.emplace(http::Server::start({}, service_->route()).value());
  }
  http::Url url() const { return {"127.0.0.1", std::to_string(server_->port())}; }
  std::string base() const { return "http://127.0.0.1:" + url().port; }
  http::Reply send(const std::string& method, const std::string& target, const std::string& body = "",
                   const std::map<std::string, std::string>& headers = {}) const {
    http::Call call;
    call.method = method;
    call.target = target;
    call.headers = headers;
    call.max_answer = std::uint64_t{1} << 30;
    const base::ByteView bytes = base::as_bytes(body);
    call.body.assign(bytes.begin(), bytes.end());
    return http::send(url(), std::move(call)).value();
  }
  static std::string text(const http::Reply& reply) {
    return {reinterpret_cast<const char*>(reply.body.data()), reply.body.size()};
  }
  remote::RemoteOptions options_of(const std::string& client) const {
    remote::RemoteOptions options;
    options.folder = folder_ / client;
    return options;
  }
  Result<client::Logits> classify(const std::string& client, const std::string& model,
                                  std::span<const float> pixels) const {
    OBSCURA_TRY(auto remote, remote::RemoteClient::connect(base(), model, options_of(client)));
    OBSCURA_TRY(const auto images, client::images_in(pixels, remote.offer().input));
    return remote.classify(images);
  }
  /// The answer that the files' way gives.
  static std::vector<float> expected(const plan::Plan& plan, const std::vector<float>& pixels) {
    const Flow flow(plan);
    Flow::require(client::encrypt(flow.offer, flow.path("secret"), pixels, flow.path("in2")));
    Flow::require(server::run(flow.path("net.plan"), flow.path("eval"), flow.path("in2"), flow.path("out2")));
    return client::decrypt(flow.offer, flow.path("secret"), flow.path("out2")).value().values;
  }
  /// Whether no file of a request is left: one goes after its answer is sent.
  bool nothing_incoming() const {
    const fs::path folder = folder_ / "plans/state/incoming";
    for (int tries = 0; tries < 200 && !fs::is_empty(folder); ++tries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return fs::is_empty(folder);
  }

  /// Encrypted images of a model for a client whose keys are on the server, as the body of POST infer.
  struct Body {
    std::string key, bytes;
    std::map<std::string, std::string> headers;
    client::Client client;
    fs::path request;
  };
  Body encrypted(const std::string& who, const std::string& model, const plan::Plan& plan,
                 std::span<const float> pixels) const {
    Flow::require(classify(who, model, testing::random_pixels(1)));
    const fs::path keys = *fs::directory_iterator(folder_ / who / "keys");
    const wire::NamedPlan named{plan, wire::frame_digest(wire::write_plan(plan))};
    const base::Bytes offer = wire::write_offer(wire::make_offer(named));
    base::InputFile file = base::InputFile::of_memory(offer, "offer");
    Body body{"",
              "",
              {},
              client::Client::load(wire::read_offer(file).value(), keys / "secret").value(),
              folder_ / (who + ".request")};
    fs::remove(body.request);
    const auto images = client::images_in(pixels, body.client.offer().input).value();
    auto out = base::OutputFile::create(body.request, {.overwrite = true, .secret = true}).value();
    Flow::require(client::encrypt(body.client, images, std::move(out), {}));
    const base::Bytes bytes = base::read_file(body.request, 1U << 30).value();
    for (const auto b : body.client.key_name().key) body.key += fmt::format("{:02x}", static_cast<unsigned>(b));
    body.bytes = protocol::write_request({"r", "", body.key, bytes.size()});
    body.headers["Inference-Header-Content-Length"] = std::to_string(body.bytes.size());
    const base::Bytes prefix = protocol::write_prefix(bytes.size());
    for (const base::Bytes* part : {&prefix, &bytes}) {
      body.bytes.append(reinterpret_cast<const char*>(part->data()), part->size());
    }
    return body;
  }
  /// The logits of an answer in a reply.
  static std::vector<float> logits_of(const Body& body, const http::Reply& reply) {
    const std::size_t json = std::stoul(reply.headers.at(protocol::kHeadLength));
    const base::ByteView tensor = base::ByteView(reply.body).subspan(json + protocol::kPrefixBytes);
    return client::decrypt(body.client, base::InputFile::of_memory(tensor, "answer"), {.request = body.request})
        .value()
        .values;
  }
  nlohmann::json json(const std::string& method, const std::string& target) const {
    return nlohmann::json::parse(text(send(method, target, "", {})));
  }
  /// The job's state when it has ended.
  std::string wait_for(const std::string& job) const {
    for (int tries = 0; tries < 2400; ++tries) {
      const std::string state = json("GET", job).value("state", "gone");
      if (state != "queued" && state != "running") return state;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return "never";
  }

  fs::path folder_;
  /// SQLite's, or, where the tests run under postgresql.py, a new one there.
  DatabaseOptions database_;
  std::optional<Service> service_;
  std::optional<http::Server> server_;
};

}  // namespace obscura::service
