// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

#include <gtest/gtest.h>

namespace obscura::base {
namespace {

TEST(Bytes, WhatIsWrittenIsRead) {
  Writer writer;
  writer.u8(7);
  writer.u32(0xDEADBEEF);
  writer.u64(1ULL << 63);
  writer.f64(-0.25);
  writer.text("limb");
  Reader reader(writer.bytes());
  EXPECT_EQ(reader.u8(), 7);
  EXPECT_EQ(reader.u32(), 0xDEADBEEF);
  EXPECT_EQ(reader.u64(), 1ULL << 63);
  EXPECT_EQ(reader.f64(), -0.25);
  EXPECT_EQ(reader.text(4), "limb");
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(reader.remaining(), 0U);
}

TEST(Bytes, ReadingPastTheEndFailsForGood) {
  Writer writer;
  writer.u32(1);
  Reader reader(writer.bytes());
  EXPECT_EQ(reader.u64(), 0U);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.u8(), 0);
  EXPECT_FALSE(reader.ok());
}

TEST(Bytes, CountsAreBoundedByTheLimitAndByWhatIsLeft) {
  Writer writer;
  writer.u32(3);
  writer.u64(0);
  EXPECT_EQ(Reader(writer.bytes()).count(3, 1), 3U);
  Reader above_limit(writer.bytes());
  EXPECT_EQ(above_limit.count(2, 1), 0U);
  EXPECT_FALSE(above_limit.ok());
  Reader beyond_end(writer.bytes());
  EXPECT_EQ(beyond_end.count(3, 4), 0U);
  EXPECT_FALSE(beyond_end.ok());
}

TEST(Result, ReadingTheWrongSideThrows) {
  const Result<int> value = 3;
  const Result<int> failure = error(Code::io, "no {}", 4);
  EXPECT_THROW(static_cast<void>(value.error()), ContractError);
  EXPECT_THROW(static_cast<void>(failure.value()), ContractError);
  EXPECT_EQ(failure.error().message, "no 4");
}

}  // namespace
}  // namespace obscura::base
