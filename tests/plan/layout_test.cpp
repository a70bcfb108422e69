// SPDX-License-Identifier: Apache-2.0
#include "plan/layout.h"

#include <gmock/gmock.h>

#include "plan/diagonals.h"
#include "plan/slot_map.h"

namespace obscura::plan {
namespace {

using ::testing::HasSubstr;

/// Two channels of 4x4 in blocks of 16 slots, two copies in 64.
Layout planes() { return {2, 4, 4, 1, 4, 1, 32, {}, {{0, 0}, {0, 16}}}; }

TEST(Layout, PutsElementsAtTheirUnitsRowAndColumn) {
  const Layout layout = planes();
  EXPECT_EQ(layout.place(0), (Place{0, 0}));
  EXPECT_EQ(layout.place(16 + 2 * 4 + 3), (Place{0, 16 + 11}));
  EXPECT_TRUE(verify_layout(layout, 64, "test").ok());
}

TEST(Layout, PhasesPutNeighboursAtOnePlaceOfDifferentUnits) {
  const Layout layout{1, 4, 4, 2, 8, 2, 64, {}, {{0, 0}, {0, 1}, {1, 0}, {1, 1}}};
  EXPECT_EQ(layout.place(0), (Place{0, 0}));
  EXPECT_EQ(layout.place(1), (Place{0, 1}));
  EXPECT_EQ(layout.place(4), (Place{1, 0}));
  EXPECT_EQ(layout.place(2 * 4 + 2), (Place{0, 10}));
  EXPECT_EQ(layout.ciphertexts(), 2U);
  EXPECT_TRUE(verify_layout(layout, 64, "test").ok());
}

TEST(Layout, RefusesWhatDoesNotFit) {
  const auto message = [](const auto& change) {
    Layout layout = planes();
    change(layout);
    const auto verified = verify_layout(layout, 64, "test");
    return verified.ok() ? std::string() : verified.error().message;
  };
  EXPECT_THAT(message([](Layout& x) { x.units[1].position = 15; }), HasSubstr("two elements"));
  EXPECT_THAT(message([](Layout& x) { x.units[1].position = 17; }), HasSubstr("reaches position 32"));
  EXPECT_THAT(message([](Layout& x) { x.period = 48; }), HasSubstr("repeats after 48"));
  EXPECT_THAT(message([](Layout& x) { x.units.pop_back(); }), HasSubstr("1 units"));
  EXPECT_THAT(message([](Layout& x) { x.units[1].ciphertext = 2; }), HasSubstr("ciphertext 1 empty"));
  EXPECT_THAT(message([](Layout& x) { x.units[1].ciphertext = x.elements(); }), HasSubstr("32 ciphertexts of 32"));
  EXPECT_THAT(message([](Layout& x) { x.sharing.images = 4; }), HasSubstr("repeats after 32 of 16 positions"));
  EXPECT_THAT(message([](Layout& x) { x.sharing.images = 3; }), HasSubstr("of 3 images"));
  EXPECT_THAT(message([](Layout& x) { x.sharing = {1, 64}; }), HasSubstr("of 1 images 64 slots apart"));
  EXPECT_THAT(message([](Layout& x) { x.sharing = {2, 16}; }), HasSubstr("1 or, of several images, 32 is allowed"));
  EXPECT_EQ(message([](Layout& x) { x.sharing = {2, 32}; }), "");
  const auto copies = [](Layout& x) {
    x.units.pop_back();
    x.channels = 1;
    x.period = 16;
    x.sharing = {2, 32};
  };
  EXPECT_THAT(message(copies), HasSubstr("one after the other; no copies"));
  EXPECT_THAT(message([](Layout& x) { x.channels = kMaxLayoutElements; }), HasSubstr("elements are allowed"));
  EXPECT_THAT(message([](Layout& x) { x.channels = 0; }), HasSubstr("elements are allowed"));
}

/// Slot B p + b is position p of image b, in each copy.
TEST(Packing, PutsImagesSideBySide) {
  Layout layout{4, 1, 1, 1, 0, 0, 4, {2, 1}, {{0, 0}, {0, 1}, {1, 2}, {1, 0}}};
  ASSERT_TRUE(verify_layout(layout, 16, "test").ok());
  const Packing packing(layout, 16);
  const auto value = [](std::size_t element, std::size_t image) {
    return static_cast<double>(10 * (element + 1) + image);
  };
  const std::vector<double> two{10, 11, 20, 21, 0, 0, 0, 0, 10, 11, 20, 21, 0, 0, 0, 0};
  EXPECT_EQ(packing.pack(0, 2, value), two);
  const std::vector<double> one{40, 0, 0, 0, 30, 0, 0, 0, 40, 0, 0, 0, 30, 0, 0, 0};
  EXPECT_EQ(packing.pack(1, 1, value), one);
}

/// Slot P b + p is.
TEST(Packing, PutsImagesOneAfterTheOther) {
  const Layout layout{4, 1, 1, 1, 0, 0, 4, {4, 4}, {{0, 0}, {0, 1}, {1, 2}, {1, 0}}};
  ASSERT_TRUE(verify_layout(layout, 16, "test").ok());
  const Packing packing(layout, 16);
  const auto value = [](std::size_t element, std::size_t image) {
    return static_cast<double>(10 * (element + 1) + image);
  };
  EXPECT_EQ(packing.pack(0, 3, value), (std::vector<double>{10, 20, 0, 0, 11, 21, 0, 0, 12, 22, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(packing.pack(1, 1, value), (std::vector<double>{40, 0, 30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(Packing, OneImageASlotIsTheBatchLayout) {
  const Layout layout = batch_layout(3, 8);
  ASSERT_TRUE(verify_layout(layout, 8, "test").ok());
  EXPECT_EQ(layout.ciphertexts(), 3U);
  const auto value = [](std::size_t element, std::size_t image) {
    return static_cast<double>(10 * (element + 1) + image);
  };
  EXPECT_EQ(Packing(layout, 8).pack(1, 3, value), (std::vector<double>{20, 21, 22, 0, 0, 0, 0, 0}));
}

/// Every entry reads its input, in one of its copies, and writes a part of its output.
TEST(SlotMap, ReadTheirInputsAndWriteTheirOutputs) {
  const Layout from = planes();
  const Layout to{4, 1, 1, 1, 0, 0, 32, {}, {{0, 0}, {0, 1}, {0, 2}, {0, 3}}};
  const SlotMap slot_map(from, to, {4, 8, 16}, 64);
  ASSERT_EQ(slot_map.copies(), 2U);
  for (std::uint32_t row = 0; row < 4; ++row) {
    for (std::uint32_t column = 0; column < 32; ++column) {
      for (std::uint32_t copy = 0; copy < 2; ++copy) {
        const Entry entry = slot_map.at(row, column, copy);
        const std::uint32_t read = (entry.position + 64U + static_cast<std::uint32_t>(entry.diagonal.step)) % 64;
        EXPECT_EQ(read % 32, from.place(column).position);
        EXPECT_EQ(entry.position % 4, to.place(row).position % 4);
        EXPECT_LE(std::abs(entry.diagonal.step), 2) << "the nearest part";
      }
    }
  }
}

/// Of images one after the other no entry reads beyond its image's positions.
TEST(SlotMap, StayWithinTheirImage) {
  Layout from = planes();
  from.sharing = {2, 32};
  Layout to{4, 1, 1, 1, 0, 0, 32, {2, 32}, {{0, 0}, {0, 1}, {0, 2}, {0, 31}}};
  const SlotMap slot_map(from, to, {}, 32);
  ASSERT_EQ(slot_map.copies(), 1U);
  for (std::uint32_t row = 0; row < 4; ++row) {
    for (std::uint32_t column = 0; column < 32; ++column) {
      const Entry entry = slot_map.at(row, column, 0);
      EXPECT_EQ(entry.position, to.place(row).position);
      EXPECT_EQ(entry.position + entry.diagonal.step, from.place(column).position);
    }
  }
}

TEST(Fold, NeedsTheStepsOfItsSums) {
  EXPECT_EQ(rotations_of({0, {{16, 2}, {3, 3}}}, 64), (std::vector<std::int64_t>{3, 6, 16}));
  EXPECT_EQ(rotations_of({0, {{48, 2}}}, 64), (std::vector<std::int64_t>{-16}));
}

}  // namespace
}  // namespace obscura::plan
