// SPDX-License-Identifier: Apache-2.0
#include "approx/cost.h"

#include <gtest/gtest.h>

#include "base/check.h"

namespace obscura::approx {
namespace {

TEST(Cost, DepthIsThatOfTheLeadingTermTimesAConstant) {
  EXPECT_EQ(depth_of(0), 0);
  EXPECT_EQ(depth_of(1), 1);
  EXPECT_EQ(depth_of(3), 2);
  EXPECT_EQ(depth_of(4), 3);
  EXPECT_EQ(depth_of(7), 3);
  EXPECT_EQ(depth_of(8), 4);
  EXPECT_EQ(depth_of(63), 6);
}

TEST(Cost, OddDegreesTakeThePublishedNumbersOfMultiplications) {
  // E. Lee et al., ePrint 2020/834, the table of depth and non-scalar multiplications for odd degrees 3 to 63.
  const int published[] = {2,  3,  5,  5,  6,  7,  8,  8,  8,  9,  9,  10, 10, 11, 12, 11,
                           11, 11, 11, 12, 12, 13, 13, 14, 14, 14, 14, 15, 15, 16, 17};
  for (int i = 0; i < 31; ++i) EXPECT_EQ(multiplications_of(3 + 2 * i, Parity::odd), published[i]) << 3 + 2 * i;
}

TEST(Cost, OfSmallDegreesIsWhatOneCountsByHand) {
  EXPECT_EQ(multiplications_of(0, Parity::none), 0);
  EXPECT_EQ(multiplications_of(1, Parity::none), 0);
  EXPECT_EQ(multiplications_of(2, Parity::none), 1);  // a x^2 + b x + c
  EXPECT_EQ(multiplications_of(3, Parity::none), 2);  // (a x + b) x^2 + c x + d
  EXPECT_EQ(multiplications_of(4, Parity::none), 2);  // (a x^2 + b x + c) x^2 + d x + e
  EXPECT_EQ(multiplications_of(4, Parity::even), 2);  // (a x^2 + b) x^2 + c
  EXPECT_EQ(multiplications_of(8, Parity::even), 3);  // a quartic in x^2
}

TEST(Cost, NoDegreeIsDearerThanAHigherOneOfTheSameDepth) {
  for (int degree = 3; degree < 64; degree += 2) {
    if (depth_of(degree) != depth_of(degree + 2)) continue;
    EXPECT_LE(multiplications_of(degree, Parity::odd), multiplications_of(degree + 2, Parity::odd)) << degree;
  }
}

TEST(Cost, ParityNeverCostsMore) {
  for (int degree = 2; degree <= 127; ++degree) {
    const Parity parity = degree % 2 == 1 ? Parity::odd : Parity::even;
    EXPECT_LE(multiplications_of(degree, parity), multiplications_of(degree, Parity::none)) << degree;
  }
}

TEST(Cost, RefusesDegreesOfTheOtherParity) {
  EXPECT_THROW(multiplications_of(4, Parity::odd), ContractError);
  EXPECT_THROW(multiplications_of(5, Parity::even), ContractError);
  EXPECT_THROW(multiplications_of(-1, Parity::none), ContractError);
}

}  // namespace
}  // namespace obscura::approx
