// SPDX-License-Identifier: Apache-2.0
// Any request of HTTP that Boost.Beast has taken apart gets an answer of the protocol, and nothing of it stays. The
// input: a line with method and path, lines "Name: value", an empty line, the body. Whether it computes is another
// matter: there is no worker here.
#include <stdlib.h>  // mkdtemp

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>

#include "../tests/flow/tiny_plan.h"
#include "base/files.h"
#include "service/service.h"
#include "wire/plan_frame.h"

namespace {

using namespace obscura;
namespace fs = std::filesystem;

service::Service open_service() {
  std::string name = fs::temp_directory_path() / "obscura-service-fuzz-XXXXXX";
  const fs::path folder = mkdtemp(name.data());
  const auto written =
      base::write_file(folder / "square.plan", wire::write_plan(obscura::testing::square_plan()), {.overwrite = true});
  OBSCURA_CHECK(written.ok(), "no plan");
  service::ServiceOptions options;
  options.worker = "/bin/false";
  options.jobs.attempts = 1;
  return service::Service::open(folder, options).value();
}

/// "GET /v2\nA: b\n\nbody"
std::pair<http::Head, std::string> read(std::string text) {
  http::Head head;
  const auto line = [&] {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string out = text.substr(0, end);
    text.erase(0, end + 1);
    return out;
  };
  const std::string first = line();
  head.method = first.substr(0, first.find(' '));
  head.target = first.substr(std::min(first.size(), head.method.size() + 1));
  for (std::string field = line(); !field.empty(); field = line()) {
    const std::size_t colon = field.find(": ");
    if (colon == std::string::npos) continue;
    std::string key = field.substr(0, colon);
    std::transform(key.begin(), key.end(), key.begin(), [](unsigned char c) { return std::tolower(c); });
    head.headers[key] = field.substr(colon + 2);
  }
  head.length = text.size();
  return {head, text};
}

void check(const http::Response& response) {
  OBSCURA_CHECK(response.status >= 200 && response.status < 600, "status {}", response.status);
  const std::string body(reinterpret_cast<const char*>(response.body.data()), response.body.size());
  OBSCURA_CHECK(response.status < 400 || body.find("\"error\"") != std::string::npos, "an error without a sentence");
  OBSCURA_CHECK(body.find("obscura-service-fuzz") == std::string::npos, "a path of the server");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const service::Service served = open_service();
  static const http::Route route = served.route();
  const auto [head, body] = read({reinterpret_cast<const char*>(data), size});
  const auto exchange = route(head);
  if (const auto at_once = exchange->at_once()) {
    check(*at_once);
    for (int k = 0; at_once->events && k < 3; ++k) static_cast<void>(at_once->events());
    return 0;
  }
  const std::size_t taken = std::min<std::uint64_t>(body.size(), exchange->limit());
  if (const auto early = exchange->take(base::as_bytes(body).first(taken))) {
    check(*early);
    return 0;
  }
  http::Response response = exchange->answer();
  if (!response.later) check(response);
  for (int k = 0; response.later && k < 3; ++k) {
    if (const auto later = response.later()) {
      check(*later);
      break;
    }
  }
  return 0;
}
