// SPDX-License-Identifier: Apache-2.0
#include "ckks/uniform.h"

#include <gtest/gtest.h>

#include "base/parallel.h"
#include "ckks/params.h"
#include "ring/sample.h"

namespace obscura::ckks {
namespace {

constexpr std::size_t kDegree = 512;

ring::Basis make_basis() { return {kDegree, make_primes(9, 40, 3, {}).value()}; }

TEST(UniformHalf, DrawsALimbWhenItIsFirstAskedFor) {
  const ring::Basis basis = make_basis();
  const UniformHalf half(basis, base::Seed{7}, 2);
  EXPECT_EQ(half.digits(), 2U);
  EXPECT_EQ(half.bytes(), 0U);
  std::vector<double> expected(kDegree);
  ring::sample_uniform(base::Seed{7}, switch_key_domain(1, 2), basis.prime(2), expected);
  const double* limb = half.limb(1, 2);
  EXPECT_EQ(std::vector<double>(limb, limb + kDegree), expected);
  EXPECT_EQ(half.bytes(), ring::NttPoly::bytes(kDegree, 1));
  EXPECT_EQ(half.limb(1, 2), limb);
  EXPECT_EQ(half.bytes(), ring::NttPoly::bytes(kDegree, 1));
}

TEST(UniformHalf, IsDrawnOnceByManyThreads) {
  const ring::Basis basis = make_basis();
  const UniformHalf half(basis, base::Seed{1}, 2);
  std::vector<const double*> seen(600);
  base::parallel_for(seen.size(), [&](std::size_t task) { seen[task] = half.limb(task % 6 / 3, task % 3); });
  for (std::size_t task = 0; task < seen.size(); ++task) EXPECT_EQ(seen[task], seen[task % 6]) << task;
  EXPECT_EQ(half.bytes(), ring::NttPoly::bytes(kDegree, 6));
}

TEST(UniformHalf, HoldsResiduesThatNoSeedGives) {
  ring::NttPoly poly(ring::Resources::make(), kDegree, 2);
  for (std::size_t i = 0; i < 2; ++i) {
    for (double& x : poly.residues(i)) x = static_cast<double>(i) + 3;
  }
  const UniformHalf half(std::vector<ring::NttPoly>{poly});
  EXPECT_EQ(half.digits(), 1U);
  EXPECT_EQ(half.limb(0, 1)[5], 4);
  EXPECT_EQ(half.bytes(), ring::NttPoly::bytes(kDegree, 2));
}

}  // namespace
}  // namespace obscura::ckks
