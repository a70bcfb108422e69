// SPDX-License-Identifier: Apache-2.0
#include "wire/frames.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

namespace obscura::wire {
namespace {

using ::testing::HasSubstr;

base::Bytes some_frame() { return make_frame(Kind::offer, base::as_bytes("twenty payload bytes")); }

std::string message_of(base::ByteView bytes, Kind kind = Kind::offer) {
  const auto payload = open_frame(bytes, kind, "X");
  return payload.ok() ? "" : payload.error().message;
}

TEST(Frames, AFrameGivesItsPayloadBack) {
  const base::Bytes frame = some_frame();
  const auto payload = open_frame(frame, Kind::offer, "X");
  ASSERT_TRUE(payload.ok());
  const std::string text = "twenty payload bytes";
  const base::ByteView expected = base::as_bytes(text);
  EXPECT_TRUE(std::equal(payload.value().begin(), payload.value().end(), expected.begin(), expected.end()));
}

TEST(Frames, TheBytesOfAFrameAreFrozen) {
  // The format of version 9: a change here is a new version.
  const base::Bytes frame = make_frame(Kind::evaluation_keys, base::as_bytes("ab"));
  std::string hex;
  for (const std::byte b : frame) hex += fmt::format("{:02x}", static_cast<unsigned>(b));
  EXPECT_EQ(hex,
            "4f42534304000000090000000200000000000000"
            "6162"
            "fc1ca4df9b49d79324612a58924ec9e5187d469b511f5b363b0ff0c113805668");
}

TEST(Frames, EveryTruncationIsRefused) {
  const base::Bytes frame = some_frame();
  for (std::size_t size = 0; size < frame.size(); ++size) {
    EXPECT_FALSE(open_frame(base::ByteView(frame).first(size), Kind::offer, "X").ok()) << size;
  }
}

TEST(Frames, EveryFlippedBitIsRefused) {
  base::Bytes frame = some_frame();
  for (std::size_t bit = 0; bit < frame.size() * 8; ++bit) {
    const std::byte mask{static_cast<unsigned char>(1U << (bit % 8))};
    frame[bit / 8] ^= mask;
    EXPECT_FALSE(open_frame(frame, Kind::offer, "X").ok()) << bit;
    frame[bit / 8] ^= mask;
  }
  EXPECT_TRUE(open_frame(frame, Kind::offer, "X").ok());
}

TEST(Frames, SaysWhatIsWrong) {
  base::Bytes frame = some_frame();
  EXPECT_THAT(message_of(base::as_bytes("hello")), HasSubstr("X: not a file of Obscura"));
  EXPECT_THAT(message_of(frame, Kind::plan), HasSubstr("X: an offer, expected a plan"));
  EXPECT_THAT(message_of(base::ByteView(frame).first(40)), HasSubstr("truncated: 40 bytes of 72"));
  frame.push_back(std::byte{0});
  EXPECT_THAT(message_of(frame), HasSubstr("1 bytes after its end"));
  frame.pop_back();
  frame[25] ^= std::byte{1};
  EXPECT_THAT(message_of(frame), HasSubstr("damaged"));
  frame = some_frame();
  frame[8] = std::byte{10};
  EXPECT_THAT(message_of(frame), HasSubstr("format version 10, this program reads version 9"));
  frame = some_frame();
  frame[4] = std::byte{77};
  EXPECT_THAT(message_of(frame), HasSubstr("unknown kind 77"));
}

class FrameFile : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = std::filesystem::temp_directory_path() / "obscura-frames-XXXXXX";
    folder_ = mkdtemp(name.data());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path write(base::ByteView bytes) const {
    const auto path = folder_ / "file";
    EXPECT_TRUE(base::write_file(path, bytes, {.overwrite = true, .secret = false}).ok());
    return path;
  }

 private:
  std::filesystem::path folder_;
};

TEST_F(FrameFile, ALengthIsHeldToItsBoundAndToTheFileBeforeMemoryIsTaken) {
  base::Bytes frame = some_frame();
  const std::uint64_t huge = std::uint64_t{1} << 62;
  std::memcpy(frame.data() + 12, &huge, sizeof huge);
  const auto path = write(frame);
  const auto bounded = read_frame_file(path, Kind::offer, 1000);
  ASSERT_FALSE(bounded.ok());
  EXPECT_THAT(bounded.error().message, HasSubstr("at most 1000 are allowed"));
  const auto missing = read_frame_file(path, Kind::offer, UINT64_MAX / 2);
  ASSERT_FALSE(missing.ok());
  EXPECT_THAT(missing.error().message, HasSubstr("truncated"));
}

TEST_F(FrameFile, ReadsWholeFramesAndTheirKind) {
  const base::Bytes frame = some_frame();
  const auto path = write(frame);
  EXPECT_EQ(read_kind(path).value(), Kind::offer);
  EXPECT_EQ(read_frame_file(path, Kind::offer, 1000).value(), frame);
  EXPECT_FALSE(read_kind(write(base::as_bytes("OBSC"))).ok());
  base::Bytes longer = frame;
  longer.resize(longer.size() + 3);
  EXPECT_THAT(read_frame_file(write(longer), Kind::offer, 1000).error().message, HasSubstr("3 bytes after its end"));
}

TEST(Frames, EveryKindHasItsOwnName) {
  std::vector<std::string> names;
  for (std::uint32_t k = 1; k <= 12; ++k) names.emplace_back(describe(static_cast<Kind>(k)));
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::unique(names.begin(), names.end()), names.end());
}

}  // namespace
}  // namespace obscura::wire
