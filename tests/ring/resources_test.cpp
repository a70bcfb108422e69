// SPDX-License-Identifier: Apache-2.0
#include "ring/resources.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <thread>
#include <vector>

#include "base/parallel.h"
#include "ckks/params.h"
#include "ring/basis.h"

namespace obscura::ring {
namespace {

constexpr std::size_t kLargeDegree = 4096;
/// More than one slab holds.
constexpr std::size_t kManyLimbs = 3000;

bool is_mapped(const double* limb) {
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  auto* start = reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(limb) / page * page);
  unsigned char resident = 0;
  return mincore(start, page, &resident) == 0 || errno != ENOMEM;
}

TEST(Resources, MemoryGoesBackToTheSystemWithTheLastThatHoldsThem) {
  auto resources = Resources::make();
  const std::weak_ptr<Resources> watched = resources;
  std::vector<const double*> limbs;
  {
    NttPoly kept;
    {
      NttPoly poly(resources, kLargeDegree, kManyLimbs);
      for (std::size_t i = 0; i < poly.limbs(); ++i) limbs.push_back(poly.limb(i));
      EXPECT_GE(resources->mapped_bytes(), NttPoly::bytes(kLargeDegree, kManyLimbs));
      poly.limb(0)[0] = 7;
      poly.drop_to(1);
      kept = std::move(poly);
    }
    resources.reset();
    EXPECT_FALSE(watched.expired());
    EXPECT_EQ(kept.limb(0)[0], 7);
    EXPECT_TRUE(std::ranges::all_of(limbs, is_mapped));
  }
  EXPECT_TRUE(watched.expired());
  EXPECT_TRUE(std::ranges::none_of(limbs, is_mapped));
}

TEST(Resources, TrimGivesBackWhatIsWhollyFreeAndNothingElse) {
  const auto resources = Resources::make();
  EXPECT_EQ(resources->mapped_bytes(), 0U);
  NttPoly many(resources, kLargeDegree, kManyLimbs);
  const CoeffPoly other(resources, 2 * kLargeDegree, 1);
  const std::size_t most = resources->mapped_bytes();
  NttPoly one(resources, kLargeDegree, 1);
  std::fill_n(one.limb(0), kLargeDegree, 3.0);
  resources->trim();
  EXPECT_EQ(resources->mapped_bytes(), most) << "nothing was free but parts of slabs";
  many = NttPoly();
  EXPECT_EQ(resources->mapped_bytes(), most) << "free limbs are kept for the next";
  resources->trim();
  EXPECT_LT(resources->mapped_bytes(), most);
  EXPECT_TRUE(is_mapped(one.limb(0)));
  EXPECT_TRUE(is_mapped(other.limb(0)));
  EXPECT_EQ(one.limb(0)[kLargeDegree - 1], 3.0);
  // What is left serves as before.
  many = NttPoly(resources, kLargeDegree, kManyLimbs);
  EXPECT_LE(resources->mapped_bytes(), most);
  many.set_zero();
  EXPECT_EQ(one.limb(0)[kLargeDegree - 1], 3.0);
  one = NttPoly();
  many = NttPoly();
  resources->trim();
  EXPECT_LE(resources->mapped_bytes(), std::size_t{32} << 20) << "the slab of the other degree";
}

TEST(Resources, LimbsThatAreTakenAtOnceAreDistinct) {
  const auto resources = Resources::make();
  std::vector<NttPoly> polynomials(64);
  base::parallel_for(polynomials.size(), [&](std::size_t i) {
    for (int round = 0; round < 10; ++round) polynomials[i] = NttPoly(resources, kLargeDegree, 5);
    for (std::size_t k = 0; k < 5; ++k)
      std::fill_n(polynomials[i].limb(k), kLargeDegree, static_cast<double>(5 * i + k));
  });
  for (std::size_t i = 0; i < polynomials.size(); ++i) {
    for (std::size_t k = 0; k < 5; ++k) {
      const auto limb = polynomials[i].residues(k);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(limb.data()) % 64, 0U);
      ASSERT_EQ(std::ranges::count(limb, static_cast<double>(5 * i + k)), static_cast<std::ptrdiff_t>(kLargeDegree));
    }
  }
}

TEST(Resources, HaveOneTableOfAPrimeAsLongAsABasisHoldsIt) {
  const auto primes = ckks::make_primes(9, 48, 3, {}).value();
  const auto shared = Resources::make();
  const Basis a(512, primes, shared), b(512, {primes[1]}, shared), apart(512, primes);
  EXPECT_EQ(&a.table(1), &b.table(0));
  EXPECT_NE(&a.table(1), &apart.table(1));
  EXPECT_EQ(a.table(1).roots, apart.table(1).roots);
  std::weak_ptr<const kernels::NttTable> watched;
  {
    const Basis more(1024, ckks::make_primes(10, 48, 1, {}).value(), shared);
    const kernels::NttTable* used = &more.table(0);
    watched = shared->table(1024, more.prime(0));
    EXPECT_EQ(watched.lock().get(), used);
  }
  EXPECT_TRUE(watched.expired());
}

TEST(Resources, ATableIsMadeOnceWhereManyThreadsAreTheFirstToUseIt) {
  constexpr std::size_t kThreads = 8;
  const auto shared = Resources::make();
  const auto primes = ckks::make_primes(12, 48, 2, {}).value();
  const Basis a(4096, primes, shared), b(4096, primes, shared);
  std::vector<const kernels::NttTable*> seen(kThreads);
  std::vector<std::thread> threads;
  for (std::size_t k = 0; k < kThreads; ++k) {
    threads.emplace_back([&, k] { seen[k] = &(k % 2 == 0 ? a : b).table(1, 1024); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const kernels::NttTable* table : seen) EXPECT_EQ(table, seen[0]);
  EXPECT_EQ(seen[0]->degree, 1024U);
}

TEST(Resources, ABasisRefusesDegreesAndPrimesBeforeAnythingIsTransformed) {
  const auto primes = ckks::make_primes(9, 48, 1, {}).value();
  EXPECT_THROW(Basis(256, primes), ContractError);
  EXPECT_THROW(Basis(768, primes), ContractError);
  EXPECT_THROW(Basis(512, {primes[0] + 2}), ContractError);
}

TEST(Resources, AreWhatABasisComputesWith) {
  const auto& portable = *kernels::named("portable");
  const Basis basis(512, ckks::make_primes(9, 48, 1, {}).value(), Resources::make(portable));
  EXPECT_EQ(&basis.kernels(), &portable);
  EXPECT_EQ(&Basis(512, {basis.prime(0)}).kernels(), &kernels::best());
}

}  // namespace
}  // namespace obscura::ring
