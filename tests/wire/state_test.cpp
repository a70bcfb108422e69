// SPDX-License-Identifier: Apache-2.0
#include "wire/state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "../flow/tiny_plan.h"
#include "ring/sample.h"
#include "wire/ciphertexts.h"

namespace obscura::wire {
namespace {

using ::testing::HasSubstr;

/// Two elements of value 1 (two parts, two limbs) and one of value 2 (three parts) of the square plan.
class State : public ::testing::Test {
 protected:
  State() {
    std::string name = std::filesystem::temp_directory_path() / "obscura-state-XXXXXX";
    folder_ = mkdtemp(name.data());
    header_.binding.plan.fill(1);
    header_.binding.key.fill(2);
    header_.inputs.fill(3);
    header_.batch = 4;
    header_.tasks = 5;
    for (const auto& [value, index] : {std::pair{1U, 0U}, {1U, 6U}, {2U, 3U}}) {
      const plan::ValueInfo info = plan_.value(value);
      header_.live.push_back({{value, index}, info.scale * (1 + 1e-9)});
      ckks::Ciphertext x;
      for (std::uint32_t part = 0; part < info.parts; ++part) x.parts.push_back(random_poly(info.limbs));
      x.scale = header_.live.back().scale;
      live_.push_back(std::move(x));
    }
  }
  ~State() override { std::filesystem::remove_all(folder_); }

  ring::NttPoly random_poly(std::size_t limbs) const {
    ring::NttPoly poly(context_->resources(), context_->degree(), limbs);
    for (std::size_t i = 0; i < limbs; ++i) {
      ring::sample_uniform(base::random_seed(), 0, context_->basis().prime(i), poly.residues(i));
    }
    return poly;
  }
  std::filesystem::path path() const { return folder_ / "out.state"; }
  void write() const {
    std::vector<const ckks::Ciphertext*> live;
    for (const ckks::Ciphertext& x : live_) live.push_back(&x);
    const auto written = write_state_file(path(), *context_, header_, live);
    ASSERT_TRUE(written.ok()) << written.error().message;
  }
  void change(const std::function<void(base::Bytes&)>& how) const {
    base::Bytes bytes = base::read_file(path(), 1U << 30).value();
    how(bytes);
    ASSERT_TRUE(base::write_file(path(), bytes, {.overwrite = true}).ok());
  }
  Result<std::vector<ckks::Ciphertext>> read() const {
    OBSCURA_TRY(StateReader reader, StateReader::open(path()));
    return reader.read(*context_, plan_);
  }
  std::string refusal() const {
    const auto result = read();
    return result.ok() ? "read" : result.error().message;
  }

  plan::Plan plan_ = testing::square_plan();
  std::shared_ptr<const ckks::Context> context_ = ckks::Context::make(ckks::Params::make(plan_.params).value());
  std::filesystem::path folder_;
  StateHeader header_;
  std::vector<ckks::Ciphertext> live_;
};

TEST_F(State, ComesBackAsItWas) {
  write();
  EXPECT_EQ(StateReader::open(path()).value().header(), header_);
  const auto read_back = read();
  ASSERT_TRUE(read_back.ok()) << read_back.error().message;
  ASSERT_EQ(read_back->size(), live_.size());
  for (std::size_t k = 0; k < live_.size(); ++k) {
    EXPECT_EQ((*read_back)[k].scale, live_[k].scale);
    EXPECT_EQ(write_record(*context_, {k, 3, {}}, (*read_back)[k]), write_record(*context_, {k, 3, {}}, live_[k]));
  }
}

TEST_F(State, ReplacesTheOneBeforeAndWhatAKilledWriteLeft) {
  write();
  header_.tasks = 6;
  ASSERT_TRUE(base::write_file(base::partial_of(path()), base::Bytes(10), {}).ok());
  write();
  EXPECT_EQ(StateReader::open(path()).value().header().tasks, 6U);
  EXPECT_FALSE(std::filesystem::exists(base::partial_of(path())));
}

TEST_F(State, ThatIsCutLongerOrDamagedIsRefused) {
  write();
  change([](base::Bytes& b) { b.pop_back(); });
  EXPECT_THAT(refusal(), HasSubstr("bytes after its header, expected"));
  change([](base::Bytes& b) { b.resize(b.size() + 2); });
  EXPECT_THAT(refusal(), HasSubstr("bytes after its header, expected"));
  write();
  change([](base::Bytes& b) { b[b.size() / 2] ^= std::byte{1}; });
  EXPECT_THAT(refusal(), HasSubstr("damaged"));
  write();
  change([](base::Bytes& b) { b[60] ^= std::byte{1}; });
  EXPECT_THAT(refusal(), HasSubstr("damaged"));
  change([](base::Bytes& b) { b.resize(30); });
  EXPECT_THAT(refusal(), HasSubstr("truncated"));
}

TEST_F(State, OfOtherCiphertextsThanItsHeaderNamesIsRefused) {
  std::swap(live_[0], live_[2]);
  write();
  EXPECT_THAT(refusal(), HasSubstr("bytes"));
}

TEST_F(State, HasAHeaderOfAscendingElementsWithScales) {
  const auto sentence = [](const StateHeader& header) {
    const auto read = read_state_header(write_state_header(header), "X");
    return read.ok() ? "read" : read.error().message;
  };
  EXPECT_EQ(sentence(header_), "read");
  StateHeader other = header_;
  std::swap(other.live[0], other.live[1]);
  EXPECT_THAT(sentence(other), HasSubstr("X: ciphertext 1 is element 0 of value 1"));
  other = header_;
  other.live[1] = other.live[0];
  EXPECT_THAT(sentence(other), HasSubstr("ciphertext 1"));
  for (const double scale : {0.0, -1.0, std::numeric_limits<double>::infinity(), std::nan("")}) {
    other = header_;
    other.live[2].scale = scale;
    EXPECT_THAT(sentence(other), HasSubstr("ciphertext 2"));
  }
  other.live.clear();
  EXPECT_THAT(sentence(other), HasSubstr("for 0 ciphertexts"));
}

TEST_F(State, HasAHeaderOfAsManyBytesAsItsCountSays) {
  const base::Bytes frame = write_state_header(header_);
  const base::ByteView payload = open_frame(frame, Kind::state, "X").value();
  for (const std::size_t bytes : {payload.size() - 16, payload.size() - 1, std::size_t{50}, std::size_t{0}}) {
    const auto read = read_state_header(make_frame(Kind::state, payload.first(bytes)), "X");
    ASSERT_FALSE(read.ok()) << bytes;
    EXPECT_THAT(read.error().message, HasSubstr("a header of"));
  }
}

}  // namespace
}  // namespace obscura::wire
