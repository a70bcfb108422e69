// SPDX-License-Identifier: Apache-2.0
#include "wire/eval_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>  // mkdtemp

#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>

#include "../ckks/toy_sets.h"
#include "../flow/boot_plan.h"
#include "../flow/tiny_plan.h"
#include "plan/keys.h"
#include "secret/eval_keys.h"
#include "wire/residues.h"

namespace obscura::wire {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

/// A file of the keys of a plan that bootstraps on a small ring.
class EvalKeysFile : public ::testing::Test {
 protected:
  EvalKeysFile() {
    std::string name = fs::temp_directory_path() / "obscura-keys-XXXXXX";
    folder_ = mkdtemp(name.data());
    binding_.plan.fill(3);
    binding_.key.fill(9);
    keys_ = secret::make_eval_keys(context_, secret::SecretKey::generate(context_), needs_);
  }
  ~EvalKeysFile() override { fs::remove_all(folder_); }

  const ckks::SwitchKey& key(const ckks::EvalKeys& keys, const ckks::NeededKey& place) const {
    using Sort = ckks::NeededKey::Sort;
    if (place.sort == Sort::relinearization) return keys.relinearization[0];
    if (place.sort == Sort::galois) return keys.galois.at(place.element);
    if (place.sort == Sort::to_sparse) return keys.bootstrap->to_sparse;
    const auto trace = needs_.bootstrapper->trace();
    const auto k = std::find(trace.begin(), trace.end(), place.element) - trace.begin();
    return keys.bootstrap->to_dense.at(static_cast<std::size_t>(k));
  }
  /// The frames of a file, header first.
  std::vector<base::Bytes> frames(const ckks::KeyNeeds& needs) const {
    std::vector<base::Bytes> out{write_keys_header(header_of(context_, needs, binding_))};
    for (const ckks::NeededKey& place : ckks::list(context_, needs)) {
      out.push_back(write_key(ckks::context_of(context_, needs, place), out.size() - 1, key(keys_, place)));
    }
    return out;
  }
  Result<NamedEvalKeys> read(const std::vector<base::Bytes>& frames) const {
    base::Writer w;
    for (const base::Bytes& frame : frames) w.raw(frame);
    const fs::path path = folder_ / "keys";
    EXPECT_TRUE(base::write_file(path, w.bytes(), {.overwrite = true, .secret = false}).ok());
    return read_eval_keys_file(context_, needs_, binding_.plan, path);
  }
  Result<NamedEvalKeys> read_with(const std::function<void(ckks::KeyNeeds&)>& change) const {
    ckks::KeyNeeds other = needs_;
    change(other);
    return read(frames(other));
  }
  /// What reading says where the header is changed and made whole again.
  std::string refusal(const std::function<void(EvalKeysHeader&)>& change) const {
    EvalKeysHeader header = header_of(context_, needs_, binding_);
    change(header);
    std::vector<base::Bytes> file = frames(needs_);
    file[0] = write_keys_header(header);
    const auto result = read(file);
    return result.ok() ? "" : result.error().message;
  }

  const ckks::BootstrapParams set_ = ckks::BootstrapParams::insecure_for_tests(ckks::sparse_toy()).value();
  const std::shared_ptr<const ckks::Bootstrapper> bootstrapper_ =
      ckks::Bootstrapper::make(set_, {testing::boot_scale(set_), testing::boot_scale(set_)}).value();
  const ckks::Context& context_ = *bootstrapper_->context();
  const ckks::KeyNeeds needs_ = plan::key_needs(context_, testing::boot_plan(set_).keys, bootstrapper_);
  ckks::EvalKeys keys_;
  Binding binding_;
  fs::path folder_;
};

void expect_same(const ring::Basis& basis, const ckks::SwitchKey& a, const ckks::SwitchKey& b) {
  ASSERT_EQ(a.body.size(), b.body.size());
  std::vector<std::uint64_t> x(basis.degree()), y(basis.degree());
  for (std::size_t d = 0; d < a.body.size(); ++d) {
    for (std::size_t i = 0; i < basis.size(); ++i) {
      ASSERT_EQ(a.body[d].limb(i) == nullptr, b.body[d].limb(i) == nullptr) << d << " " << i;
      if (a.body[d].limb(i) == nullptr) continue;
      basis.export_limb(a.body[d].residues(i), i, x);
      basis.export_limb(b.body[d].residues(i), i, y);
      EXPECT_EQ(x, y) << d << " " << i;
      basis.export_limb({a.uniform.limb(d, i), basis.degree()}, i, x);
      basis.export_limb({b.uniform.limb(d, i), basis.degree()}, i, y);
      EXPECT_EQ(x, y) << d << " " << i;
    }
  }
}

TEST_F(EvalKeysFile, EveryKeyComesBackWithItsUniformHalf) {
  const auto read_back = read(frames(needs_));
  ASSERT_TRUE(read_back.ok()) << read_back.error().message;
  EXPECT_EQ(read_back.value().binding, binding_);
  const ckks::EvalKeys& after = read_back.value().keys;
  EXPECT_TRUE(ckks::check_keys(context_, needs_, after).ok());
  for (const ckks::NeededKey& place : ckks::list(context_, needs_)) {
    SCOPED_TRACE(ckks::describe(context_, place));
    expect_same(ckks::context_of(context_, needs_, place).basis(), key(keys_, place), key(after, place));
  }
}

TEST_F(EvalKeysFile, LimbsThatNoCiphertextHasAreNotInIt) {
  std::size_t packed = 0;
  for (const ckks::NeededKey& place : ckks::list(context_, needs_)) {
    const ckks::Context& own = ckks::context_of(context_, needs_, place);
    packed += own.digits(place.limbs) * (packed_bytes(own.basis(), place.limbs) +
                                         packed_bytes(own.basis(), own.chain_limbs(), own.basis().size()));
  }
  std::size_t written = 0;
  const auto file = frames(needs_);
  for (const base::Bytes& frame : file) written += frame.size();
  EXPECT_GT(written, packed);
  EXPECT_LT(written, packed + 256 * file.size());
}

TEST_F(EvalKeysFile, RefusesAHeaderOfAnotherPlanOrRing) {
  EXPECT_EQ(refusal([](auto&) {}), "");
  EXPECT_THAT(refusal([](auto& h) { h.binding.plan[0] ^= 1; }), HasSubstr("keys for plan"));
  EXPECT_THAT(refusal([](auto& h) { h.log2_degree = 13; }), HasSubstr("degree 2^13"));
  EXPECT_THAT(refusal([](auto& h) { h.log2_degree = 64; }), HasSubstr("at most 2^17"));
  EXPECT_THAT(refusal([](auto& h) { h.bootstrap = 2; }), HasSubstr("the plan needs"));
  EXPECT_THAT(refusal([](auto& h) { h.digit_limbs = 1; }), HasSubstr("digits of 1"));
  EXPECT_THAT(refusal([](auto& h) { std::swap(h.galois[0], h.galois[1]); }), HasSubstr("out of order"));
}

TEST_F(EvalKeysFile, NamesTheKeyThatIsMissing) {
  const auto no_rotation = read_with([&](auto& n) { n.galois.erase(context_.galois_element(1)); });
  ASSERT_FALSE(no_rotation.ok());
  EXPECT_EQ(no_rotation.error().code, Code::missing_key);
  EXPECT_THAT(no_rotation.error().message, HasSubstr("the key of rotations by 1 that the plan needs is not in it"));
  const auto no_products = read_with([](auto& n) { n.relinearization = false; });
  EXPECT_THAT(no_products.error().message, HasSubstr("the relinearisation key that the plan needs is not in it"));
  const auto no_bootstrap = read_with([](auto& n) { n.bootstrapper = nullptr; });
  EXPECT_THAT(no_bootstrap.error().message, HasSubstr("sparse secret that the plan needs is not in it"));
}

TEST_F(EvalKeysFile, RefusesKeysForFewerLimbsAndKeysThatNobodyNeeds) {
  const auto fewer = read_with([&](auto& n) { --n.galois.at(ckks::conjugation_element(context_.degree())); });
  ASSERT_FALSE(fewer.ok());
  EXPECT_EQ(fewer.error().code, Code::missing_key);
  EXPECT_THAT(fewer.error().message, HasSubstr("the key of conjugation is for"));
  std::vector<base::Bytes> file = frames(needs_);
  EvalKeysHeader header = header_of(context_, needs_, binding_);
  header.galois.push_back({2 * context_.degree() + 1, 1});
  file[0] = write_keys_header(header);
  EXPECT_THAT(read(file).error().message, HasSubstr("keys; the plan needs"));
}

TEST_F(EvalKeysFile, RefusesDamagedAbsentAndMisplacedKeys) {
  const std::vector<base::Bytes> good = frames(needs_);
  std::vector<base::Bytes> file = good;
  file[2][file[2].size() / 2] ^= std::byte{1};
  EXPECT_THAT(read(file).error().message, HasSubstr("key 1: damaged"));
  file = good;
  file.pop_back();
  EXPECT_THAT(read(file).error().message, HasSubstr("bytes of keys, expected"));
  file = good;
  file.push_back(file.back());
  EXPECT_THAT(read(file).error().message, HasSubstr("bytes of keys, expected"));
  // Of equal size, so that only its number tells: two keys out of the sparse secret.
  file = good;
  std::swap(file[file.size() - 2], file.back());
  EXPECT_THAT(read(file).error().message, HasSubstr("stands in its place"));
  // A residue of the largest bits is not below its prime.
  base::Bytes payload(good[1].begin() + kHeaderBytes, good[1].end() - kDigestBytes);
  std::fill(payload.end() - 5, payload.end(), std::byte{255});
  file = good;
  file[1] = make_frame(Kind::key, payload);
  EXPECT_THAT(read(file).error().message, HasSubstr("is not below its prime"));
}

TEST_F(EvalKeysFile, SaysWhatIsInItWithoutAKeyBeingRead) {
  ASSERT_TRUE(read(frames(needs_)).ok());
  const auto header = inspect_eval_keys(folder_ / "keys");
  ASSERT_TRUE(header.ok()) << header.error().message;
  EXPECT_EQ(header.value(), header_of(context_, needs_, binding_));
}

TEST(PackedResidues, TakeTheBitsOfTheirPrimes) {
  // Three primes of 36 bits: two residues in 9 bytes.
  const auto context = ckks::Context::make(ckks::Params::make(testing::square_plan().params).value());
  EXPECT_EQ(packed_bytes(context->basis(), 3), 3U * 9 * 4096 / 2);
}

}  // namespace
}  // namespace obscura::wire
