// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "ckks/params.h"
#include "ring/automorphism.h"
#include "ring/basis.h"
#include "ring/convert.h"
#include "ring/sample.h"

namespace obscura::ring {
namespace {

constexpr std::size_t kDegree = 512;

std::vector<std::uint64_t> primes(int bits, std::size_t count) { return ckks::make_primes(9, bits, count, {}).value(); }

TEST(Basis, ResiduesSurviveExportAndImportInAnyKernelTable) {
  const Basis basis(kDegree, primes(48, 1));
  std::vector<std::uint64_t> canonical(kDegree), back(kDegree);
  for (std::size_t j = 0; j < kDegree; ++j) canonical[j] = j % 3 == 0 ? basis.prime(0) - 1 - j : j * 77777777777ULL;
  NttPoly poly(basis.resources(), kDegree, 1);
  ASSERT_TRUE(basis.import_limb(canonical, 0, poly.residues(0)));
  basis.export_limb(poly.residues(0), 0, back);
  EXPECT_EQ(canonical, back);
}

TEST(Poly, AbsentLimbsAreTakenAndGivenOneByOne) {
  NttPoly poly = NttPoly::absent(Resources::make(), kDegree, 2);
  EXPECT_EQ(poly.limbs(), 2U);
  EXPECT_THROW(poly.give(1), ContractError);
  EXPECT_THROW(NttPoly{poly}, ContractError);
  poly.take(1);
  poly.limb(1)[kDegree - 1] = 7;
  EXPECT_THROW(poly.take(1), ContractError);
  poly.take(0);
  EXPECT_EQ(NttPoly{poly}.limb(1)[kDegree - 1], 7);
  poly.give(0);
}

TEST(Basis, ImportRefusesAResidueThatIsNotBelowThePrime) {
  const Basis basis(kDegree, primes(48, 1));
  std::vector<std::uint64_t> canonical(kDegree, 0);
  NttPoly poly(basis.resources(), kDegree, 1);
  canonical[100] = basis.prime(0);
  EXPECT_FALSE(basis.import_limb(canonical, 0, poly.residues(0)));
  canonical[100] = basis.prime(0) - 1;
  EXPECT_TRUE(basis.import_limb(canonical, 0, poly.residues(0)));
}

TEST(Basis, ProductsInNttFormAreNegacyclicConvolutions) {
  const Basis basis(kDegree, primes(40, 2));
  CoeffPoly x(basis.resources(), kDegree, 2), y(basis.resources(), kDegree, 2);
  x.set_zero(), y.set_zero();
  for (std::size_t i = 0; i < 2; ++i) {
    x.limb(i)[kDegree - 1] = 3;  // 3 X^(N-1)
    y.limb(i)[2] = 5;            // 5 X^2
  }
  NttPoly a = basis.to_ntt(x);
  const NttPoly b = basis.to_ntt(y);
  for (std::size_t i = 0; i < 2; ++i) {
    basis.kernels().multiply(a.limb(i), a.limb(i), b.limb(i), kDegree, basis.modulus(i));
  }
  const CoeffPoly product = basis.to_coeff(a);
  for (std::size_t i = 0; i < 2; ++i) {
    for (std::size_t j = 0; j < kDegree; ++j) EXPECT_EQ(product.limb(i)[j], j == 1 ? -15 : 0) << j;
  }
}

TEST(Basis, ResiduesOfLargeNumbersAreThoseOfTheirBinaryValue) {
  const std::uint64_t p = primes(48, 1).front();
  const double x = 0x1.123456789ABCDp90;
  const auto exact = static_cast<__int128>(x) % static_cast<__int128>(p);
  const auto got = static_cast<std::int64_t>(integer_residue(x, p));
  EXPECT_EQ((static_cast<std::int64_t>(exact) - got) % static_cast<std::int64_t>(p), 0);
  EXPECT_EQ(integer_residue(-x, p), -integer_residue(x, p));
  EXPECT_EQ(integer_residue(-7.4, p), -7);
  EXPECT_THROW(integer_residue(std::nan(""), p), ContractError);
}

TEST(Automorphism, PermutesNttValuesAsItMapsPolynomials) {
  const Basis basis(kDegree, primes(40, 1));
  for (const std::uint64_t element : {5ULL, 25ULL, 1023ULL, 3ULL}) {
    CoeffPoly x(basis.resources(), kDegree, 1), y(basis.resources(), kDegree, 1);
    for (std::size_t j = 0; j < kDegree; ++j) {
      x.limb(0)[j] = static_cast<double>(j * j % 1009);
      const std::size_t to = j * element % (2 * kDegree);  // X^N = -1
      y.limb(0)[to % kDegree] = to < kDegree ? x.limb(0)[j] : -x.limb(0)[j];
    }
    const auto index = Automorphisms(kDegree).permutation(element);
    const CoeffPoly got = basis.to_coeff(permute(basis, basis.to_ntt(x), index));
    for (std::size_t j = 0; j < kDegree; ++j) ASSERT_EQ(got.limb(0)[j], y.limb(0)[j]) << element << " at " << j;
  }
}

/// A conversion out of two or three primes of numbers that fit an __int128.
class Conversions : public testing::TestWithParam<std::size_t> {};

TEST_P(Conversions, WithOverflowTheRepresentativeOfLeastMagnitudeComesOut) {
  const std::size_t sources = GetParam();
  const Basis basis(kDegree, primes(40, sources + 2));
  std::vector<std::size_t> indices;
  __int128 modulus = 1;
  for (std::size_t i = 0; i < sources; ++i) {
    indices.push_back(i);
    modulus *= static_cast<__int128>(basis.prime(i));
  }
  const Conversion conversion(basis, indices);
  std::mt19937_64 generator(9);
  std::vector<__int128> x(kDegree);
  for (auto& value : x) {
    value = (static_cast<__int128>(generator()) << 64 | generator()) % modulus;
    if (value > modulus / 2) value -= modulus;
    if (value < -(modulus / 2)) value += modulus;
  }
  CoeffPoly y(basis.resources(), kDegree, sources + 1), out(basis.resources(), kDegree, 2);
  std::vector<const double*> rows;
  for (std::size_t i = 0; i < sources; ++i) {
    const auto q = static_cast<std::int64_t>(basis.prime(i));
    for (std::size_t j = 0; j < kDegree; ++j) {
      const auto residue = static_cast<__int128>(static_cast<std::int64_t>(x[j] % q));
      auto r = static_cast<std::int64_t>(residue * static_cast<std::int64_t>(conversion.factor(i)) % q);
      if (r > q / 2) r -= q;
      if (r < -(q / 2)) r += q;
      y.limb(i)[j] = static_cast<double>(r);
    }
  }
  for (std::size_t i = 0; i <= sources; ++i) rows.push_back(y.limb(i));
  conversion.overflow(rows.data(), y.limb(sources));
  const std::array<std::size_t, 2> targets{sources, sources + 1};
  const std::array<double*, 2> results{out.limb(0), out.limb(1)};
  conversion.convert(rows.data(), true, targets, results.data());
  for (std::size_t k = 0; k < 2; ++k) {
    const auto p = static_cast<std::int64_t>(basis.prime(targets[k]));
    for (std::size_t j = 0; j < kDegree; ++j) {
      EXPECT_EQ((static_cast<std::int64_t>(x[j] % p) - static_cast<std::int64_t>(out.limb(k)[j])) % p, 0) << j;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sources, Conversions, testing::Values(1, 2, 3));

double variance(std::span<const double> x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return sum / static_cast<double>(x.size());
}

TEST(Sample, DistributionsHaveTheVarianceThatTheNoiseModelUses) {
  constexpr std::size_t kCount = 1 << 18;
  std::vector<double> x(kCount);
  base::Stream stream(base::random_seed(), 0);
  // Sample variances of 2^18 draws: relative deviation sqrt(2 / 2^18) = 0.28 % for the noise; six of those are allowed.
  sample_noise(stream, x);
  EXPECT_NEAR(variance(x), kNoiseVariance, 0.017 * kNoiseVariance);
  sample_ternary(stream, x);
  EXPECT_NEAR(variance(x), 2.0 / 3.0, 0.01);
  for (const double v : x) ASSERT_TRUE(v == -1 || v == 0 || v == 1);
  const std::uint64_t p = primes(49, 1).front();
  sample_uniform(base::random_seed(), 0, p, x);
  const auto full = static_cast<double>(p);
  EXPECT_NEAR(variance(x), full * full / 12, 0.012 * full * full / 12);
  for (const double v : x) ASSERT_LE(std::fabs(v), full / 2);
}

TEST(Sample, UniformLimbsAreFrozen) {
  // The expansion of a seed is part of the file formats: this must never change.
  base::Seed seed{};
  seed[0] = 1;
  std::vector<double> x(512);
  sample_uniform(seed, 3, (std::uint64_t{1} << 48) - 59, x);  // any odd number serves
  EXPECT_EQ(x[0], 115987945041397.0);
  EXPECT_EQ(x[511], 23883944860013.0);
}

}  // namespace
}  // namespace obscura::ring
