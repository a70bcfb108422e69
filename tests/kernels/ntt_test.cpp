// SPDX-License-Identifier: Apache-2.0
#include <bit>

#include "tests/kernels/fixture.h"

namespace obscura::kernels {
namespace {

/// p(psi^(2 br(i) + 1)), or of the conjugate-invariant ring p(psi^(4 br(i) + 1)), i in bit-reversed order, transposed
/// in blocks of 64: the definition of the order.
std::int64_t evaluate_at(const Residues& x, std::size_t position, const NttTable& table) {
  const std::size_t block = position / 64, row = position % 64 / 8, column = position % 8;
  const std::size_t index = 64 * block + 8 * column + row;
  const auto bits = static_cast<unsigned>(std::countr_zero(table.degree));
  std::size_t reversed = 0;
  for (unsigned b = 0; b < bits; ++b) reversed |= ((index >> b) & 1) << (bits - 1 - b);
  const std::uint64_t p = table.modulus.value;
  const auto psi = static_cast<std::int64_t>(table.roots[table.degree / 2]);  // bit reversal of 1
  const bool invariant = table.fold != 0;
  const std::size_t order = (invariant ? 4 : 2) * table.degree;
  std::vector<std::int64_t> powers(order, 1);
  for (std::size_t k = 1; k < order; ++k) powers[k] = centred(static_cast<__int128>(powers[k - 1]) * psi, p);
  const std::size_t exponent = (invariant ? 4 : 2) * reversed + 1;
  std::int64_t sum = 0;
  for (std::size_t j = 0; j < table.degree; ++j) {
    std::int64_t base = powers[exponent * j % order];
    if (invariant && j > 0) base += powers[(order - exponent) * j % order];
    sum = centred(static_cast<__int128>(centred(base, p)) * static_cast<std::int64_t>(x[j]) + sum, p);
  }
  return sum;
}

/// A table of the first prime of so many bits that the ring takes.
NttTable table_of(int log2_degree, int bits, RingType ring) {
  const int level = log2_degree + (ring == RingType::conjugate_invariant ? 1 : 0);
  return make_ntt_table(std::size_t{1} << log2_degree, first_prime(level, bits), ring);
}

constexpr RingType kRings[] = {RingType::standard, RingType::conjugate_invariant};

TEST(Ntt, EveryTableEvaluatesAtTheRootsThatTheHeaderNames) {
  for (const RingType ring : kRings) {
    const NttTable table = table_of(9, 48, ring);
    const Residues x = make_residues(512, 0.6 * table.modulus.p, Pattern::random, 1);
    for (const Kernels* kernels : available()) {
      Residues y = x;
      kernels->ntt_forward(y.data(), table);
      for (const std::size_t position : {0, 1, 8, 63, 64, 200, 511}) {
        EXPECT_EQ(centred(static_cast<std::int64_t>(y[position]), table.modulus.value), evaluate_at(x, position, table))
            << kernels->name << " at " << position << (ring == RingType::standard ? "" : ", conjugate-invariant");
      }
    }
  }
}

class NttSizes : public testing::TestWithParam<std::tuple<int, int, RingType>> {};

TEST_P(NttSizes, EveryTableAgreesWithThePortableTwinAtTheEdgesOfTheRange) {
  const auto [log2_degree, bits, ring] = GetParam();
  const std::size_t n = std::size_t{1} << log2_degree;
  const NttTable table = table_of(log2_degree, bits, ring);
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
  const auto [log2_degree, bits, ring] = GetParam();
  const std::size_t n = std::size_t{1} << log2_degree;
  const NttTable table = table_of(log2_degree, bits, ring);
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
                                          testing::Values(30, 48, 49, 50), testing::ValuesIn(kRings)),
                         [](const auto& test) {
                           return "N" + std::to_string(std::get<0>(test.param)) + "Bits" +
                                  std::to_string(std::get<1>(test.param)) +
                                  (std::get<2>(test.param) == RingType::standard ? "" : "Invariant");
                         });

}  // namespace
}  // namespace obscura::kernels
