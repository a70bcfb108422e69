// SPDX-License-Identifier: Apache-2.0
/// obscura calibrate, evaluate --backend poly and sweep: networks with polynomials, in floats.
#include "api/approximations.h"
#include "approx/bent.h"
#include "approx/fit.h"
#include "approx/sign.h"
#include "program.h"

namespace obscura::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class PolynomialsTest : public ProgramTest {
 protected:
  void SetUp() override {
    write_data_set();
    write_relu_network("relu.onnx", kClasses);
  }

  /// Flatten, dense to the sums of the thirds less a threshold, ReLU ("act"), sigmoid ("gate"), dense to `classes`
  /// logits of which the first three are right on all images.
  void write_relu_network(const std::string& name, std::uint32_t classes, const std::string& activation = "act",
                          approx::Function::Kind kind = approx::Function::Kind::relu) const {
    nn::Graph graph;
    graph.name = "relu";
    const auto value = [&](const std::string& what, nn::Shape shape) {
      graph.values.push_back({what, std::move(shape), std::nullopt});
      return static_cast<nn::ValueId>(graph.values.size() - 1);
    };
    const auto constant = [&](const std::string& what, const nn::Shape& shape, std::vector<float> data) {
      graph.values.push_back({what, shape, nn::Tensor{shape, std::move(data)}});
      return static_cast<nn::ValueId>(graph.values.size() - 1);
    };
    std::vector<float> sums(std::size_t{kArea} * kClasses, 0.0F);
    for (std::uint32_t p = 0; p < kArea; ++p) sums[p * kClasses + p / kSide / 2] = 1.0F / 3;
    std::vector<float> spread(std::size_t{kClasses} * classes, 0);
    for (std::uint32_t third = 0; third < kClasses; ++third) {
      for (std::uint32_t c = 0; c < classes; ++c) {
        spread[third * classes + c] = c == third ? 4.0F : static_cast<float>((third + 2 * c) % 5) / 8;
      }
    }
    graph.input = value("image", {1, kSide, kSide});
    const auto flat = value("flat", {kArea});
    const auto thirds = value("thirds", {kClasses});
    const auto hidden = value("hidden", {kClasses});
    const auto gated = value("gated", {kClasses});
    graph.output = value("logits", {classes});
    const auto w0 = constant("w0", {kArea, kClasses}, sums);
    const auto b0 = constant("b0", {kClasses}, std::vector<float>(kClasses, -1.5F));
    const auto w1 = constant("w1", {kClasses, classes}, spread);
    const auto function = [](approx::Function::Kind of) { return nn::Attributes{.function = approx::default_of(of)}; };
    graph.nodes.push_back({nn::Op::reshape, "flatten", {graph.input}, flat, {.shape = {kArea}}});
    graph.nodes.push_back({nn::Op::gemm, "sums", {flat, w0, b0}, thirds, {}});
    graph.nodes.push_back({nn::Op::function, activation, {thirds}, hidden, function(kind)});
    graph.nodes.push_back({nn::Op::function, "gate", {hidden}, gated, function(approx::Function::Kind::sigmoid)});
    graph.nodes.push_back({nn::Op::gemm, "spread", {gated, w1}, graph.output, {}});
    write(name, nn::write_onnx(graph));
  }

  void calibrate() const { good({"calibrate", "relu.onnx", "--dataset", "mnist", "-o", "ranges.json"}); }

  /// evaluate --backend poly with these options.
  static std::vector<std::string> evaluating(const std::vector<std::string>& more) {
    std::vector<std::string> all{"evaluate", "relu.onnx", "--dataset", "mnist", "--backend", "poly"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  static std::vector<std::string> sweeping(const std::vector<std::string>& more) {
    std::vector<std::string> all{"sweep", "relu.onnx", "--dataset", "mnist"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

TEST_F(PolynomialsTest, CalibrateWritesRangesAndDrawsThem) {
  const auto json =
      good({"calibrate", "relu.onnx", "--dataset", "mnist", "-o", "ranges.json", "--plot", "ranges.png", "--json"})
          .json();
  EXPECT_EQ(json.at("images"), kImages) << "all training images, where there are fewer than 10000";
  EXPECT_EQ(json.at("plot"), "ranges.png");
  ASSERT_EQ(json.at("activations").size(), 2U);
  const auto& first = json.at("activations")[0];
  EXPECT_EQ(first.at("node"), "act");
  EXPECT_EQ(first.at("operator"), "Relu");
  EXPECT_LT(first.at("low"), 0);
  EXPECT_GT(first.at("high"), 0);
  EXPECT_GT(first.at("quantile_999"), 0);
  EXPECT_TRUE(data::read_png(path("ranges.png"), {3, 880, 1280}).ok()) << "a panel an activation";
  const auto file = nlohmann::json::parse(slurp(path("ranges.json")));
  EXPECT_EQ(file.at("images"), kImages);
  EXPECT_EQ(file.at("activations")[0].at("low"), first.at("low"));
  const auto few =
      good({"calibrate", "relu.onnx", "--dataset", "mnist", "--limit", "7", "-o", "few.json", "--json"}).json();
  EXPECT_EQ(few.at("images"), 7);
}

TEST_F(PolynomialsTest, CalibrateRefusesWithASentence) {
  const auto refuse = [&](std::vector<std::string> more, const std::vector<std::string>& words,
                          const std::string& absent = "x.json") {
    more.insert(more.begin(), {"calibrate", "relu.onnx", "--dataset", "mnist"});
    refused(more, words, absent);
  };
  calibrate();
  write("there.png", std::string("mine"));
  refuse({"-o", "ranges.json"}, {"ranges.json", "exists"});
  refuse({"-o", "x.json", "--plot", "there.png"}, {"there.png", "exists"});
  EXPECT_EQ(slurp(path("there.png")), "mine");
  refuse({"-o", "x.json", "--plot", "x.json"}, {"x.json"});
  refuse({"-o", "x.json", "--plot", "nowhere/x.png"}, {"nowhere/x.png"});
  refuse({"-o", "x.json", "--limit", "0"}, {"at least one image"});
  refuse({"-o", "x.json", "--limit", "41"}, {"41", "40"});
  refuse({"-o", "x.json", "--mean", "0.5,0.5"}, {"--mean", "1 channels"});
  refuse({"-o", "x.json", "--bgr"}, {"--bgr", "1 channels"});
  write_network("square.onnx");
  refused({"calibrate", "square.onnx", "--dataset", "mnist", "-o", "x.json"}, {"square.onnx", "polynomials already"},
          "x.json");
}

TEST_F(PolynomialsTest, EvaluateComparesWithTheFloatNetwork) {
  calibrate();
  const auto json = good(evaluating({"--ranges", "ranges.json", "--alpha", "10", "--predictions", "--json"})).json();
  EXPECT_EQ(json.at("images"), kImages);
  EXPECT_EQ(json.at("correct"), kImages);
  EXPECT_EQ(json.at("agreement"), 1);
  EXPECT_EQ(json.at("not_finite"), 0);
  EXPECT_EQ(json.at("logit_error_images"), kImages);
  EXPECT_FALSE(json.contains("top5_correct")) << "three classes";
  EXPECT_EQ(json.at("labels").size(), kImages);
  EXPECT_EQ(json.at("labels")[4], 1);
  const auto& polynomials = json.at("polynomials");
  EXPECT_EQ(polynomials.at("outside"), 0) << "calibrated on the same images";
  EXPECT_EQ(polynomials.at("arguments"), 2 * kImages * kClasses);
  ASSERT_EQ(polynomials.at("activations").size(), 2U);
  const auto& first = polynomials.at("activations")[0];
  EXPECT_EQ(first.at("node"), "act");
  EXPECT_EQ(polynomials.at("depth"),
            first.at("depth").get<int>() + polynomials.at("activations")[1].at("depth").get<int>());
  EXPECT_LE(first.at("max_error"), first.at("high").get<double>() / 1024);
  // Both errors at their largest, through slopes of at most 1/4 and weights of at most 4, three of them.
  EXPECT_GT(json.at("max_logit_error"), 0);
  EXPECT_LT(json.at("max_logit_error"), 12 * (first.at("max_error").get<double>() / 4 +
                                              polynomials.at("activations")[1].at("max_error").get<double>()));
  EXPECT_THAT(good(evaluating({"--ranges", "ranges.json"})).out,
              AllOf(HasSubstr("2 activations"), HasSubstr("levels in all"), Not(HasSubstr("not finite"))));
}

TEST_F(PolynomialsTest, EvaluateMeasuresRangesWhereNoneAreGiven) {
  calibrate();
  const auto measured = good(evaluating({"--alpha", "9", "--json"})).json();
  const auto read = good(evaluating({"--alpha", "9", "--ranges", "ranges.json", "--json"})).json();
  EXPECT_EQ(measured.at("polynomials"), read.at("polynomials"));
  EXPECT_EQ(measured.at("max_logit_error"), read.at("max_logit_error"));
}

TEST(ApproximationsOf, AFunctionOfBendsAreItsOwnInBothForms) {
  const approx::Activation unit = *approx::relu(7, 1);
  for (const approx::FunctionRow& row : approx::functions()) {
    nn::Graph graph;
    graph.nodes.push_back({nn::Op::function, "bent", {0}, 1, {}});
    approx::Function& function = graph.nodes[0].attributes.function;
    function = approx::default_of(row.kind);
    const auto line = approx::bent_line(function);
    if (!line) continue;
    for (const approx::Activation& y :
         {approx::bent(row.name, *line, unit, -5, 9), approx::bent(row.name, *line, unit, -2, 4),
          *approx::approximate(function, approx::Method::minimax, 8, -2, 3)}) {
      calibrate::Choice choice;
      choice.chosen.emplace_back();
      choice.chosen[0].activation = y;
      const compile::Approximation out = api::approximations_of(graph, choice).at(0);
      const compile::SlotApproximation slots = compile::in_slots(out);
      const approx::Replacement expected(function, y);
      double largest = 0;
      for (double x = y.certificate.low; x <= y.certificate.high; x += 0.125) {
        EXPECT_NEAR(compile::evaluate(out, x).value, expected(x), 1e-12) << row.name << " " << x;
        const double slot = compile::evaluate(slots.out, x / out.bound).value;
        EXPECT_NEAR(slots.after * slot, expected(x), 1e-11) << row.name << " " << x;
        largest = std::max(largest, std::abs(slot));
      }
      EXPECT_LT(largest, 1 + 1e-6);
      EXPECT_GT(largest, 0.9);
      EXPECT_EQ(compile::levels(out), static_cast<std::size_t>(y.certificate.depth)) << row.name;
    }
  }
}

TEST_F(PolynomialsTest, EvaluateKeepsToItsBudget) {
  write_relu_network("relu.onnx", kClasses, "act",
                     approx::Function::Kind::tanh);  // whose candidates are few, and found at once
  calibrate();
  const auto within = [&](const std::string& of, const std::string& limit) {
    return good(evaluating({"--ranges", "ranges.json", of, limit, "--json"})).json().at("polynomials");
  };
  const auto deep = within("--depth", "9"), flat = within("--depth", "5");
  EXPECT_LE(deep.at("depth"), 9);
  EXPECT_LE(flat.at("depth"), 5);
  EXPECT_GT(flat.at("predicted_logit_error_rms"), deep.at("predicted_logit_error_rms"));
  EXPECT_LE(within("--products", "30").at("products"), 30);
  refused(evaluating({"--ranges", "ranges.json", "--depth", "1"}), {"a budget of 1 levels", "at least 4 are needed"});
  refused(evaluating({"--ranges", "ranges.json", "--products", "-1"}), {"a budget of -1 products", "are needed"});
  EXPECT_EQ(run(evaluating({"--depth", "9", "--alpha", "9"})).status, 2) << "one of them";
}

TEST_F(PolynomialsTest, NoiseIsTheSameForTheSameSeed) {
  calibrate();
  const auto error = [&](std::vector<std::string> more) {
    more.insert(more.end(), {"--ranges", "ranges.json", "--json"});
    return good(evaluating(more)).json().at("measured_logit_error_std").get<double>();
  };
  const double none = error({});
  const double first = error({"--noise", "8"});
  EXPECT_GT(first, 2 * none) << "noise of 2^-8 beside an error of 2^-13";
  EXPECT_EQ(error({"--noise", "8"}), first);
  EXPECT_EQ(error({"--noise", "8", "--noise-seed", "1"}), first) << "the seed unless said";
  EXPECT_NE(error({"--noise", "8", "--noise-seed", "2"}), first);
  EXPECT_LT(error({"--noise", "20"}), first);
  EXPECT_NEAR(error({"--noise", "model"}), none, none) << "a scale of 2^46 is far below";
}

TEST_F(PolynomialsTest, RefusesNumbersOutOfBounds) {
  for (const std::string noise : {"0", "61", "-3", "nan", "inf", "8 ", "much", "8x", "1e"}) {
    refused(evaluating({"--noise", noise}), {"--noise", "1 to 60"});
  }
  for (const std::string alpha : {"0", "17", "-7"}) {
    refused(evaluating({"--alpha", alpha}), {"--alpha " + alpha, "1 to 16"});
    refused(sweeping({"--alpha", alpha, "20"}), {"--alpha " + alpha});
  }
  refused(sweeping({"--alpha", "7", "17"}), {"--alpha 17", "1 to 16"});
  refused(sweeping({"--alpha", "9", "8"}), {"--alpha 9 8", "first"});
  refused(sweeping({"--limit", "0"}), {"--limit 0"});
  for (const std::string margin : {"-0.1", "11", "nan"}) {
    refused(evaluating({"--margin", margin}), {"--margin", "0 to 10"});
    refused(sweeping({"--margin", margin}), {"--margin"});
  }
  EXPECT_EQ(run(evaluating({"--alpha", "seven"})).status, 2);
}

TEST_F(PolynomialsTest, RefusesRangesThatDoNotBelong) {
  calibrate();
  write_relu_network("other.onnx", kClasses, "another");
  for (const std::string verb : {"evaluate", "sweep"}) {
    std::vector<std::string> arguments{verb, "other.onnx", "--dataset", "mnist", "--ranges", "ranges.json"};
    if (verb == "evaluate") arguments.insert(arguments.end(), {"--backend", "poly"});
    refused(arguments, {"ranges.json", "another network", "act", "another (Relu)"});
  }
  const std::string text = slurp(path("ranges.json"));
  write("cut.json", text.substr(0, text.size() / 2));
  refused(evaluating({"--ranges", "cut.json"}), {"cut.json", "not a file of ranges"});
  refused(evaluating({"--ranges", "relu.onnx"}), {"relu.onnx", "not a file of ranges"});
  refused(evaluating({"--ranges", "none.json"}), {"none.json"});
  auto json = nlohmann::json::parse(text);
  json["activations"][0]["low"] = 9;
  write("empty.json", json.dump());
  refused(sweeping({"--ranges", "empty.json"}), {"empty.json", "activation 1 (act)", "empty"});
  refused(evaluating({"--ranges", "ranges.json", "--calibration-images", "9"}),
          {"--calibration-images", "ranges.json"});
  refused(evaluating({"--calibration-images", "0"}), {"--calibration-images 0"});
}

TEST_F(PolynomialsTest, SweepMeasuresEachAlphaBothWays) {
  calibrate();
  const Outcome outcome =
      good(sweeping({"--ranges", "ranges.json", "--alpha", "5", "7", "--layerwise", "--plot", "sweep.png", "--json"}));
  const auto json = outcome.json();
  EXPECT_EQ(json.at("images"), kImages);
  EXPECT_EQ(json.at("float_correct"), kImages);
  EXPECT_EQ(json.at("float_not_finite"), 0);
  EXPECT_EQ(json.at("calibration_images"), kImages);
  EXPECT_EQ(json.at("plot"), "sweep.png");
  EXPECT_TRUE(data::read_png(path("sweep.png"), {3, 440, 1280}).ok()) << "all is near to the float network";
  ASSERT_EQ(json.at("rows").size(), 6U);
  for (std::size_t i = 0; i < 6; ++i) {
    const auto& row = json.at("rows")[i];
    EXPECT_EQ(row.at("kind"), i % 2 == 0 ? "alike" : "layerwise");
    EXPECT_EQ(row.at("alpha"), 5 + i / 2);
    for (const char* key : {"correct", "accuracy", "agreement", "not_finite", "max_logit_error", "logit_error_images",
                            "depth", "products", "predicted_logit_error_rms", "arguments", "outside", "activations"}) {
      EXPECT_TRUE(row.contains(key)) << key;
    }
    if (i % 2 == 0) continue;
    const auto& alike = json.at("rows")[i - 1];
    EXPECT_LE(row.at("depth"), alike.at("depth"));
    EXPECT_LE(row.at("predicted_logit_error_rms"), alike.at("predicted_logit_error_rms"));
  }
  refused(sweeping({"--ranges", "ranges.json", "--plot", "sweep.png"}), {"sweep.png", "exists"});
  const std::string table = good(sweeping({"--ranges", "ranges.json", "--alpha", "6", "6"})).out;
  EXPECT_THAT(table, AllOf(HasSubstr("float 100.00 %"), HasSubstr("alike"), Not(HasSubstr("top 5"))));
}

TEST_F(PolynomialsTest, TakesImagesOfOnesOwnForAllThatADataSetIsTakenFor) {
  for (std::uint32_t i = 0; i < 12; ++i) write_png(fmt::format("own/{:02}.png", i), i);
  const auto ranges = good({"calibrate", "relu.onnx", "--images", "own", "-o", "own.json", "--json"}).json();
  EXPECT_EQ(ranges.at("images"), 12);
  EXPECT_TRUE(ranges.at("dataset").is_null());
  const std::vector<std::string> sweep{"sweep", "relu.onnx", "--images", "own",     "--alpha",
                                       "6",     "6",         "--ranges", "own.json"};
  refused(sweep, {"--calibrate"});
  auto calibrated = sweep;
  calibrated.insert(calibrated.end(), {"--calibrate", "own", "--plot", "own.png"});
  EXPECT_THAT(good(calibrated).out, AllOf(HasSubstr("12 images of own\n"), HasSubstr("agreement"),
                                          Not(HasSubstr("correct")), Not(HasSubstr("loss"))));
  auto labelled = sweep;
  std::string labels;
  for (std::uint32_t i = 0; i < 12; ++i) labels += fmt::format("{}\n", i % kClasses);
  write("labels.txt", labels);
  labelled.insert(labelled.end(), {"--calibrate", "own", "--labels", "labels.txt", "--json"});
  EXPECT_EQ(good(labelled).json().at("float_correct"), 12);
  good({"compile", "relu.onnx", "--calibrate", "own", "--alpha", "4", "--layout", "image", "-o", "relu.plan"});
  refused({"calibrate", "relu.onnx", "-o", "x.json"}, {"--dataset", "--images"}, "x.json");
}

TEST_F(PolynomialsTest, SweepLeavesOutWhatThereIsNot) {
  calibrate();
  auto json = nlohmann::json::parse(slurp(path("ranges.json")));
  // A sigmoid over so wide a range is a step: no degree reaches much.
  json["activations"][1]["low"] = -1000;
  json["activations"][1]["high"] = 1000;
  write("wide.json", json.dump());
  const Outcome outcome = good(sweeping({"--ranges", "wide.json", "--alpha", "11", "12", "--json"}));
  const auto left = outcome.json().at("left_out");
  ASSERT_EQ(left.size(), 1U) << outcome.out;
  EXPECT_EQ(outcome.json().at("rows").size(), 1U);
  EXPECT_THAT(left[0].get<std::string>(), AllOf(HasSubstr("alpha 12, alike"), HasSubstr("gate")));
  refused(sweeping({"--ranges", "wide.json", "--alpha", "12", "12"}), {"alpha 12, alike", "gate (Sigmoid)"});
}

TEST_F(PolynomialsTest, ManyClassesHaveATopFive) {
  write_relu_network("many.onnx", 12);
  const auto whole = good({"evaluate", "many.onnx", "--dataset", "mnist", "--backend", "float", "--json"}).json();
  EXPECT_EQ(whole.at("top5_correct"), kImages);
  EXPECT_EQ(whole.at("top5_holds_label"), 1);
  EXPECT_EQ(whole.at("top5_agreement"), 1);
  const auto rough = good({"sweep", "many.onnx", "--dataset", "mnist", "--alpha", "1", "1", "--json"}).json();
  const auto& row = rough.at("rows")[0];
  EXPECT_EQ(rough.at("float_top5_correct"), kImages);
  EXPECT_GE(row.at("top5_correct"), row.at("correct"));
  EXPECT_LE(row.at("top5_agreement"), row.at("top5_holds_label"));
  EXPECT_THAT(good({"sweep", "many.onnx", "--dataset", "mnist", "--alpha", "7", "7"}).out,
              AllOf(HasSubstr("top 5 100.00 %"), HasSubstr("holds"), HasSubstr("same")));
  EXPECT_THAT(good({"evaluate", "many.onnx", "--dataset", "mnist", "--backend", "poly"}).out,
              AllOf(HasSubstr("top 5 correct"), HasSubstr("the same five")));
}

TEST_F(PolynomialsTest, ImagesWithoutFiniteLogitsAreWrongAndCounted) {
  calibrate();
  auto json = nlohmann::json::parse(slurp(path("ranges.json")));
  // A range far too narrow: the polynomials run away outside of it.
  for (const char* end : {"low", "high"}) json["activations"][0][end] = json["activations"][0][end].get<double>() / 1e4;
  write("narrow.json", json.dump());
  const auto result = good(evaluating({"--ranges", "narrow.json", "--alpha", "14", "--predictions", "--json"})).json();
  EXPECT_EQ(result.at("not_finite"), kImages);
  EXPECT_EQ(result.at("correct"), 0);
  EXPECT_EQ(result.at("agreement"), 0);
  EXPECT_TRUE(result.at("max_logit_error").is_null());
  EXPECT_EQ(result.at("logit_error_images"), 0);
  EXPECT_TRUE(result.at("labels")[0].is_null());
  EXPECT_GT(result.at("polynomials").at("outside"), 0);
  EXPECT_THAT(
      good(evaluating({"--ranges", "narrow.json", "--alpha", "14"})).out,
      AllOf(HasSubstr("40 images: counted as wrong"), HasSubstr("no image has finite logits"), Not(HasSubstr("nan"))));
  const Outcome table = good(sweeping({"--ranges", "narrow.json", "--alpha", "14", "14", "--plot", "wrong.png"}));
  EXPECT_THAT(table.out,
              AllOf(HasSubstr("40 images without finite logits"), HasSubstr("0.00 %"), Not(HasSubstr("nan"))));
  EXPECT_TRUE(data::read_png(path("wrong.png"), {3, 880, 1280}).ok()) << "and a second panel near to the float network";
}

TEST_F(PolynomialsTest, NetworksOfPolynomialsHaveNothingToSweep) {
  write_network("square.onnx");
  refused({"sweep", "square.onnx", "--dataset", "mnist"}, {"square.onnx", "polynomials already"});
  const auto same = good({"evaluate", "square.onnx", "--dataset", "mnist", "--backend", "poly", "--json"}).json();
  EXPECT_EQ(same.at("max_logit_error"), 0) << "the network as it is";
}

TEST_F(PolynomialsTest, BlueGreenRedIsForFloatsOnly) {
  refused(evaluating({"--bgr"}), {"--bgr", "1 channels"});
  write_network();
  good({"compile", "net.onnx", "--batch", "8", "-o", "net.plan"});
  refused({"evaluate", "net.plan", "--dataset", "mnist", "--bgr", "--backend", "clear"}, {"--bgr", "net.plan"});
}

TEST_F(PolynomialsTest, TrainingImagesChooseThemWhereNoOptionSaysHowNearTheyCome) {
  const auto json = good({"compile", "relu.onnx", "--batch", "1", "--layout", "image", "--calibrate", "mnist", "-o",
                          "auto.plan", "--json"})
                        .json();
  EXPECT_EQ(json.at("layout"), "image");
  good({"compile", "relu.onnx", "--batch", "1", "--calibrate", "mnist", "--max-loss", "0.5", "-o", "coarse.plan"});
  write_network();
  refused({"compile", "net.onnx", "--calibrate", "mnist", "--max-loss", "0.1", "-o", "x.plan"},
          {"net.onnx", "no function"}, "x.plan");
}

TEST_F(PolynomialsTest, CompileTakesThemForSingleImagesAndForBatches) {
  calibrate();
  const auto compiling = [](const std::vector<std::string>& more) {
    std::vector<std::string> all{"compile", "relu.onnx", "--calibrate", "mnist", "-o", "relu.plan"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  refused({"compile", "relu.onnx", "--batch", "1", "-o", "relu.plan"}, {"node 'act' (Relu)", "--calibrate"},
          "relu.plan");
  refused({"compile", "relu.onnx", "--alpha", "6", "-o", "relu.plan"}, {"--alpha", "--calibrate"}, "relu.plan");
  const auto json = good(compiling({"--batch", "1", "--ranges", "ranges.json", "--alpha", "6", "--json"})).json();
  EXPECT_EQ(json.at("layout"), "image");
  EXPECT_THAT(good({"inspect", "relu.plan"}).out, HasSubstr("polynomial"));
  std::filesystem::remove(path("relu.plan"));
  const auto batch = good(compiling({"--batch", "8192", "--ranges", "ranges.json", "--alpha", "6", "--json"})).json();
  EXPECT_EQ(batch.at("layout"), "batch");
  EXPECT_THAT(good({"inspect", "relu.plan"}).out, HasSubstr("polynomial"));
}

}  // namespace
}  // namespace obscura::cli
