// SPDX-License-Identifier: Apache-2.0
/// Coefficients that the authors of the composite sign published (github.com/snu-ccl/approxCNN), where they are at
/// hand.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "approx/remez.h"
#include "approx/sign.h"
#include "base/files.h"
#include "tests/approx/grid.h"

namespace obscura::approx {
namespace {

std::filesystem::path published_file() {
  const char* chosen = std::getenv("OBSCURA_SHARED");
  const std::filesystem::path folder =
      chosen != nullptr ? std::filesystem::path(chosen) : std::filesystem::path(OBSCURA_SOURCE_DIR "/../shared/data");
  return folder / "poly/minimax_composite_sign_alpha4-14.json";
}

using Monomials = std::vector<long double>;  ///< of x^0, x^1, ...

struct Published {
  int alpha = 0;
  std::vector<int> degrees;
  std::vector<Monomials> stages;
  double relu_error = 0;
};

std::vector<Published> read_published() {
  const auto bytes = base::read_file(published_file(), 1 << 24);
  if (!bytes.ok()) return {};
  const auto* text = reinterpret_cast<const char*>(bytes->data());
  const nlohmann::json json = nlohmann::json::parse(text, text + bytes->size());
  std::vector<Published> out;
  for (const nlohmann::json& set : json.at("sets")) {
    Published one{set.at("alpha"), set.at("degrees"), {}, set.at("measured").at("max_relu_error_on_unit_interval")};
    for (const nlohmann::json& component : set.at("components")) {
      Monomials monomials;
      for (const std::string text_of : component) monomials.push_back(std::strtold(text_of.c_str(), nullptr));
      one.stages.push_back(std::move(monomials));
    }
    out.push_back(std::move(one));
  }
  return out;
}

/// c_k of sum_k c_k T_k(x / b), from t^k = 2^(1-k) sum_j binomial(k, j) T_{k-2j}(t) with T_0 halved.
std::vector<long double> to_chebyshev(const Monomials& monomials, double b) {
  std::vector<long double> out(monomials.size(), 0);
  long double power = 1;
  for (std::size_t k = 0; k < monomials.size(); ++k, power *= b) {
    long double binomial = 1;
    for (std::size_t j = 0; 2 * j <= k; ++j) {
      const long double share = 2 * j == k ? 0.5L : 1.0L;
      out[k - 2 * j] += monomials[k] * power * std::exp2(1.0L - static_cast<long double>(k)) * binomial * share;
      binomial = binomial * static_cast<long double>(k - j) / static_cast<long double>(j + 1);
    }
  }
  return out;
}

long double value_of(const Published& published, long double x) {
  for (const Monomials& stage : published.stages) {
    long double sum = 0;
    for (std::size_t k = stage.size(); k-- > 0;) sum = sum * x + stage[k];
    x = sum;
  }
  return x;
}

/// The intervals on which the published polynomials are best were found from where their errors alternate: the first
/// stage begins at zeta 2^-alpha with a whole zeta, and each later interval is that onto which the stage before maps,
/// 2^-22 wider on both sides. Up to alpha 5 the single stage is on [zeta 2^-alpha / 2, 1] doubled: [., 2].
double zeta_of(int alpha) {
  constexpr double kZeta[] = {5, 5, 10, 11, 12, 13, 13, 15, 15, 16, 17};
  return kZeta[alpha - 4];
}

/// Chebyshev coefficients of size 1. The published polynomials were found to a point where their errors are equal but
/// for 6e-10 of themselves (degree 27), which moves coefficients by less; largest seen: 3.4e-11, and 2e-15 up to degree
/// 15 of two stages.
constexpr double kTolerance = 1e-10;

std::vector<Polynomial> ours(const Published& published) {
  const double epsilon = std::ldexp(zeta_of(published.alpha), -published.alpha);
  if (published.degrees.size() == 1) return {minimax_sign(published.degrees[0], 2 * epsilon, 2).polynomial};
  return sign(SignChoice{published.degrees, epsilon})->stages;
}

class PublishedSigns : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(published_file())) GTEST_SKIP() << published_file() << " is absent";
    published_ = read_published();
    ASSERT_EQ(published_.size(), 11U);
  }
  std::vector<Published> published_;
};

TEST_F(PublishedSigns, HaveTheCoefficientsThatWeFind) {
  for (const Published& published : published_) {
    const std::vector<Polynomial> stages = ours(published);
    ASSERT_EQ(stages.size(), published.stages.size());
    for (std::size_t i = 0; i < stages.size(); ++i) {
      const std::vector<long double> theirs = to_chebyshev(published.stages[i], stages[i].high);
      ASSERT_EQ(theirs.size(), stages[i].coefficients.size());
      for (std::size_t k = 0; k < theirs.size(); ++k) {
        EXPECT_NEAR(static_cast<double>(theirs[k]), stages[i].coefficients[k], kTolerance)
            << published.alpha << " stage " << i << " c_" << k;
      }
    }
  }
}

TEST_F(PublishedSigns, AreTheFunctionsThatWeFind) {
  for (const Published& published : published_) {
    const Composite composite{ours(published), {}};
    const double largest =
        largest_difference([&](double x) { return by_cosines(composite, x); },
                           [&](double x) { return static_cast<double>(value_of(published, x)); }, grid(-1, 1, 4000));
    EXPECT_LE(largest, kTolerance) << published.alpha;
  }
}

TEST_F(PublishedSigns, GiveAReluNoBetterThanOurs) {
  for (const Published& published : published_) {
    const Activation same_degrees = *relu(SignChoice{published.degrees}, 1);
    EXPECT_LT(same_degrees.certificate.max_error, published.relu_error) << published.alpha;
    EXPECT_LE(relu(published.alpha, 1)->certificate.depth, same_degrees.certificate.depth) << published.alpha;
  }
}

}  // namespace
}  // namespace obscura::approx
