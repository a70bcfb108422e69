// SPDX-License-Identifier: Apache-2.0
#include "base/random.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "base/check.h"
#include "base/parallel.h"

namespace obscura::base {
namespace {

TEST(Random, AStreamIsItsSeedAndDomain) {
  const Seed seed = random_seed();
  Stream a(seed, 1), b(seed, 1), c(seed, 2);
  std::vector<std::uint8_t> whole(10000), parts(10000), other(10000);
  a.fill(whole);
  for (std::size_t at = 0; at < parts.size(); at += 1000) b.fill(std::span(parts).subspan(at, 1000));
  c.fill(other);
  EXPECT_EQ(whole, parts);
  EXPECT_NE(whole, other);
}

TEST(Random, TheKeystreamIsChaCha20) {
  // RFC 8439, appendix A.1, test vector 1: zero key, zero nonce, block 0.
  Stream stream(Seed{}, 0);
  std::vector<std::uint8_t> head(8);
  stream.fill(head);
  EXPECT_EQ(head, (std::vector<std::uint8_t>{0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90}));
}

TEST(Random, SeedsDiffer) { EXPECT_NE(random_seed(), random_seed()); }

TEST(Parallel, EachIndexRunsOnceAndExceptionsArrive) {
  std::vector<std::atomic<int>> seen(1000);
  parallel_for(seen.size(), [&](std::size_t i) { ++seen[i]; });
  for (const auto& count : seen) EXPECT_EQ(count, 1);
  EXPECT_THROW(parallel_for(10, [](std::size_t i) { OBSCURA_CHECK(i != 5, "five"); }), ContractError);
}

TEST(Parallel, ALimitHoldsInItsScope) {
  const ThreadLimit limit(1);
  EXPECT_EQ(thread_count(), 1U);
}

}  // namespace
}  // namespace obscura::base
