// SPDX-License-Identifier: Apache-2.0
/// Answers other than one label, through the program.
#include <algorithm>
#include <cmath>

#include "program.h"

namespace obscura::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Answers : public ProgramTest {
 protected:
  void SetUp() override {
    write_data_set();
    write_network();
    write_network("upper.onnx", {4, -1, -1});
  }

  /// compile with these options, and all up to the answer to images 0 to 5, whose labels are 0 1 2 0 1 2.
  void answer(const std::string& network, std::vector<std::string> options) const {
    options.insert(options.begin(), {"compile", network, "--batch", "8", "--calibrate", "mnist", "--calibration-images",
                                     "16", "-o", "net.plan"});
    good(options);
    good({"offer", "net.plan", "-o", "net.offer"});
    good({"keygen", "net.offer", "--secret", "s", "--eval", "e"});
    good({"encrypt", "net.offer", "--secret", "s", "data/mnist/t10k-images-idx3-ubyte", "--range", "0:6", "-o", "in"});
    good({"run", "net.plan", "--eval", "e", "in", "-o", "out"});
  }
  std::vector<std::string> decrypt(std::vector<std::string> options = {}) const {
    options.insert(options.begin(), {"decrypt", "net.offer", "--secret", "s", "out"});
    return options;
  }
  void write_labels(const std::string& name, const std::vector<std::uint8_t>& labels) const {
    base::Bytes bytes;
    for (const std::uint32_t word : {0x801U, static_cast<std::uint32_t>(labels.size())}) big_endian(bytes, word);
    for (const std::uint8_t label : labels) bytes.push_back(std::byte{label});
    write(name, bytes);
  }
  /// The images of the data set with two labels: a bar in the upper third or not.
  void write_binary_set() const {
    std::filesystem::create_directories(path("data/pneumoniamnist"));
    std::vector<std::uint8_t> labels;
    for (std::uint32_t i = 0; i < kImages; ++i) labels.push_back(i % kClasses == 0 ? 1 : 0);
    for (const std::string split : {"train", "test"}) {
      std::filesystem::copy(path("data/mnist/train-images-idx3-ubyte"),
                            path("data/pneumoniamnist/" + split + "-images-idx3-ubyte"));
      write_labels("data/pneumoniamnist/" + split + "-labels-idx1-ubyte", labels);
    }
  }
};

TEST_F(Answers, OfOneLabelGoByTheirClassNames) {
  answer("net.onnx", {"--class-names", "upper,middle,lower"});
  EXPECT_THAT(good(decrypt()).out, AllOf(StartsWith("0 upper 0."), HasSubstr("\n1 middle "), HasSubstr("\n5 lower ")));
  const auto json = good(decrypt({"--json"})).json();
  EXPECT_THAT(json.at("labels"), ElementsAre(0, 1, 2, 0, 1, 2));
  EXPECT_EQ(json.at("names").at(2), "lower");
  EXPECT_EQ(json.at("answer").at("kind"), "one");
  EXPECT_EQ(json.at("answers"), json.at("logits")) << "the function is none";
  EXPECT_THAT(good({"inspect", "net.offer"}).out,
              HasSubstr("answer: one of 3, function none; class names: upper, middle, lower"));
  EXPECT_THAT(good({"inspect", "net.plan"}).out,
              HasSubstr("answer   one of 3, function none; classes upper, middle, lower"));
  EXPECT_EQ(good({"inspect", "net.offer", "--json"}).json().at("answer").at("class_names").size(), 3U);
}

TEST_F(Answers, OfSeveralLabelsHaveAllThatAreAsLikelyAsNot) {
  answer("net.onnx", {"--answer", "several", "--class-names", "upper,middle,lower"});
  EXPECT_THAT(good(decrypt()).out, StartsWith("0 upper 0.9"));
  const auto json = good(decrypt({"--json"})).json();
  for (int i = 0; i < 6; ++i) EXPECT_THAT(json.at("labels").at(i), ElementsAre(i % 3));
  const double logit = json.at("logits").at(0).at(1);
  EXPECT_NEAR(json.at("probabilities").at(0).at(1), 1 / (1 + std::exp(-logit)), 1e-9);
  refused(decrypt({"--labels", "data/mnist/t10k-labels-idx1-ubyte:0:6"}), {"--labels", "one label", "'several'"});
}

TEST_F(Answers, OfABinaryLogitHaveTheProbabilityOfLabelOne) {
  answer("upper.onnx", {"--answer", "binary"});
  const auto json = good(decrypt({"--json"})).json();
  EXPECT_THAT(json.at("labels"), ElementsAre(1, 0, 0, 1, 0, 0));
  for (int i = 0; i < 6; ++i) {
    const double logit = json.at("logits").at(i).at(0), share = json.at("probabilities").at(i).at(0);
    EXPECT_NEAR(share, 1 / (1 + std::exp(-logit)), 1e-9);
    EXPECT_EQ(share >= 0.5, i % 3 == 0);
  }
  EXPECT_THAT(good(decrypt()).out, AllOf(StartsWith("0 1 0.9"), HasSubstr("\n1 0 0.")));
  write_labels("labels", {1, 0, 0, 1, 0, 1});
  EXPECT_THAT(good(decrypt({"--labels", "labels"})).out, HasSubstr("6 images, 5 correct (83.33 %)"));
}

TEST_F(Answers, OfOneOutputAreItsValues) {
  answer("upper.onnx", {});
  const auto json = good(decrypt({"--json"})).json();
  EXPECT_EQ(json.at("answer").at("kind"), "values");
  EXPECT_FALSE(json.contains("labels") || json.contains("probabilities"));
  const double first = json.at("logits").at(0).at(0);
  EXPECT_GT(first, 1);
  EXPECT_THAT(good(decrypt()).out, StartsWith(fmt::format("0 {}", static_cast<float>(first)).substr(0, 5)));
  write_labels("labels", {1, 0, 0, 1, 0, 1});
  EXPECT_THAT(good(decrypt({"--labels", "labels"})).out, HasSubstr("6 images, mean absolute error "));
  refused(decrypt({"--images", "x.png", "--picture", "p.png"}), {"--picture", "'values'"}, "p.png");
}

TEST_F(Answers, ShowTheLogitsWhereAsked) {
  answer("net.onnx", {});
  const auto json = good(decrypt({"--json"})).json();
  ASSERT_EQ(json.at("logits").size(), 6U);
  ASSERT_EQ(json.at("logits").at(0).size(), 3U);
  const std::string plain = good(decrypt()).out, more = good(decrypt({"--logits"})).out;
  EXPECT_EQ(std::count(plain.begin(), plain.end(), ' '), 6 * 2);
  EXPECT_EQ(std::count(more.begin(), more.end(), ' '), 6 * 5);
}

TEST_F(Answers, OfOtherKindsArePublishedByWhatWasPublishedAlone) {
  answer("upper.onnx", {"--answer", "binary", "--max-error", "1e-5"});
  const auto json = good(decrypt({"--publish", "--publish-bits", "4", "--json"})).json();
  EXPECT_FALSE(json.contains("probabilities"));
  for (const auto& row : json.at("logits")) {
    EXPECT_EQ(std::remainder(row.at(0).get<double>(), json.at("publish").at("rounded_to").get<double>()), 0);
  }
  EXPECT_EQ(json.at("answers"), json.at("logits"));
}

TEST_F(Answers, ThatTheOutputsCannotGiveAreRefused) {
  const auto compile = [](const std::string& network, std::vector<std::string> more) {
    more.insert(more.begin(), {"compile", network, "-o", "net.plan"});
    return more;
  };
  refused(compile("net.onnx", {"--answer", "binary"}), {"net.onnx", "'binary' with 3 outputs"}, "net.plan");
  refused(compile("upper.onnx", {"--answer", "one"}), {"'one' with 1 output"}, "net.plan");
  refused(compile("net.onnx", {"--class-names", "a,b"}), {"2 class names for 3 outputs"}, "net.plan");
  EXPECT_EQ(run(compile("net.onnx", {"--answer", "many"})).status, 2);
}

TEST_F(Answers, AreEvaluatedByTheirKind) {
  const auto evaluate = [&](const std::string& network, std::vector<std::string> more) {
    more.insert(more.begin(), {"evaluate", network, "--limit", "12", "--json", "--predictions"});
    return more;
  };
  write_binary_set();
  for (const std::string backend : {"float", "clear", "ckks"}) {
    const auto binary =
        good(evaluate("upper.onnx", {"--dataset", "pneumoniamnist", "--answer", "binary", "--backend", backend}))
            .json();
    EXPECT_EQ(binary.at("answer"), "binary");
    EXPECT_EQ(binary.at("accuracy"), 1);
    EXPECT_EQ(binary.at("labels").at(0), 1);
    EXPECT_EQ(binary.at("labels").at(1), 0);
    const auto several =
        good(evaluate("net.onnx", {"--dataset", "mnist", "--answer", "several", "--backend", backend})).json();
    EXPECT_EQ(several.at("agreement"), 1);
    EXPECT_THAT(several.at("labels").at(2), ElementsAre(2));
    EXPECT_FALSE(several.contains("accuracy"));
    const auto values = good(evaluate("upper.onnx", {"--dataset", "mnist", "--backend", backend})).json();
    EXPECT_FALSE(values.contains("accuracy") || values.contains("agreement") || values.contains("labels"));
    EXPECT_GT(values.at("mean_absolute_error"), 0);
    EXPECT_EQ(values.at("max_logit_error") == 0, backend == "float");
  }
  refused(evaluate("upper.onnx", {"--dataset", "mnist", "--answer", "binary"}),
          {"mnist (test) has 10 classes", "--answer"});
  refused({"sweep", "net.onnx", "--dataset", "mnist", "--answer", "several"}, {"'several'", "no accuracy"});
}

}  // namespace
}  // namespace obscura::cli
