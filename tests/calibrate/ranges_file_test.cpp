// SPDX-License-Identifier: Apache-2.0
#include "calibrate/ranges_file.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/files.h"
#include "tests/calibrate/networks.h"

namespace obscura::calibrate {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Json = nlohmann::json;

class RangesFile : public ::testing::Test {
 protected:
  RangesFile() : stack_(4, {Kind::relu, Kind::sigmoid}), calibration_(calibration_of(stack_.graph(), 40)) {
    const base::Bytes bytes = write_ranges(calibration_, "test");
    json_ = Json::parse(reinterpret_cast<const char*>(bytes.data()),
                        reinterpret_cast<const char*>(bytes.data()) + bytes.size());
  }
  Result<Calibration> read(const std::string& text) {
    return read_ranges(base::as_bytes(text), stack_.graph(), "file");
  }
  /// What is said of the file with one thing changed.
  template <class Change>
  std::string refusal(Change change) {
    Json changed = json_;
    change(changed);
    const auto result = read(changed.dump());
    return result.ok() ? "read" : result.error().message;
  }
  Stack stack_;
  Calibration calibration_;
  Json json_;
};

TEST_F(RangesFile, ComesBackAsItWas) {
  const auto again = read_ranges(write_ranges(calibration_, "test"), stack_.graph(), "file");
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(again->images, 40U);
  ASSERT_EQ(again->ranges.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    const Range &a = calibration_.ranges[i], &b = again->ranges[i];
    EXPECT_EQ(a.node, b.node);
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.operation, b.operation);
    EXPECT_EQ(a.low, b.low) << "to the last bit";
    EXPECT_EQ(a.high, b.high);
    EXPECT_EQ(a.inputs.low, b.inputs.low);
    EXPECT_EQ(a.inputs.high, b.inputs.high);
    EXPECT_EQ(a.inputs.counts, b.inputs.counts);
  }
}

TEST_F(RangesFile, RefusesFilesOfOtherKinds) {
  for (const std::string text : {"", "{", "[]", "7", "null", "{}", R"({"kind":7})", R"({"kind":"obscura plan"})"}) {
    EXPECT_THAT(read(text).error().message, AllOf(HasSubstr("file: not a file of ranges"), HasSubstr("calibrate")))
        << text;
  }
  EXPECT_THAT(read(std::string(100000, '[')).error().message, HasSubstr("not a file of ranges"));
  EXPECT_THAT(read(json_.dump().substr(0, 5000)).error().message, HasSubstr("not a file of ranges"));
  EXPECT_THAT(refusal([](Json& j) { j["version"] = 2; }), HasSubstr("version of ranges other than 1"));
  EXPECT_THAT(refusal([](Json& j) { j.erase("version"); }), HasSubstr("version"));
}

TEST_F(RangesFile, RefusesWhatIsMissingOrOfAnotherType) {
  const auto missing = AllOf(HasSubstr("`images`"), HasSubstr("`activations`"));
  EXPECT_THAT(refusal([](Json& j) { j.erase("images"); }), missing);
  EXPECT_THAT(refusal([](Json& j) { j["images"] = -1; }), missing);
  EXPECT_THAT(refusal([](Json& j) { j["images"] = 1.5; }), missing);
  EXPECT_THAT(refusal([](Json& j) { j.erase("activations"); }), missing);
  EXPECT_THAT(refusal([](Json& j) { j["activations"] = Json::object(); }), missing);
  const auto entry = AllOf(HasSubstr("activation 2"), HasSubstr("`node`"), HasSubstr("`low`"));
  EXPECT_THAT(refusal([](Json& j) { j["activations"][1] = 5; }), entry);
  EXPECT_THAT(refusal([](Json& j) { j["activations"][1].erase("node"); }), entry);
  EXPECT_THAT(refusal([](Json& j) { j["activations"][1]["node"] = 5; }), entry);
  EXPECT_THAT(refusal([](Json& j) { j["activations"][1]["low"] = "0"; }), entry);
  EXPECT_THAT(refusal([](Json& j) { j["activations"][1].erase("high"); }), entry);
}

TEST_F(RangesFile, RefusesRangesThatAreNone) {
  const auto range = [&](double low, double high) {
    return refusal([&](Json& j) { j["activations"][0]["low"] = low, j["activations"][0]["high"] = high; });
  };
  EXPECT_THAT(range(1, 1), AllOf(HasSubstr("activation 1 (n2)"), HasSubstr("empty")));
  EXPECT_THAT(range(2, 1), HasSubstr("2 to 1 is empty"));
  EXPECT_THAT(range(-1e300, 1), HasSubstr("beyond that of floats"));
  EXPECT_THAT(range(0, 1e39), HasSubstr("beyond that of floats"));
  EXPECT_EQ(range(-1, 3e38), "read");
  std::string text = json_.dump();
  text.replace(text.find("\"high\":") + 7, 3, "1e999");
  EXPECT_FALSE(read(text).ok());
}

TEST_F(RangesFile, RefusesCountsOutOfBounds) {
  const auto counts = [&](const Json& list) { return refusal([&](Json& j) { j["activations"][0]["counts"] = list; }); };
  const auto wrong = HasSubstr("activation 1: `counts` must be a list of 1 to 65536 numbers");
  EXPECT_THAT(counts(5), wrong);
  EXPECT_THAT(counts(Json::array()), wrong);
  EXPECT_THAT(counts(std::vector<int>(65537, 1)), wrong);
  EXPECT_THAT(refusal([](Json& j) { j["activations"][0].erase("counts"); }), wrong);
  EXPECT_THAT(counts({0, 0}), HasSubstr("all counts are 0"));
  const auto sum = HasSubstr("sum up to 2^48");
  EXPECT_THAT(counts({1, -1}), sum);
  EXPECT_THAT(counts({1, 1.5}), sum);
  EXPECT_THAT(counts({1, "1"}), sum);
  constexpr std::uint64_t kMost = std::uint64_t{1} << 48;
  EXPECT_EQ(counts({kMost}), "read");
  EXPECT_THAT(counts({kMost + 1}), sum);
  EXPECT_THAT(counts({kMost, 1}), sum);
  EXPECT_THAT(counts(std::vector<std::uint64_t>(65536, kMost)), sum) << "whose sum is 0 modulo 2^64";
}

TEST_F(RangesFile, RefusesRangesOfAnotherNetwork) {
  EXPECT_THAT(refusal([](Json& j) { j["activations"][1]["node"] = "other"; }),
              AllOf(HasSubstr("another network"), HasSubstr("activation 2 is other"), HasSubstr("n4 (Sigmoid)")));
  EXPECT_THAT(refusal([](Json& j) { j["activations"].erase(1); }),
              AllOf(HasSubstr("activation 2 is absent"), HasSubstr("n4")));
  EXPECT_THAT(refusal([](Json& j) { j["activations"].push_back(j["activations"][1]); }),
              AllOf(HasSubstr("3 activations"), HasSubstr("the network has 2")));
}

TEST(RangesFileOfSums, RefusesNegativeSumsOfSquares) {
  Builder builder({4, 1, 1});
  builder.flatten(builder.node(Op::lrn, {0}));
  ASSERT_TRUE(nn::infer_shapes(builder.graph()).ok());
  Calibration calibration = calibration_of(builder.graph(), 20);
  EXPECT_GE(calibration.ranges.at(0).low, 0);
  EXPECT_TRUE(read_ranges(write_ranges(calibration, "test"), builder.graph(), "file").ok());
  calibration.ranges[0].low = -5;
  EXPECT_THAT(read_ranges(write_ranges(calibration, "test"), builder.graph(), "file").error().message,
              AllOf(HasSubstr("n0"), HasSubstr("never negative")));
}

TEST_F(RangesFile, IsRefusedBeforeItIsParsedWhereItIsTooLarge) {
  const auto path = std::filesystem::temp_directory_path() / fmt::format("obscura-ranges-{}", getpid());
  ASSERT_TRUE(base::write_file(path, base::as_bytes(std::string("{")), {.overwrite = true, .secret = false}).ok());
  std::filesystem::resize_file(path, kMaxRangesBytes + 1);
  const auto large = read_ranges_file(path, stack_.graph());
  ASSERT_FALSE(large.ok());
  EXPECT_THAT(large.error().message, HasSubstr(std::to_string(kMaxRangesBytes)));
  std::filesystem::remove(path);
  EXPECT_THAT(read_ranges_file(path, stack_.graph()).error().message, HasSubstr(path.string()));
}

}  // namespace
}  // namespace obscura::calibrate
