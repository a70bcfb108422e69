// SPDX-License-Identifier: Apache-2.0
#include "wire/ciphertexts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../flow/tiny_plan.h"
#include "ckks/evaluator.h"
#include "ring/sample.h"

namespace obscura::wire {
namespace {

using ::testing::HasSubstr;

class Records : public ::testing::Test {
 protected:
  ring::NttPoly random_poly(std::size_t limbs) const {
    ring::NttPoly poly(context_->resources(), context_->degree(), limbs);
    for (std::size_t i = 0; i < limbs; ++i) {
      ring::sample_uniform(base::random_seed(), 0, context_->basis().prime(i), poly.residues(i));
    }
    return poly;
  }
  void expect_equal(const ring::NttPoly& a, const ring::NttPoly& b) const {
    ASSERT_EQ(a.limbs(), b.limbs());
    std::vector<std::uint64_t> x(context_->degree());
    std::vector<std::uint64_t> y(context_->degree());
    for (std::size_t i = 0; i < a.limbs(); ++i) {
      context_->basis().export_limb(a.residues(i), i, x);
      context_->basis().export_limb(b.residues(i), i, y);
      EXPECT_EQ(x, y) << "limb " << i;
    }
  }
  CiphertextHeader header(std::uint32_t limbs, std::uint32_t parts, bool seeded) const {
    CiphertextHeader h;
    h.images = 5;
    h.log2_degree = 12;
    h.images_at_once = 2048;
    h.elements = 3;
    h.limbs = limbs;
    h.parts = parts;
    h.seeded = seeded;
    h.scale = 0x1p25;
    return h;
  }

  static RecordPlace at(std::uint64_t index) { return {index, 9, Nonce{5}}; }

  std::shared_ptr<const ckks::Context> context_ =
      ckks::Context::make(ckks::Params::make(testing::square_plan().params).value());
};

TEST_F(Records, CiphertextsOfTwoAndThreePartsComeBack) {
  for (const std::uint32_t parts : {2U, 3U}) {
    ckks::Ciphertext x;
    for (std::uint32_t p = 0; p < parts; ++p) x.parts.push_back(random_poly(1));
    const auto read = read_record(*context_, header(1, parts, false), at(7), write_record(*context_, at(7), x), "X");
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(read.value().scale, 0x1p25);
    ASSERT_EQ(read.value().parts.size(), parts);
    for (std::uint32_t p = 0; p < parts; ++p) expect_equal(read.value().parts[p], x.parts[p]);
  }
}

TEST_F(Records, SeededCiphertextsComeBackExpanded) {
  ckks::SeededCiphertext x{random_poly(2), base::random_seed(), 0x1p25};
  const auto read = read_record(*context_, header(2, 2, true), at(0), write_record(*context_, at(0), x), "X");
  ASSERT_TRUE(read.ok()) << read.error().message;
  const ckks::Ciphertext expected = ckks::expand(*context_, x);
  expect_equal(read.value().parts[0], expected.parts[0]);
  expect_equal(read.value().parts[1], expected.parts[1]);
}

TEST_F(Records, ARecordOfAnotherShapeIsRefused) {
  ckks::Ciphertext x;
  x.parts = {random_poly(1), random_poly(1)};
  const base::Bytes frame = write_record(*context_, at(0), x);
  EXPECT_TRUE(read_record(*context_, header(1, 2, false), at(0), frame, "X").ok());
  EXPECT_FALSE(read_record(*context_, header(2, 2, false), at(0), frame, "X").ok());
  EXPECT_FALSE(read_record(*context_, header(1, 3, false), at(0), frame, "X").ok());
  EXPECT_FALSE(read_record(*context_, header(1, 2, true), at(0), frame, "X").ok());
  EXPECT_FALSE(read_record(*context_, header(1, 2, false), at(1), frame, "X").ok());
}

TEST_F(Records, ARecordOfAnotherPlaceIsRefused) {
  ckks::Ciphertext x;
  x.parts = {random_poly(1), random_poly(1)};
  const base::Bytes frame = write_record(*context_, at(4), x);
  const auto sentence = [&](const RecordPlace& place) {
    const auto read = read_record(*context_, header(1, 2, false), place, frame, "X");
    return read.ok() ? "read" : read.error().message;
  };
  EXPECT_EQ(sentence(at(4)), "read");
  EXPECT_THAT(sentence(at(5)), HasSubstr("number 4 of 9 stands in its place, number 5 of 9 is expected"));
  EXPECT_THAT(sentence({4, 10, Nonce{5}}), HasSubstr("number 4 of 9 stands in its place, number 4 of 10 is expected"));
  EXPECT_THAT(sentence({4, 9, Nonce{6}}), HasSubstr("of request 0500000000000000, but this is request 06"));
}

TEST_F(Records, HeadersComeBackAndCountBatches) {
  CiphertextHeader h = header(2, 2, true);
  h.images = 2 * 2048 + 1;
  h.binding.plan.fill(1);
  h.binding.key.fill(2);
  h.request.fill(3);
  const auto read = read_header(Kind::inputs, write_header(Kind::inputs, h), "X");
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read.value(), h);
  EXPECT_EQ(h.batches(), 3U);
  EXPECT_EQ(h.records(), 9U);
}

TEST_F(Records, AWriterHoldsItsRecordsToTheHeader) {
  std::string name = std::filesystem::temp_directory_path() / "obscura-records-XXXXXX";
  const std::filesystem::path folder = mkdtemp(name.data());
  {
    auto writer = CiphertextWriter::create(folder / "out", Kind::outputs, context_, header(1, 2, false), {}).value();
    std::vector<ckks::Ciphertext> some(2);
    for (auto& x : some) x.parts = {random_poly(1), random_poly(1)};
    ASSERT_TRUE(writer.write(some).ok());
    EXPECT_THROW((void)writer.commit(), ContractError) << "a record is missing";
    EXPECT_THROW((void)writer.write(some), ContractError) << "one record too many";
    some.resize(1);
    some[0].parts.pop_back();
    EXPECT_THROW((void)writer.write(some), ContractError) << "a record of another shape";
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace obscura::wire
