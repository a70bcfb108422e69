// SPDX-License-Identifier: Apache-2.0
#include "program.h"

namespace obscura::cli {
namespace {

using ::testing::HasSubstr;

class Bench : public ProgramTest {
 protected:
  Bench() {
    write_network();
    write_data_set();
  }
  static constexpr const char* kList =
      R"([{"name": "thirds", "model": "net.onnx", "dataset": "mnist", "images": 40},)"
      R"( {"name": "elsewhere", "model": "net.onnx", "dataset": "fashion-mnist", "images": 40}])";
};

TEST_F(Bench, MeasuresTheListAndSaysWhatIsLeftOut) {
  write("list.json", std::string(kList));
  const Outcome outcome = good({"bench", "--list", "list.json", "--repeat", "2", "-o", "report.json", "--json"});
  const nlohmann::json report = nlohmann::json::parse(slurp(path("report.json")), nullptr, false);
  EXPECT_EQ(report, outcome.json());
  EXPECT_GT(report["machine"]["cores"], 0);
  EXPECT_GT(report["machine"]["memory_bytes"], 0);
  ASSERT_EQ(report["networks"].size(), 2U);
  const nlohmann::json& thirds = report["networks"][0];
  EXPECT_EQ(thirds["name"], "thirds");
  EXPECT_EQ(thirds["correct"], 40);
  EXPECT_EQ(thirds["reference_correct"], 40);
  EXPECT_EQ(thirds["backend"], "ckks");
  EXPECT_EQ(thirds["all_milliseconds_per_image"].size(), 2U);
  EXPECT_GT(thirds["predicted_seconds"], 0);
  EXPECT_THAT(report["networks"][1]["error"].get<std::string>(), HasSubstr("obscura data fetch fashion-mnist"));
  refused({"bench", "--list", "list.json", "-o", "report.json"}, {"report.json", "exists"});
}

TEST_F(Bench, TableHasALineForEachNetwork) {
  write("list.json", std::string(kList));
  const Outcome outcome = good({"bench", "--list", "list.json", "--only", "thirds", "--limit", "3"});
  EXPECT_THAT(outcome.out, ::testing::ContainsRegex("thirds +3 +100.00 % +100.00 % +100.00 %"));
  EXPECT_THAT(outcome.out, ::testing::Not(HasSubstr("elsewhere")));
}

TEST_F(Bench, PlotsAccuracyOverTime) {
  write("list.json", std::string(kList));
  good({"bench", "--list", "list.json", "--limit", "3", "--plot", "front.png"});
  EXPECT_EQ(slurp(path("front.png")).substr(1, 3), "PNG");
  refused({"bench", "--list", "list.json", "--plot", "front.png"}, {"front.png", "exists"});
}

TEST_F(Bench, NamesWhatIsWrongWithTheList) {
  const auto list = [&](const std::string& text) { write("list.json", text); };
  const std::vector<std::string> command = {"bench", "--list", "list.json"};
  refused({"bench", "--list", "none.json"}, {"none.json"});
  list("no JSON");
  refused(command, {"list.json", "JSON list"});
  list(R"([{"name": "a", "model": "net.onnx", "dataset": "mnist", "images": 1, "picture": 2}])");
  refused(command, {"unknown key 'picture'"});
  list(R"([{"name": "a", "model": "net.onnx", "images": 1}])");
  refused(command, {"no 'dataset'"});
  list(R"([{"name": "a", "model": "net.onnx", "dataset": "mnist", "images": 0}])");
  refused(command, {"network 'a'", "'images'"});
  list(R"([{"name": "a", "model": "net.onnx", "dataset": "mnist", "images": 1, "headroom": "much"}])");
  refused(command, {"network 'a'", "'headroom'"});
  list(R"([{"name": "a", "model": "net.onnx", "dataset": "mnist", "images": 1, "max_error": "none"}])");
  refused(command, {"network 'a'", "'max_error'"});
  list(kList);
  refused({"bench", "--list", "list.json", "--only", "halves"}, {"--only halves", "thirds, elsewhere"});
}

}  // namespace
}  // namespace obscura::cli
