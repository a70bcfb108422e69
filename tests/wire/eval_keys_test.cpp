// SPDX-License-Identifier: Apache-2.0
#include "wire/eval_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "../flow/tiny_plan.h"
#include "ring/sample.h"
#include "wire/residues.h"

namespace obscura::wire {
namespace {

using ::testing::HasSubstr;

class EvalKeysFrame : public ::testing::Test {
 protected:
  EvalKeysFrame() {
    ckks::SwitchKey key;
    key.seed = base::random_seed();
    const auto& basis = context_->basis();
    for (std::size_t d = 0; d < context_->digits(context_->chain_limbs()); ++d) {
      key.body.emplace_back(basis.degree(), basis.size());
      for (std::size_t i = 0; i < basis.size(); ++i) {
        ring::sample_uniform(base::random_seed(), 0, basis.prime(i), key.body[d].residues(i));
      }
    }
    key.uniform = ckks::UniformHalf(basis, key.seed, key.body.size());
    keys_.relinearization.push_back(std::move(key));
    binding_.plan.fill(3);
    binding_.key.fill(9);
  }

  std::string refusal(base::ByteView payload, bool needed = true) const {
    const auto read =
        read_eval_keys(*context_, {needed}, binding_.plan, make_frame(Kind::evaluation_keys, payload), "X");
    return read.ok() ? "" : read.error().message;
  }
  base::Bytes payload() const {
    const base::Bytes frame = write_eval_keys(*context_, keys_, binding_);
    return {frame.begin() + kHeaderBytes, frame.end() - kDigestBytes};
  }

  std::shared_ptr<const ckks::Context> context_ =
      ckks::Context::make(ckks::Params::make(testing::square_plan().params).value());
  ckks::EvalKeys keys_;
  Binding binding_;
};

TEST_F(EvalKeysFrame, KeysComeBackWithTheirUniformHalves) {
  const auto read = read_eval_keys(*context_, {true}, binding_.plan, write_eval_keys(*context_, keys_, binding_), "X");
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read.value().binding, binding_);
  const auto& before = keys_.relinearization[0];
  const auto& after = read.value().keys.relinearization[0];
  ASSERT_EQ(after.body.size(), before.body.size());
  const auto& basis = context_->basis();
  std::vector<std::uint64_t> a(basis.degree());
  std::vector<std::uint64_t> b(basis.degree());
  for (std::size_t d = 0; d < before.body.size(); ++d) {
    for (std::size_t i = 0; i < basis.size(); ++i) {
      basis.export_limb(before.body[d].residues(i), i, a);
      basis.export_limb(after.body[d].residues(i), i, b);
      EXPECT_EQ(a, b) << d << " " << i;
      basis.export_limb({before.uniform.limb(d, i), basis.degree()}, i, a);
      basis.export_limb({after.uniform.limb(d, i), basis.degree()}, i, b);
      EXPECT_EQ(a, b) << d << " " << i;
    }
  }
}

TEST_F(EvalKeysFrame, RefusesKeysOfOtherShape) {
  const base::Bytes good = payload();
  EXPECT_EQ(refusal(good), "");
  base::Bytes bytes = good;
  bytes[0] ^= std::byte{1};
  EXPECT_THAT(refusal(bytes), HasSubstr("keys for plan"));
  bytes = good;
  bytes[48] = std::byte{13};
  EXPECT_THAT(refusal(bytes), HasSubstr("degree 2^13"));
  bytes = good;
  bytes[56] = std::byte{200};
  EXPECT_THAT(refusal(bytes), HasSubstr("200 relinearisation keys"));
  bytes = good;
  bytes[60] = std::byte{1};
  EXPECT_THAT(refusal(bytes), HasSubstr("1 digits"));
  bytes = good;
  bytes.resize(bytes.size() - 1);
  EXPECT_THAT(refusal(bytes), HasSubstr("bytes of keys, expected"));
  EXPECT_THAT(refusal(base::ByteView(good).first(50)), HasSubstr("too few"));
  bytes = good;
  std::fill(bytes.end() - 5, bytes.end(), std::byte{255});
  EXPECT_THAT(refusal(bytes), HasSubstr("is not below its prime"));
}

TEST_F(EvalKeysFrame, NamesTheKeyThatIsMissing) {
  keys_.relinearization.clear();
  EXPECT_THAT(refusal(payload()), HasSubstr("the relinearisation key that the plan needs is not in it"));
  EXPECT_EQ(refusal(payload(), false), "");
}

TEST_F(EvalKeysFrame, ResiduesTakeTheBitsOfTheirPrimes) {
  // Three primes of 36 bits: two residues in 9 bytes.
  EXPECT_EQ(packed_bytes(context_->basis(), 3), 3U * 9 * 4096 / 2);
}

}  // namespace
}  // namespace obscura::wire
