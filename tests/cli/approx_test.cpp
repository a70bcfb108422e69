// SPDX-License-Identifier: Apache-2.0
/// obscura approx: what it prints is what the library found.
#include "approx/fit.h"
#include "program.h"

namespace obscura::cli {
namespace {

using ::testing::HasSubstr;

class Approx : public ProgramTest {};

TEST_F(Approx, PrintsTheReluOfAlphaWithItsCertificate) {
  const Outcome text = good({"approx", "relu", "--alpha", "9", "--bound", "50"});
  EXPECT_THAT(text.out, HasSubstr("degrees 15, 15"));
  EXPECT_THAT(text.out, HasSubstr("depth            9"));
  EXPECT_THAT(text.out, HasSubstr("c_15"));
  const auto json = good({"approx", "relu", "--alpha", "9", "--bound", "50", "--json"}).json();
  EXPECT_EQ(json.at("degrees"), (std::vector<int>{15, 15}));
  EXPECT_EQ(json.at("bound"), 50);
  EXPECT_GE(json.at("bits"), 9.0);
  EXPECT_EQ(json.at("certificate").at("depth"), 9);
  EXPECT_EQ(json.at("certificate").at("multiplications"), 17);
  EXPECT_LE(json.at("certificate").at("max_error"), 50.0 / 512);
  ASSERT_EQ(json.at("stages").size(), 2U);
  EXPECT_EQ(json.at("stages")[0].at("coefficients").size(), 16U);
}

TEST_F(Approx, TakesDegreesAndABudget) {
  EXPECT_EQ(good({"approx", "relu", "--degrees", "7,7,13", "--json"}).json().at("degrees"),
            (std::vector<int>{7, 7, 13}));
  const auto cheap = good({"approx", "relu", "--alpha", "8", "--by", "multiplications", "--json"}).json();
  const auto shallow = good({"approx", "relu", "--alpha", "8", "--json"}).json();
  EXPECT_LT(cheap.at("certificate").at("multiplications"), shallow.at("certificate").at("multiplications"));
  EXPECT_GT(cheap.at("certificate").at("depth"), shallow.at("certificate").at("depth"));
}

TEST_F(Approx, PrintsSignMaximumAndFront) {
  const auto sign = good({"approx", "sign", "--alpha", "5", "--json"}).json();
  EXPECT_EQ(sign.at("epsilon"), 1.0 / 32);
  EXPECT_LE(sign.at("certificate").at("max_error"), 1.0 / 16);
  const auto pool =
      good({"approx", "max", "--alpha", "9", "--window", "3x3", "--low", "-2", "--high", "2", "--json"}).json();
  EXPECT_EQ(pool.at("levels"), 4);
  EXPECT_EQ(pool.at("maxima"), 8);
  EXPECT_EQ(pool.at("certificate").at("depth"), 36);
  const auto front = good({"approx", "front", "--max-depth", "6", "--json"}).json();
  EXPECT_GT(front.at("front").size(), 10U);
}

/// A range on which f is defined, and reaches none of its limits.
std::pair<const char*, const char*> range_of(const approx::Function& function) {
  return check_domain(function, -4, 4).ok() ? std::pair("-4", "4") : std::pair("0.5", "4");
}

TEST_F(Approx, FitsEveryFunctionWithItsParameters) {
  for (const approx::FunctionRow& one : approx::functions()) {
    approx::Function function = approx::default_of(one.kind);
    const auto [low, high] = range_of(function);
    std::vector<std::string> arguments = {"approx", one.name, "--low", low, "--high", high, "--degree", "6", "--json"};
    const auto before = good(arguments).json();
    for (const approx::Parameter& parameter : one.parameters) {
      EXPECT_EQ(before.at("parameters").at(parameter.name), parameter.by_default) << one.name;
      function.*parameter.field += 0.25;
      arguments.insert(arguments.end(),
                       {"--parameter", fmt::format("{}={}", parameter.name, function.*parameter.field)});
    }
    const auto after = good(arguments).json();
    const approx::Activation exact = *approx::approximate(function, approx::Method::minimax, 6, std::stod(low), 4);
    EXPECT_EQ(after.at("certificate").at("max_error"), exact.certificate.max_error) << one.name;
    EXPECT_EQ(after.at("certificate").at("function"), one.name);
    EXPECT_EQ(after.at("parameters").size(), one.parameters.size());
  }
}

TEST_F(Approx, FitsByEveryMethodAndAlias) {
  for (const char* function : {"swish", "silu", "relu6", "relu"}) {
    for (const char* method : {"minimax", "chebyshev", "least-squares"}) {
      const auto json =
          good({"approx", function, "--low", "-4", "--high", "4", "--degree", "6", "--method", method, "--json"})
              .json();
      EXPECT_LT(json.at("certificate").at("max_error"), 0.25) << function << method;
      EXPECT_EQ(json.at("method"), method);
    }
  }
  const auto json = good({"approx", "swish", "--low", "-4", "--high", "4", "--error", "1e-3", "--json"}).json();
  EXPECT_LE(json.at("certificate").at("max_error"), 1e-3);
  const Outcome text =
      good({"approx", "elu", "--parameter", "alpha=0.5", "--low", "-4", "--high", "4", "--degree", "6"});
  EXPECT_THAT(text.out, HasSubstr("elu with alpha 0.5 on [-4, 4], degree 6"));
}

TEST_F(Approx, RefusesParametersThatAFunctionHasNot) {
  const std::vector<std::string> elu = {"approx", "elu", "--low", "-4", "--high", "4", "--degree", "6", "--parameter"};
  const auto with = [&](const char* parameter) {
    std::vector<std::string> out = elu;
    out.emplace_back(parameter);
    return out;
  };
  refused(with("beta=2"), {"--parameter beta=2", "elu has the parameters alpha"});
  refused(with("alpha"), {"--parameter alpha:", "NAME=VALUE", "alpha=1"});
  refused(with("alpha=much"), {"NAME=VALUE"});
  refused(with("alpha=1x"), {"NAME=VALUE"});
  refused(with("alpha=nan"), {"parameter alpha is nan"});
  refused({"approx", "sign", "--alpha", "9", "--parameter", "alpha=2"},
          {"--parameter alpha=2", "sign has no parameters"});
  refused({"approx", "relu", "--alpha", "9", "--parameter", "alpha=2"},
          {"--parameter alpha=2", "relu has no parameters"});
}

TEST_F(Approx, PlotsOnceAndOverwritesNothing) {
  good({"approx", "relu", "--alpha", "7", "--plot", "relu.png"});
  EXPECT_TRUE(data::read_png(path("relu.png"), {3, 1320, 1280}).ok());
  refused({"approx", "relu", "--alpha", "7", "--plot", "relu.png"}, {"relu.png", "exists"});
  refused({"approx", "relu", "--alpha", "70", "--plot", "none.png"}, {"70"}, "none.png");
}

TEST_F(Approx, RefusesWithASentence) {
  refused({"approx", "relu"}, {"--alpha", "--degrees"});
  refused({"approx", "relu", "--alpha", "17"}, {"alpha 17", "16"});
  refused({"approx", "relu", "--alpha", "7", "--bound", "0"}, {"bound 0"});
  refused({"approx", "relu", "--degrees", "7,8"}, {"degree 8", "odd"});
  refused({"approx", "relu", "--alpha", "12", "--max-depth", "5"}, {"depth at most 5"});
  refused({"approx", "max", "--alpha", "7", "--window", "2"}, {"--window 2", "2x2"});
  refused({"approx", "max", "--alpha", "7", "--window", "2x"}, {"--window 2x"});
  refused({"approx", "swish", "--degree", "4"}, {"--low", "--high"});
  refused({"approx", "swish", "--low", "0", "--high", "1"}, {"--degree", "--error"});
  refused({"approx", "swish", "--low", "1", "--high", "0", "--degree", "4"}, {"empty"});
  refused({"approx", "swish", "--low", "0", "--high", "1", "--degree", "400"}, {"degree 400", "127"});
  EXPECT_EQ(run({"approx", "step"}).status, 2);
  EXPECT_EQ(run({"approx", "relu", "--alpha", "seven"}).status, 2);
}

}  // namespace
}  // namespace obscura::cli
