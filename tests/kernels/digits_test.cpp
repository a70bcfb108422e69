// SPDX-License-Identifier: Apache-2.0
#include "kernels/digits.h"

#include <algorithm>
#include <numeric>

#include "tests/kernels/fixture.h"

namespace obscura::kernels {
namespace {

using Wide = __int128;

TEST(Digits, OneByteHoldsMinus128To127AndTwoMinus32896To32639) {
  const auto digits = [](double w) { return weight_digits(&w, 1); };
  EXPECT_EQ(digits(127), 1);
  EXPECT_EQ(digits(-128), 1);
  EXPECT_EQ(digits(128), 2);
  EXPECT_EQ(digits(-129), 2);
  EXPECT_EQ(digits(32639), 2);
  EXPECT_EQ(digits(-32896), 2);
  EXPECT_EQ(digits(32640), std::nullopt);
  EXPECT_EQ(digits(-32897), std::nullopt);
}

TEST(Digits, TheDigitsOfAResidueHoldAllThatIsReduced) {
  for (int bits = 21; bits <= 50; ++bits) {
    const Modulus m = make_modulus((std::uint64_t{1} << bits) - 1);
    double largest = 0;  // 127 127 .. 127 to base 256
    for (int d = 0; d < residue_digits(m); ++d) largest = 256 * largest + 127;
    EXPECT_GE(largest, 0.6 * m.p) << bits;
    EXPECT_LE(residue_digits(m), kMaxResidueDigits);
  }
}

TEST(Digits, ATableHasBothKernelsOrNone) {
  for (const Kernels* kernels : available()) {
    EXPECT_EQ(kernels->pack_digits == nullptr, kernels->digit_product == nullptr) << kernels->name;
  }
}

/// One product on the best table, against sums of 128 bits.
class DigitProducts : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (kernels_.digit_product == nullptr) GTEST_SKIP() << "this CPU, compiler or system has no AMX";
  }

  /// Column c meets packed input places[c]; the others must not matter.
  void check(const std::vector<double>& weights, std::size_t rows, const std::vector<std::uint32_t>& places,
             std::size_t inputs, Pattern pattern) {
    const std::size_t cols = places.size(), quads = packed_quads(inputs);
    std::vector<Residues> x, y(rows, Residues(kMatrixTile));
    for (unsigned i = 0; i < inputs; ++i) x.push_back(make_residues(kMatrixTile, limit_, pattern, 10 + i));
    std::vector<const double*> x_rows(kQuad * quads, x.back().data());
    for (std::size_t i = 0; i < inputs; ++i) x_rows[i] = x[i].data();
    std::vector<double*> y_rows;
    y_rows.reserve(rows);
    for (Residues& row : y) y_rows.push_back(row.data());
    const std::vector<double> bias(rows, std::floor(modulus_.p / 2));
    const DigitMatrix matrix = make_digit_matrix(weights.data(), rows, cols, places.data(), quads);
    std::vector<Octet> packed(packed_bytes(quads, modulus_) / sizeof(Octet));
    auto* const bytes = reinterpret_cast<std::int8_t*>(packed.data());
    kernels_.pack_digits(bytes, x_rows.data(), quads, modulus_);
    kernels_.digit_product({&matrix, bytes, quads, y_rows.data(), bias.data()}, modulus_);
    for (std::size_t r = 0; r < rows; ++r) {
      Residues want(kMatrixTile);
      for (std::size_t j = 0; j < kMatrixTile; ++j) {
        auto sum = static_cast<Wide>(bias[r]);
        for (std::size_t c = 0; c < cols; ++c) {
          sum += static_cast<Wide>(weights[r * cols + c]) * static_cast<Wide>(x[places[c]][j]);
        }
        want[j] = static_cast<double>(centred(sum, modulus_.value));
      }
      expect_congruent(y[r], want, modulus_, std::to_string(rows) + " x " + std::to_string(cols));
    }
  }

  const Kernels& kernels_ = *available().front();
  Modulus modulus_ = make_modulus(first_prime(9, GetParam()));
  double limit_ = 0.6 * modulus_.p;
};

TEST_P(DigitProducts, AreExactForAnySizeAtTheEdgesOfResiduesAndWeights) {
  for (const std::size_t rows : {1, 3, 16, 17, 33, 48}) {
    for (const std::size_t cols : {1, 5, 64, 65, 131}) {
      std::vector<std::uint32_t> places(cols);
      std::iota(places.begin(), places.end(), 0U);
      for (const auto& [least, most] : {std::pair{-128.0, 127.0}, {-32896.0, 32639.0}}) {
        std::vector<double> weights(rows * cols);
        for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = i % 7 == 3 ? 0 : i % 3 == 1 ? most : least;
        for (const Pattern pattern : kPatterns) check(weights, rows, places, cols, pattern);
      }
    }
  }
}

TEST_P(DigitProducts, ReadTheirColumnsWhereverTheyArePacked) {
  constexpr std::size_t kInputs = 301, kRows = 18;
  std::vector<std::uint32_t> places(kInputs);
  std::iota(places.begin(), places.end(), 0U);
  std::shuffle(places.begin(), places.end(), std::mt19937_64(3));
  for (const std::size_t cols : {2, 40, 300}) {
    const std::vector<std::uint32_t> some(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(cols));
    std::vector<double> weights(kRows * cols);
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<double>(i * 7919 % 40000) - 20000;
    check(weights, kRows, some, kInputs, Pattern::random);
  }
}

TEST_P(DigitProducts, AreExactWithAsManyColumnsAsAreAllowed) {
  std::vector<std::uint32_t> places(kMaxDigitColumns);
  std::iota(places.begin(), places.end(), 0U);
  // L1 norm just below 2^28; and one digit at its end throughout.
  for (const double weight : {8191.0, -128.0}) {
    const std::vector<double> weights(places.size(), weight);
    check(weights, 1, places, places.size(), Pattern::extreme);
  }
}

INSTANTIATE_TEST_SUITE_P(Bits, DigitProducts, testing::Values(30, 39, 40, 47, 48, 49, 50),
                         [](const auto& test) { return "Bits" + std::to_string(test.param); });

}  // namespace
}  // namespace obscura::kernels
