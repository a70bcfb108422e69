// SPDX-License-Identifier: Apache-2.0
#include <bit>

#include "tests/kernels/fixture.h"

namespace obscura::kernels {
namespace {

/// p(psi^(2 br(i) + 1)) by Horner, i in bit-reversed order, transposed in blocks of 64: the definition of the order.
std::int64_t evaluate_at(const Residues& x, std::size_t position, const NttTable& table) {
  const std::size_t block = position / 64, row = position % 64 / 8, column = position % 8;
  const std::size_t index = 64 * block + 8 * column + row;
  const auto bits = static_cast<unsigned>(std::countr_zero(table.degree));
  std::size_t reversed = 0;
  for (unsigned b = 0; b < bits; ++b) reversed |= ((index >> b) & 1) << (bits - 1 - b);
  const std::uint64_t p = table.modulus.value;
  const auto psi = static_cast<std::int64_t>(table.roots[table.degree / 2]);  // bit reversal of 1
  std::int64_t point = 1;
  for (std::size_t k = 0; k < 2 * reversed + 1; ++k) point = centred(static_cast<__int128>(point) * psi, p);
  std::int64_t sum = 0;
  for (std::size_t j = table.degree; j-- > 0;) {
    sum = centred(static_cast<__int128>(sum) * point + static_cast<std::int64_t>(x[j]), p);
  }
  return sum;
}

TEST(Ntt, EveryTableEvaluatesAtTheRootsThatTheHeaderNames) {
  const NttTable table = make_ntt_table(512, first_prime(9, 48));
  const Residues x = make_residues(512, 0.6 * table.modulus.p, Pattern::random, 1);
  for (const Kernels* kernels : available()) {
    Residues y = x;
    kernels->ntt_forward(y.data(), table);
    for (const std::size_t position : {0, 1, 8, 63, 64, 200, 511}) {
      EXPECT_EQ(centred(static_cast<std::int64_t>(y[position]), table.modulus.value), evaluate_at(x, position, table))
          << kernels->name << " at " << position;
    }
  }
}

class NttSizes : public testing::TestWithParam<std::tuple<int, int>> {};

TEST_P(NttSizes, EveryTableAgreesWithThePortableTwinAtTheEdgesOfTheRange) {
  const auto [log2_degree, bits] = GetParam();
  const std::size_t n = std::size_t{1} << log2_degree;
  const NttTable table = make_ntt_table(n, first_prime(log2_degree, bits));
  for (const Pattern pattern : kPatterns) {
    const Residues x = make_residues(n, 1.5 * table.modulus.p, pattern, 2);
    Residues truth = x;
    available().back()->ntt_forward(truth.data(), table);
    for (const Kernels* kernels : available()) {
      Residues y = x;
      kernels->ntt_forward(y.data(), table);
      expect_congruent(y, truth, table.modulus, std::string(kernels->name) + " forward");
    }
  }
}

TEST_P(NttSizes, TheInverseUndoesTheForwardWithAFactor) {
  const auto [log2_degree, bits] = GetParam();
  const std::size_t n = std::size_t{1} << log2_degree;
  const NttTable table = make_ntt_table(n, first_prime(log2_degree, bits));
  for (const Pattern pattern : kPatterns) {
    const Residues values = make_residues(n, 0.6 * table.modulus.p, pattern, 3);
    for (const double factor : {1.0, -std::floor(table.modulus.p / 2)}) {
      Residues truth = values;
      available().back()->ntt_inverse(truth.data(), table, factor);
      for (const Kernels* kernels : available()) {
        Residues x = values;
        kernels->ntt_inverse(x.data(), table, factor);
        expect_congruent(x, truth, table.modulus, std::string(kernels->name) + " inverse");
        if (factor == 1.0) {
          kernels->ntt_forward(x.data(), table);
          expect_congruent(x, values, table.modulus, std::string(kernels->name) + " round trip");
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, NttSizes,
                         testing::Combine(testing::Values(9, 10, 11, 12, 13, 14, 15, 16, 17),
                                          testing::Values(30, 48, 49, 50)),
                         [](const auto& test) {
                           return "N" + std::to_string(std::get<0>(test.param)) + "Bits" +
                                  std::to_string(std::get<1>(test.param));
                         });

}  // namespace
}  // namespace obscura::kernels
