// SPDX-License-Identifier: Apache-2.0
#include "ckks/params.h"

#include <gtest/gtest.h>

namespace obscura::ckks {
namespace {

ParamsLiteral good() {
  ParamsLiteral literal;
  literal.log2_degree = 13;
  literal.special = make_primes(13, 50, 1, {}).value();
  literal.chain = make_primes(13, 48, 3, {}).value();
  return literal;
}

std::string why(const ParamsLiteral& literal) {
  const auto params = Params::make(literal);
  return params.ok() ? "accepted" : params.error().message;
}

TEST(Params, AcceptsWhatIsSecure) {
  EXPECT_EQ(why(good()), "accepted");
  EXPECT_NEAR(log2_qp(good()), 194, 0.01);
}

TEST(Params, TheGateIsTheTableOf2024) {
  const std::vector<double> table{106, 214, 430, 868, 1747, 3523};
  for (int log2_degree = kMinLog2Degree; log2_degree <= kMaxLog2Degree; ++log2_degree) {
    EXPECT_EQ(max_log2_qp(log2_degree), table.at(static_cast<std::size_t>(log2_degree - kMinLog2Degree)));
  }
}

TEST(Params, TheGateRefusesOneBitTooMany) {
  ParamsLiteral literal = good();
  literal.chain.push_back(make_primes(13, 30, 1, {}).value().front());
  EXPECT_NE(why(literal).find("not 128-bit secure: log2(QP) = 224.0 at N = 2^13, at most 214"), std::string::npos)
      << why(literal);
  EXPECT_TRUE(Params::insecure_for_tests(literal).ok());
}

TEST(Params, TheGateCountsTheSpecialPrimes) {
  ParamsLiteral literal = good();
  literal.special = make_primes(13, 50, 2, {}).value();
  EXPECT_NE(why(literal).find("not 128-bit secure"), std::string::npos);
}

TEST(Params, RefusesModuliThatAreNotDistinctNttPrimes) {
  ParamsLiteral literal = good();
  literal.chain[1] = literal.chain[0];
  EXPECT_NE(why(literal).find("stands twice"), std::string::npos);
  literal = good();
  literal.chain[1] += 1ULL << 14;
  while (is_prime(literal.chain[1])) literal.chain[1] += 1ULL << 14;
  EXPECT_NE(why(literal).find("is not a prime"), std::string::npos);
  literal = good();
  literal.chain[1] = (1ULL << 51) + 1;
  EXPECT_NE(why(literal).find("bits, 30 .. 50"), std::string::npos);
}

TEST(Params, RefusesDigitsLargerThanTheSpecialModulus) {
  ParamsLiteral literal = good();
  literal.special = make_primes(13, 40, 1, {}).value();
  EXPECT_NE(why(literal).find("larger than the special modulus"), std::string::npos);
  literal = good();
  literal.digit_limbs = 2;
  EXPECT_NE(why(literal).find("digits of 2 limbs, 1 .. 1"), std::string::npos);
}

TEST(Params, RefusesDegreesOutsideOfTheTable) {
  ParamsLiteral literal = good();
  for (const int log2_degree : {-1, 11, 18, 64}) {
    literal.log2_degree = log2_degree;
    EXPECT_NE(why(literal).find("ring degree"), std::string::npos);
  }
}

TEST(Params, PrimalityIsExactOnHardCases) {
  EXPECT_TRUE(is_prime(2));
  EXPECT_TRUE(is_prime((1ULL << 61) - 1));
  EXPECT_FALSE(is_prime(3215031751ULL));           // strong pseudoprime to 2, 3, 5, 7
  EXPECT_FALSE(is_prime(3825123056546413051ULL));  // to the first nine primes
  EXPECT_FALSE(is_prime(1));
}

}  // namespace
}  // namespace obscura::ckks
