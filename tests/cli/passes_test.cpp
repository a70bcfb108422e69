// SPDX-License-Identifier: Apache-2.0
/// obscura compile --passes and --dump-after.
#include "program.h"

namespace obscura::cli {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

class Passes : public ProgramTest {
 protected:
  void SetUp() override { write_network(); }

  std::vector<std::string> compile(const std::vector<std::string>& more) const {
    std::vector<std::string> out{"compile", "net.onnx", "--batch", "1", "--layout", "image", "-o", "net.plan"};
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
};

TEST_F(Passes, AreListedWithTheirTimesOnStandardErrorAndInTheObject) {
  const Outcome text = good(compile({"--passes"}));
  EXPECT_THAT(text.err, HasSubstr("seconds"));
  EXPECT_THAT(text.err, HasSubstr("bytes"));
  std::filesystem::remove(path("net.plan"));
  const auto json = good(compile({"--passes", "--json"})).json();
  std::vector<std::string> names;
  double seconds = 0;
  for (const auto& pass : json.at("passes")) {
    names.push_back(pass.at("pass"));
    seconds += pass.at("seconds").get<double>();
    EXPECT_GT(pass.at("runs"), 0);
  }
  for (const char* name :
       {"front", "monic", "measure", "layout", "split", "scales", "errors", "price", "memory", "emit"}) {
    EXPECT_THAT(names, Contains(name));
    EXPECT_THAT(text.err, HasSubstr(name));
  }
  EXPECT_EQ(names.back(), "verify");
  EXPECT_LE(seconds, json.at("seconds").get<double>());
}

TEST_F(Passes, ADumpIsTextBeforeTheAnswerAndInTheObject) {
  const Outcome text = good(compile({"--dump-after", "layout"}));
  EXPECT_THAT(text.out, HasSubstr("circuit for N = 2^"));
  EXPECT_THAT(text.out, HasSubstr("transform"));
  EXPECT_THAT(text.out, HasSubstr("plan of"));
  std::filesystem::remove(path("net.plan"));
  const auto json = good(compile({"--dump-after", "emit", "--json"})).json();
  EXPECT_THAT(json.at("dump").get<std::string>(), HasSubstr("reasons"));
}

TEST_F(Passes, OneThatThePlanDidNotNeedIsSaidAndNoPlanIsWritten) {
  const Outcome outcome = run(compile({"--dump-after", "bootstraps"}));
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err, HasSubstr("net.onnx did not need that pass"));
  EXPECT_FALSE(std::filesystem::exists(path("net.plan")));
  EXPECT_EQ(run(compile({"--dump-after", "packing"})).status, 2);
}

}  // namespace
}  // namespace obscura::cli
