// SPDX-License-Identifier: Apache-2.0
/// The page beside the protocol: its files, the policy they come under, and nothing else of the folder's surroundings.
#include "service/page.h"

#include "service_fixture.h"

namespace obscura::service {
namespace {

class PageTest : public ServiceTest {
 protected:
  PageTest() {
    fs::create_directories(folder_ / "page" / "assets");
    Flow::write(folder_ / "page" / "index.html", bytes_of("<!doctype html>"));
    Flow::write(folder_ / "page" / "assets" / "a-1.js", bytes_of("1;"));
    Flow::write(folder_ / "page" / "assets" / "b.wasm", bytes_of("asm"));
  }
  static base::Bytes bytes_of(const std::string& text) {
    const base::ByteView view = base::as_bytes(text);
    return {view.begin(), view.end()};
  }
  void start_with_page() {
    ServiceOptions options;
    options.worker = OBSCURA_SERVER;
    service_.emplace(Service::open(folder_ / "plans", options).value());
    page_.emplace(Page::open(folder_ / "page", service_->models()).value());
    server_.emplace(http::Server::start({}, page_->route(service_->route())).value());
  }
  std::optional<Page> page_;
};

TEST_F(PageTest, IsServedUnderAPolicyThatLetsNoOtherOriginIn) {
  start_with_page();
  const http::Reply index = send("GET", "/?model=square");
  EXPECT_EQ(index.status, 200U);
  EXPECT_EQ(text(index), "<!doctype html>");
  EXPECT_THAT(index.headers.at("content-type"), HasSubstr("text/html"));
  const std::string policy = index.headers.at("content-security-policy");
  EXPECT_THAT(policy, HasSubstr("default-src 'none'"));
  for (const char* loose : {"unsafe-inline", "'unsafe-eval'", "*", "http:", "https:"}) {
    EXPECT_EQ(policy.find(loose), std::string::npos) << loose;
  }
  EXPECT_EQ(index.headers.at("x-content-type-options"), "nosniff");
  EXPECT_EQ(send("GET", "/assets/b.wasm").headers.at("content-type"), "application/wasm");
  EXPECT_THAT(send("GET", "/assets/a-1.js").headers.at("cache-control"), HasSubstr("immutable"));
  EXPECT_EQ(nlohmann::json::parse(text(send("GET", "/models.json"))), nlohmann::json({"quartic", "square"}));
  server_.reset();
}

TEST_F(PageTest, LeavesAllElseToTheProtocol) {
  start_with_page();
  EXPECT_EQ(send("GET", "/v2/health/live").status, 200U);
  for (const char* path :
       {"/assets", "/assets/", "/../plans/square.plan", "/assets/../../plans/square.plan", "/none"}) {
    EXPECT_EQ(send("GET", path).status, 404U) << path;
  }
  EXPECT_EQ(send("DELETE", "/index.html").status, 404U);
  server_.reset();
}

TEST_F(PageTest, RefusesFoldersThatAreNoPageWithASentence) {
  const auto none = Page::open(folder_ / "plans", {});
  ASSERT_FALSE(none.ok());
  EXPECT_THAT(none.error().message, HasSubstr("no index.html"));
  Flow::write(folder_ / "page" / "secret.pem", bytes_of("key"));
  const auto strange = Page::open(folder_ / "page", {});
  ASSERT_FALSE(strange.ok());
  EXPECT_EQ(strange.error().code, Code::wrong_params);
  EXPECT_THAT(strange.error().message, HasSubstr("secret.pem"));
}

}  // namespace
}  // namespace obscura::service
