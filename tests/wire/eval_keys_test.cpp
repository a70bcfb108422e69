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
#include "wire/binding.h"
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
    key_.fill(9);
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
    std::vector<base::Bytes> out{write_keys_header(header_of(context_, needs, key_))};
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
    return read_eval_keys_file(context_, needs_, path);
  }
  Result<NamedEvalKeys> read_with(const std::function<void(ckks::KeyNeeds&)>& change) const {
    ckks::KeyNeeds other = needs_;
    change(other);
    return read(frames(other));
  }
  /// What reading says where the header is changed and made whole again.
  std::string refusal(const std::function<void(EvalKeysHeader&)>& change) const {
    EvalKeysHeader header = header_of(context_, needs_, key_);
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
  KeyId key_{};
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
  EXPECT_EQ(read_back.value().name.key, key_);
  EXPECT_EQ(read_back.value().name.params, name_of_params(context_.params().literal()));
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

TEST_F(EvalKeysFile, RefusesAHeaderOfOtherParameters) {
  EXPECT_EQ(refusal([](auto&) {}), "");
  EXPECT_THAT(refusal([](auto& h) { h.name.params[0] ^= 1; }), HasSubstr("keys for parameters"));
  EXPECT_THAT(refusal([](auto& h) { h.log2_degree = 64; }), HasSubstr("at most 2^17"));
  EXPECT_THAT(refusal([](auto& h) { h.bootstrap = 2; }), HasSubstr("that the plan needs are not in it"));
  EXPECT_THAT(refusal([](auto& h) { h.bootstrap_set[0] ^= 1; }), HasSubstr("that the plan needs are not in it"));
  EXPECT_THAT(refusal([](auto& h) { h.galois[0].limbs = 1000; }), HasSubstr("for 1000 limbs; 1 to"));
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
  EXPECT_THAT(no_bootstrap.error().message, HasSubstr("that the plan needs are not in it"));
  const auto none = read_with([](auto& n) { n.galois.clear(); });
  EXPECT_THAT(none.error().message,
              ::testing::AllOf(HasSubstr("more that the plan needs are not in it"), HasSubstr("obscura keygen")));
}

TEST_F(EvalKeysFile, RefusesKeysForFewerLimbs) {
  const auto fewer = read_with([&](auto& n) { --n.galois.at(ckks::conjugation_element(context_.degree())); });
  ASSERT_FALSE(fewer.ok());
  EXPECT_EQ(fewer.error().code, Code::missing_key);
  EXPECT_THAT(fewer.error().message, HasSubstr("the key of conjugation for"));
}

TEST_F(EvalKeysFile, ServesWhoeverNeedsLess) {
  // As the first plan of a client asked for more rotations, more limbs and bootstrapping.
  ASSERT_TRUE(read(frames(needs_)).ok());
  ckks::KeyNeeds less = needs_;
  less.bootstrapper = nullptr;
  less.galois.erase(less.galois.begin());
  const std::uint64_t conjugation = ckks::conjugation_element(context_.degree());
  less.galois.at(conjugation) = 1;
  const auto served = read_eval_keys_file(context_, less, folder_ / "keys");
  ASSERT_TRUE(served.ok()) << served.error().message;
  const ckks::EvalKeys& keys = served.value().keys;
  EXPECT_TRUE(ckks::check_keys(context_, less, keys).ok());
  EXPECT_EQ(keys.galois.size(), less.galois.size());
  EXPECT_FALSE(keys.bootstrap.has_value());
  // What is held is what a key made for one limb has.
  const ckks::SwitchKey& cut = keys.galois.at(conjugation);
  EXPECT_EQ(cut.body.size(), context_.digits(1));
  EXPECT_NE(cut.body[0].limb(0), nullptr);
  EXPECT_EQ(cut.body[0].limb(1), nullptr);
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
  EXPECT_EQ(header.value(), header_of(context_, needs_, key_));
}

TEST(PackedResidues, TakeTheBitsOfTheirPrimes) {
  // Three primes of 35 bits: eight residues in 35 bytes.
  const auto context = ckks::Context::make(ckks::Params::make(testing::square_plan().params).value());
  EXPECT_EQ(packed_bytes(context->basis(), 3), 3U * 35 * 4096 / 8);
}

}  // namespace
}  // namespace obscura::wire
