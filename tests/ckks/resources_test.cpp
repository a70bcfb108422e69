// SPDX-License-Identifier: Apache-2.0
#include <atomic>

#include "tests/ckks/fixture.h"

namespace obscura::ckks {
namespace {

/// Another table's kernels, counted; one of each number.
template <int kNumber>
struct Counted {
  static inline std::atomic<int> calls{0};
  static inline const kernels::Kernels* counted = nullptr;

  static const kernels::Kernels& of(const kernels::Kernels& kernels) {
    static kernels::Kernels own = kernels;
    counted = &kernels;
    own.ntt_forward = [](double* x, const kernels::NttTable& table) {
      ++calls;
      counted->ntt_forward(x, table);
    };
    own.multiply = [](double* out, const double* a, const double* b, std::size_t n, const kernels::Modulus& m) {
      ++calls;
      counted->multiply(out, a, b, n, m);
    };
    return own;
  }
};

std::vector<std::vector<std::uint64_t>> residues_of(const Context& context, const Ciphertext& x) {
  std::vector<std::vector<std::uint64_t>> out;
  for (const ring::NttPoly& part : x.parts) {
    for (std::size_t i = 0; i < part.limbs(); ++i) {
      context.basis().export_limb(part.residues(i), i, out.emplace_back(context.degree()));
    }
  }
  return out;
}

TEST(TwoContexts, OfDifferentInstructionSetsComputeTheSameSideBySideEachWithItsOwn) {
  using Portable = Counted<0>;
  using Best = Counted<1>;
  const Params params = make_params(13, 48, 3, 1, 1);
  const World world(params, Resources::make(Portable::of(*kernels::named("portable"))));
  const auto other = Context::make(params, Resources::make(Best::of(kernels::best())));
  const auto slots = world.random_slots(1, 5);
  const Ciphertext x = world.encrypt(slots, 0x1p40, 3);
  EXPECT_GT(Portable::calls, 0);
  EXPECT_EQ(Best::calls, 0);

  const auto square = [&](const Context& context) {
    return relinearize(context, world.keys, multiply(context, x, x), 1);
  };
  const int before = Portable::calls;
  const Ciphertext there = square(*other);
  EXPECT_GT(Best::calls, 0);
  EXPECT_EQ(Portable::calls, before);
  const int after = Best::calls;
  const Ciphertext here = square(*world.context);
  EXPECT_GT(Portable::calls, before);
  EXPECT_EQ(Best::calls, after);

  EXPECT_EQ(residues_of(*other, there), residues_of(*world.context, here));
  const auto expected = [&](std::size_t j) { return slots[j] * slots[j]; };
  EXPECT_LT(world.error(there, expected), 0x1p-20);
  const auto same_secret = secret::SecretKey::from_seed(*other, world.secret.secret_seed());
  const auto decrypted = secret::decrypt(*other, same_secret, here);
  for (std::size_t j = 0; j < decrypted.size(); ++j) ASSERT_NEAR(decrypted[j], expected(j), 0x1p-16);
}

TEST(TwoContexts, ShareTablesWhereTheyShareResourcesAndLeaveNothing) {
  const Params params = make_params(12, 35, 2, 1, 1);
  std::weak_ptr<Resources> watched;
  {
    const World one(params), apart(params), other(params, one.context->resources());
    watched = one.context->resources();
    EXPECT_EQ(&one.context->basis().table(0), &other.context->basis().table(0));
    EXPECT_NE(&one.context->basis().table(0), &apart.context->basis().table(0));
    EXPECT_EQ(other.context->resources(), one.context->resources());
  }
  EXPECT_TRUE(watched.expired()) << "a context or a key holds what is its own";
}

TEST(TwoContexts, ACiphertextOutlivesItsContext) {
  const Params params = make_params(12, 35, 2, 1, 1);
  Ciphertext x;
  base::Seed seed;
  std::vector<double> slots;
  {
    const World gone(params);
    slots = gone.random_slots(1, 3);
    x = gone.encrypt(slots, 0x1p30, 2);
    seed = gone.secret.secret_seed();
  }
  const auto context = Context::make(params);
  const auto decrypted = secret::decrypt(*context, secret::SecretKey::from_seed(*context, seed), x);
  for (std::size_t j = 0; j < slots.size(); ++j) ASSERT_NEAR(decrypted[j], slots[j], 0x1p-12);
}

}  // namespace
}  // namespace obscura::ckks
