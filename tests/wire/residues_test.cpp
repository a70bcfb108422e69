// SPDX-License-Identifier: Apache-2.0
#include "wire/residues.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>

#include "ckks/params.h"
#include "ring/sample.h"

namespace obscura::wire {
namespace {

constexpr int kLogDegree = 9;
constexpr std::size_t kDegree = 1U << kLogDegree;

/// One prime of each length that parameters may have: groups of 8 residues then begin their bytes at every bit.
std::vector<std::uint64_t> primes_of_every_length() {
  std::vector<std::uint64_t> primes;
  for (int bits = ckks::kMinPrimeBits; bits <= ckks::kMaxPrimeBits; ++bits)
    primes.push_back(ckks::make_primes(kLogDegree, bits, 1, primes).value()[0]);
  return primes;
}

std::vector<std::uint64_t> exported(const ring::Basis& basis, const ring::NttPoly& poly, std::size_t limb) {
  std::vector<std::uint64_t> out(basis.degree());
  basis.export_limb(poly.residues(limb), limb, out);
  return out;
}

/// The format, bit by bit.
base::Bytes bit_stream(const std::vector<std::uint64_t>& residues, std::size_t bits) {
  base::Bytes out(residues.size() * bits / 8);
  for (std::size_t t = 0; t < residues.size() * bits; ++t) {
    const bool bit = ((residues[t / bits] >> (t % bits)) & 1U) != 0;
    if (bit) out[t / 8] |= std::byte{1} << (t % 8);
  }
  return out;
}

class Residues : public ::testing::Test {
 protected:
  ring::Basis basis_{kDegree, primes_of_every_length()};
  ring::NttPoly random_poly() const {
    ring::NttPoly poly(basis_.resources(), kDegree, basis_.size());
    for (std::size_t j = 0; j < basis_.size(); ++j) {
      ring::sample_uniform(base::random_seed(), j, basis_.prime(j), poly.residues(j));
    }
    return poly;
  }
};

TEST_F(Residues, AreAStreamOfExactlyTheBitsOfTheirPrime) {
  const ring::NttPoly poly = random_poly();
  base::Writer writer;
  pack(basis_, poly, writer);
  base::Bytes expected;
  for (std::size_t j = 0; j < basis_.size(); ++j) {
    const auto stream =
        bit_stream(exported(basis_, poly, j), static_cast<std::size_t>(std::bit_width(basis_.prime(j))));
    expected.insert(expected.end(), stream.begin(), stream.end());
  }
  EXPECT_EQ(writer.bytes(), expected);
  EXPECT_EQ(packed_bytes(basis_, basis_.size()), expected.size());
}

TEST_F(Residues, OfEveryLengthComeBack) {
  const ring::NttPoly poly = random_poly();
  base::Writer writer;
  pack(basis_, poly, writer);
  writer.u8(77);  // what follows stays in the reader
  base::Reader reader(writer.bytes());
  const auto back = unpack(basis_, basis_.size(), reader);
  ASSERT_TRUE(back.ok()) << back.error().message;
  for (std::size_t j = 0; j < basis_.size(); ++j) {
    EXPECT_EQ(exported(basis_, back.value(), j), exported(basis_, poly, j)) << basis_.prime(j);
  }
  EXPECT_EQ(reader.remaining(), 1U);
  EXPECT_EQ(reader.u8(), 77);
}

TEST_F(Residues, AreHeldBelowTheirPrimeInEveryPlaceOfAGroup) {
  for (std::size_t j = 0; j < basis_.size(); ++j) {
    const ring::Basis one(kDegree, {basis_.prime(j)});
    const auto bits = static_cast<std::size_t>(std::bit_width(one.prime(0)));
    for (std::size_t place = 0; place < kDegree; place += 7) {
      std::vector<std::uint64_t> residues(kDegree);
      residues[place] = one.prime(0) - 1;
      base::Bytes bytes = bit_stream(residues, bits);
      base::Reader largest(bytes);
      EXPECT_TRUE(unpack(one, 1, largest).ok()) << bits << " bits, " << place;
      residues[place] = one.prime(0);
      bytes = bit_stream(residues, bits);
      base::Reader over(bytes);
      const auto refused = unpack(one, 1, over);
      ASSERT_FALSE(refused.ok()) << bits << " bits, " << place;
      EXPECT_THAT(refused.error().message, ::testing::HasSubstr("a residue of limb 0 is not below its prime"));
    }
  }
}

}  // namespace
}  // namespace obscura::wire
