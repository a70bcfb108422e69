// SPDX-License-Identifier: Apache-2.0
#include "compile/cost/transform.h"

#include <gtest/gtest.h>

namespace obscura::compile {
namespace {

constexpr int kLog2Degree = 14;
constexpr double kKeptBytes = 1.5e9;

/// One input, one output, `count` diagonals next to one another.
ckks::TransformCost work_of(std::size_t count, const ckks::SwitchSize& size) {
  std::vector<ckks::Diagonal> diagonals;
  for (std::size_t k = 0; k < count; ++k) diagonals.push_back({0, 0, static_cast<std::int64_t>(k)});
  ckks::SplitOptions options;
  options.size = size;
  return ckks::TransformShape(std::size_t{1} << (kLog2Degree - 1), 1, 1, diagonals, options).cost(size, 1);
}

const ckks::SwitchSize kSize{8, 2, 4};

TEST(KeptDiagonals, AreAllWhereTheyAreFew) {
  const std::vector<ckks::TransformCost> work{work_of(16, kSize), work_of(25, kSize)};
  for (const Kept& kept : kept_diagonals(kLog2Degree, work, kKeptBytes)) {
    EXPECT_EQ(kept.coefficients, 1);
    EXPECT_EQ(kept.residues, 1);
  }
}

TEST(KeptDiagonals, AreCoefficientsOfAllBeforeResiduesOfAny) {
  // 1500 diagonals of 2^14 doubles are 197 MB as coefficients and ten times that as residues.
  const std::vector<ckks::TransformCost> work(3, work_of(1500, kSize));
  const std::vector<Kept> kept = kept_diagonals(kLog2Degree, work, kKeptBytes);
  const double coefficients = 3 * 1500 * 16384 * 8.0, more = 9 * coefficients / 3;
  for (const Kept& one : kept) EXPECT_EQ(one.coefficients, 1);
  EXPECT_NEAR(kept[0].residues, (kKeptBytes - coefficients) / more, 1e-9);
  EXPECT_EQ(kept[1].residues, 0);
}

TEST(KeptDiagonals, StopWithCoefficientsWhereThoseAreTooMany) {
  const std::vector<ckks::TransformCost> work(5, work_of(4000, kSize));
  const std::vector<Kept> kept = kept_diagonals(kLog2Degree, work, kKeptBytes);
  EXPECT_EQ(kept[0].coefficients, 1);
  EXPECT_GT(kept[2].coefficients, 0);
  EXPECT_LT(kept[2].coefficients, 1);
  EXPECT_EQ(kept[4].coefficients, 0);
  EXPECT_EQ(kept[0].residues, 0);
}

TEST(TransformCost, FallsWithWhatIsKept) {
  const ckks::TransformCost work = work_of(256, kSize);
  const CostModel cost;
  const auto at = [&](const Kept& kept) { return transform_nanoseconds(cost, kLog2Degree, work, kSize, kept); };
  EXPECT_LT(at({1, 1}), at({1, 0}));
  EXPECT_LT(at({1, 0}), at({0, 0}));
}

TEST(BootstrapCost, IsMoreThanThatOfItsTransforms) {
  const ckks::BootstrapParams set = ckks::BootstrapParams::make(ckks::BootstrapParams::demonstrated().front()).value();
  const auto bootstrapper = ckks::Bootstrapper::make(set, {0x1p45, 0x1p45}).value();
  const CostModel cost;
  double transforms = 0;
  for (const ckks::Transform& factor : bootstrapper->coeff_to_slot_factors()) {
    const ckks::TransformPlace& place = factor.place();
    const ckks::SwitchSize size = ckks::SwitchSize::at(set.params(), place.limbs);
    transforms += transform_nanoseconds(cost, set.literal().log2_degree,
                                        factor.shape().cost(size, place.rescale, place.period), size, {1, 1});
  }
  const double all = bootstrap_nanoseconds(cost, *bootstrapper);
  EXPECT_GT(all, transforms);
  EXPECT_LT(all, 3 * transforms);
}

}  // namespace
}  // namespace obscura::compile
