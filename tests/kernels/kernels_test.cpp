// SPDX-License-Identifier: Apache-2.0
#include "kernels/kernels.h"

#include <functional>

#include "tests/kernels/fixture.h"

namespace obscura::kernels {
namespace {

constexpr std::size_t kSize = 128;

TEST(Kernels, EveryTableHasItsNameAndNothingElseHas) {
  for (const Kernels* kernels : available()) EXPECT_EQ(named(kernels->name), kernels);
  EXPECT_EQ(named("avx1024"), nullptr);
  EXPECT_EQ(named(""), nullptr);
  EXPECT_EQ(&best(), available().front());
  EXPECT_STREQ(available().back()->name, "portable");
}

class Pointwise : public testing::TestWithParam<int> {
 protected:
  Modulus modulus_ = make_modulus(first_prime(9, GetParam()));
  double limit_ = 0.6 * modulus_.p;

  /// Runs `body` for every table and pattern; `truth` gives the exact value of element i.
  void check(const std::function<void(const Kernels&, double*, const Residues&, const Residues&)>& body,
             const std::function<__int128(std::int64_t, std::int64_t)>& truth) {
    for (const Pattern pattern : kPatterns) {
      const Residues a = make_residues(kSize, limit_, pattern, 4), b = make_residues(kSize, limit_, pattern, 5);
      Residues want(kSize);
      for (std::size_t i = 0; i < kSize; ++i) {
        const auto value = truth(static_cast<std::int64_t>(a[i]), static_cast<std::int64_t>(b[i]));
        want[i] = static_cast<double>(centred(value, modulus_.value));
      }
      for (const Kernels* kernels : available()) {
        Residues got = a;
        body(*kernels, got.data(), a, b);
        expect_congruent(got, want, modulus_, kernels->name);
      }
    }
  }
};

using Wide = __int128;

TEST_P(Pointwise, SumsAndDifferencesAreReduced) {
  check([&](const Kernels& k, double* out, const Residues& a,
            const Residues& b) { k.add(out, a.data(), b.data(), kSize, modulus_); },
        [](Wide a, Wide b) { return a + b; });
  check([&](const Kernels& k, double* out, const Residues& a,
            const Residues& b) { k.subtract(out, a.data(), b.data(), kSize, modulus_); },
        [](Wide a, Wide b) { return a - b; });
}

TEST_P(Pointwise, ProductsAreExact) {
  check([&](const Kernels& k, double* out, const Residues& a,
            const Residues& b) { k.multiply(out, a.data(), b.data(), kSize, modulus_); },
        [](Wide a, Wide b) { return a * b; });
  check([&](const Kernels& k, double* out, const Residues& a,
            const Residues& b) { k.multiply_pair(out, a.data(), b.data(), b.data(), b.data(), kSize, modulus_); },
        [](Wide a, Wide b) { return a * b + b * b; });
}

TEST_P(Pointwise, ScalarsAtTheEdgeOfTheRangeMultiplyExactly) {
  const double half = std::floor(modulus_.p / 2);
  for (const double w : {half, -half, 1.0, 0.0}) {
    const auto integer = static_cast<std::int64_t>(w);
    check([&](const Kernels& k, double* out, const Residues& a,
              const Residues&) { k.multiply_scalar(out, a.data(), w, half, kSize, modulus_); },
          [&](Wide a, Wide) { return a * integer + static_cast<std::int64_t>(half); });
    check([&](const Kernels& k, double* out, const Residues&,
              const Residues& b) { k.multiply_scalar_add(out, b.data(), w, kSize, modulus_); },
          [&](Wide a, Wide b) { return a + b * integer; });
    check([&](const Kernels& k, double* out, const Residues& a,
              const Residues& b) { k.subtract_multiply(out, a.data(), b.data(), w, kSize, modulus_); },
          [&](Wide a, Wide b) { return (a - b) * integer; });
  }
}

TEST_P(Pointwise, AnyIntegerBelowTwoToThe51IsReduced) {
  for (const Pattern pattern : kPatterns) {
    const Residues a = make_residues(kSize, 0x1p51 - 1, pattern, 6);
    for (const Kernels* kernels : available()) {
      Residues got(kSize);
      kernels->reduce(got.data(), a.data(), kSize, modulus_);
      expect_congruent(got, a, modulus_, kernels->name);
    }
  }
}

TEST_P(Pointwise, InnerProductsOfAnyLengthAreExact) {
  for (std::size_t terms = 1; terms <= kMaxTerms; ++terms) {
    for (const Pattern pattern : kPatterns) {
      std::vector<Residues> a, b;
      std::vector<const double*> a_rows, b_rows;
      for (unsigned t = 0; t < terms; ++t) {
        a.push_back(make_residues(kSize, limit_, pattern, 10 + t));
        b.push_back(make_residues(kSize, limit_, pattern, 40 + t));
      }
      Residues want(kSize);
      for (std::size_t t = 0; t < terms; ++t) a_rows.push_back(a[t].data()), b_rows.push_back(b[t].data());
      for (std::size_t i = 0; i < kSize; ++i) {
        Wide sum = 0;
        for (std::size_t t = 0; t < terms; ++t) sum += static_cast<Wide>(a[t][i]) * static_cast<Wide>(b[t][i]);
        want[i] = static_cast<double>(centred(sum, modulus_.value));
      }
      for (const Kernels* kernels : available()) {
        Residues got(kSize);
        kernels->inner_product(got.data(), a_rows.data(), b_rows.data(), terms, kSize, modulus_);
        expect_congruent(got, want, modulus_, kernels->name);
      }
    }
  }
}

TEST_P(Pointwise, InnerProductsWithRepeatedOctetsAreThoseOfTheWholeRows) {
  constexpr std::size_t kTerms = 5;
  for (const std::size_t repeat : {1, 2, 4, 8}) {
    std::vector<Residues> a, whole, b;
    std::vector<const double*> a_rows, whole_rows, b_rows;
    for (unsigned t = 0; t < kTerms; ++t) {
      a.push_back(make_residues(kSize / repeat, limit_, Pattern::random, 10 + t));
      b.push_back(make_residues(kSize, limit_, Pattern::random, 40 + t));
      whole.emplace_back(kSize);
      for (std::size_t j = 0; j < kSize; ++j) whole[t][j] = a[t][j / 8 / repeat * 8 + j % 8];
    }
    for (std::size_t t = 0; t < kTerms; ++t) {
      a_rows.push_back(a[t].data()), whole_rows.push_back(whole[t].data()), b_rows.push_back(b[t].data());
    }
    for (const Kernels* kernels : available()) {
      Residues want(kSize), got(kSize);
      kernels->inner_product(want.data(), whole_rows.data(), b_rows.data(), kTerms, kSize, modulus_);
      kernels->inner_product_repeated(got.data(), a_rows.data(), repeat, b_rows.data(), kTerms, kSize, modulus_);
      expect_congruent(got, want, modulus_, kernels->name);
    }
  }
}

TEST_P(Pointwise, WeightedSumsTakeResiduesOfSmallerAndLargerPrimes) {
  for (const auto& [terms, bound] : {std::pair{std::size_t{1}, 0.6 * 0x1p50},
                                     {std::size_t{3}, 0.6 * 0x1p50},
                                     {std::size_t{7}, 0.6 * 0x1p48},
                                     {kMaxTerms, 0.6 * 0x1p48},
                                     {kMaxTerms, 0.6 * 0x1p49},
                                     {kMaxTerms, 0.6 * 0x1p50},
                                     {kMaxTerms, 0x1p30}}) {
    for (const Pattern pattern : kPatterns) {
      std::vector<Residues> a;
      std::vector<const double*> rows;
      std::vector<double> weights(terms, std::floor(modulus_.p / 2));
      for (unsigned t = 0; t < terms; ++t) a.push_back(make_residues(kSize, std::floor(bound), pattern, 10 + t));
      for (const Residues& row : a) rows.push_back(row.data());
      Residues want(kSize);
      for (std::size_t i = 0; i < kSize; ++i) {
        Wide sum = 0;
        for (std::size_t t = 0; t < terms; ++t) sum += static_cast<Wide>(a[t][i]) * static_cast<Wide>(weights[t]);
        want[i] = static_cast<double>(centred(sum, modulus_.value));
      }
      for (const Kernels* kernels : available()) {
        Residues got(kSize);
        kernels->weighted_sum(got.data(), rows.data(), bound, weights.data(), terms, kSize, modulus_);
        expect_congruent(got, want, modulus_, kernels->name);
      }
    }
  }
}

TEST_P(Pointwise, MatrixProductsAreExactUpToTheNormBound) {
  // A row of L1 norm just below 2^28: as few large and as many small weights as there are columns.
  for (const std::size_t cols : {std::size_t{1}, std::size_t{25}, std::size_t{800}}) {
    for (std::size_t rows = 1; rows <= 13; rows += 3) {
      const auto weight = static_cast<double>(((1 << 28) - 1) / cols);
      std::vector<double> weights(rows * cols);
      for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = i % 3 == 1 ? -weight : weight;
      std::vector<double> bias(rows, std::floor(modulus_.p / 2));
      for (const Pattern pattern : kPatterns) {
        std::vector<Residues> x, y(rows, Residues(kMatrixTile));
        std::vector<const double*> x_rows;
        std::vector<double*> y_rows;
        for (unsigned c = 0; c < cols; ++c) x.push_back(make_residues(kMatrixTile, limit_, pattern, 10 + c));
        for (const Residues& row : x) x_rows.push_back(row.data());
        for (Residues& row : y) y_rows.push_back(row.data());
        for (const Kernels* kernels : available()) {
          MatrixProduct job{weights.data(), rows, cols, x_rows.data(), y_rows.data(), bias.data()};
          kernels->matrix_product(job, modulus_);
          for (std::size_t r = 0; r < rows; ++r) {
            for (std::size_t j = 0; j < kMatrixTile; ++j) {
              Wide sum = static_cast<Wide>(bias[r]);
              for (std::size_t c = 0; c < cols; ++c)
                sum += static_cast<Wide>(weights[r * cols + c]) * static_cast<Wide>(x[c][j]);
              ASSERT_LE(std::fabs(y[r][j]), limit_) << kernels->name;
              ASSERT_EQ(centred(static_cast<std::int64_t>(y[r][j]), modulus_.value), centred(sum, modulus_.value))
                  << kernels->name << " rows " << rows << " cols " << cols;
            }
          }
        }
      }
    }
  }
}

/// Every bit of what one table gives: where results are the least residues, two tables agree in all of them.
class Outputs {
 public:
  Outputs(const Kernels& k, const Modulus& m, Pattern pattern) {
    const double limit = 0.6 * m.p, half = std::floor(m.p / 2);
    std::vector<Residues> a, b;
    std::vector<const double*> a_rows, b_rows;
    for (unsigned t = 0; t < kMaxTerms; ++t) {
      a.push_back(make_residues(kSize, limit, pattern, 20 + t));
      b.push_back(make_residues(kSize, limit, pattern, 40 + t));
    }
    for (unsigned t = 0; t < kMaxTerms; ++t) a_rows.push_back(a[t].data()), b_rows.push_back(b[t].data());
    const auto *x = a_rows[0], *y = b_rows[0];
    put([&](double* out) { k.add(out, x, y, kSize, m); });
    put([&](double* out) { k.subtract(out, x, y, kSize, m); });
    put([&](double* out) { k.multiply(out, x, y, kSize, m); });
    put([&](double* out) { k.multiply_pair(out, x, y, a_rows[1], b_rows[1], kSize, m); });
    put([&](double* out) { k.multiply_scalar(out, x, half, -half, kSize, m); });
    put([&](double* out) { k.multiply_scalar_add(out, x, -half, kSize, m); });
    put([&](double* out) { k.subtract_multiply(out, x, y, half, kSize, m); });
    const Residues wide = make_residues(kSize, 0x1p51 - 1, pattern, 60);
    put([&](double* out) { k.reduce(out, wide.data(), kSize, m); });
    put([&](double* out) { k.inner_product(out, a_rows.data(), b_rows.data(), kMaxTerms, kSize, m); });
    put([&](double* out) { k.inner_product_repeated(out, a_rows.data(), 4, b_rows.data(), kMaxTerms, kSize, m); });
    const std::vector<double> weights(kMaxTerms, half), fractions(kMaxTerms, 1 / m.p);
    put([&](double* out) { k.weighted_sum(out, a_rows.data(), limit, weights.data(), kMaxTerms, kSize, m); });
    put([&](double* out) { k.rounded_sum(out, a_rows.data(), fractions.data(), kMaxTerms, kSize); });
    for (const std::size_t degree : {std::size_t{512}, std::size_t{4096}}) put_transforms(k, m, degree, pattern);
  }
  bool operator==(const Outputs&) const = default;

 private:
  void put(const std::function<void(double*)>& body) {
    Residues out(kSize);
    body(out.data());
    all_.insert(all_.end(), out.data(), out.data() + kSize);
  }
  void put_transforms(const Kernels& k, const Modulus& m, std::size_t degree, Pattern pattern) {
    const NttTable table = make_ntt_table(degree, m.value);
    Residues forward = make_residues(degree, 1.5 * m.p, pattern, 70),
             inverse = make_residues(degree, 0.6 * m.p, pattern, 71);
    k.ntt_forward(forward.data(), table);
    k.ntt_inverse(inverse.data(), table, std::floor(m.p / 2));
    all_.insert(all_.end(), forward.data(), forward.data() + degree);
    all_.insert(all_.end(), inverse.data(), inverse.data() + degree);
  }
  std::vector<double> all_;
};

TEST_P(Pointwise, TheScalarTableGivesThePortableTwinsBits) {
  const Modulus m = make_modulus(first_prime(12, GetParam()));
  for (const Pattern pattern : kPatterns) {
    EXPECT_TRUE(Outputs(*named("scalar"), m, pattern) == Outputs(*named("portable"), m, pattern));
  }
}

INSTANTIATE_TEST_SUITE_P(Bits, Pointwise, testing::Values(30, 40, 47, 48, 49, 50),
                         [](const auto& test) { return "Bits" + std::to_string(test.param); });

TEST(Kernels, PermutationsMoveValues) {
  const Residues a = make_residues(kSize, 0x1p49, Pattern::random, 9);
  std::vector<std::uint32_t> index(kSize);
  for (std::size_t j = 0; j < kSize; ++j) index[j] = static_cast<std::uint32_t>(j * 37 % kSize);
  for (const Kernels* kernels : available()) {
    Residues got(kSize);
    kernels->permute(got.data(), a.data(), index.data(), kSize);
    for (std::size_t j = 0; j < kSize; ++j) EXPECT_EQ(got[j], a[index[j]]) << kernels->name;
  }
}

TEST(Kernels, TheOverflowOfABaseConversionIsTheNearestInteger) {
  const Residues a = make_residues(kSize, 0x1p49, Pattern::random, 7),
                 b = make_residues(kSize, 0x1p49, Pattern::random, 8);
  const double* rows[] = {a.data(), b.data()};
  const double fractions[] = {1.0 / 0x1p49, 1.0 / 0x1p48};
  for (const Kernels* kernels : available()) {
    Residues got(kSize);
    kernels->rounded_sum(got.data(), rows, fractions, 2, kSize);
    for (std::size_t i = 0; i < kSize; ++i) {
      EXPECT_LE(std::fabs(got[i] - (a[i] / 0x1p49 + b[i] / 0x1p48)), 0.5 + 1e-12) << kernels->name;
      EXPECT_EQ(got[i], std::trunc(got[i]));
    }
  }
}

}  // namespace
}  // namespace obscura::kernels
