// SPDX-License-Identifier: Apache-2.0
#include "data/idx.h"

#include <gmock/gmock.h>
#include <zlib.h>

#include "tests/data/scratch.h"

namespace obscura::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Idx : public Scratch {
 protected:
  std::filesystem::path images() const { return file("images", idx(0x803, {3, 2, 2}, 12)); }
};

TEST_F(Idx, ReadsAllImages) {
  const auto set = read_idx_images(images());
  ASSERT_TRUE(set.ok()) << set.error().message;
  EXPECT_EQ(set->count(), 3U);
  EXPECT_EQ(set->channels, 1U);
  EXPECT_EQ(set->height, 2U);
  EXPECT_EQ(set->width, 2U);
  EXPECT_THAT(set->pixels, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
}

TEST_F(Idx, ReadsARange) {
  const auto set = read_idx_images(images(), {1, 1});
  ASSERT_TRUE(set.ok()) << set.error().message;
  EXPECT_THAT(set->pixels, ElementsAre(4, 5, 6, 7));
}

TEST_F(Idx, ReadsARangeBeyondTheFirstPiece) {
  const auto path = file("big", idx(0x803, {300, 28, 28}, 300 * 784));
  const auto set = read_idx_images(path, {299, 1});
  ASSERT_TRUE(set.ok()) << set.error().message;
  EXPECT_EQ(set->pixels.front(), 299 * 784 % 256);
  EXPECT_EQ(set->pixels.back(), (300 * 784 - 1) % 256);
}

TEST_F(Idx, RefusesARangeThatLeavesTheFile) {
  EXPECT_THAT(read_idx_images(images(), {1, 3}).error().message, HasSubstr("3 images from image 1"));
  EXPECT_THAT(read_idx_images(images(), {3, kAll}).error().message, HasSubstr("there are 3"));
  EXPECT_THAT(read_idx_images(images(), {0, 0}).error().message, HasSubstr("at least 1"));
  // first + count would wrap around.
  EXPECT_FALSE(read_idx_images(images(), {2, kAll - 1}).ok());
}

TEST_F(Idx, RefusesAnotherMagic) {
  const auto message = read_idx_images(file("labels", idx(0x801, {3}, 3))).error().message;
  EXPECT_THAT(message, HasSubstr("0x00000801 instead of 0x00000803"));
  EXPECT_FALSE(read_idx_labels(images()).ok());
}

TEST_F(Idx, RefusesSizesThatTheFileDoesNotHold) {
  EXPECT_THAT(read_idx_images(file("short", idx(0x803, {3, 2, 2}, 11))).error().message, HasSubstr("the file has 11"));
  EXPECT_FALSE(read_idx_images(file("long", idx(0x803, {3, 2, 2}, 13))).ok());
  EXPECT_FALSE(read_idx_images(file("none", idx(0x803, {3, 0, 2}, 0))).ok());
  EXPECT_FALSE(read_idx_images(file("empty", idx(0x803, {0, 2, 2}, 0))).ok());
  EXPECT_FALSE(read_idx_images(file("head", idx(0x803, {3}, 0))).ok());
}

TEST_F(Idx, RefusesHugeSizesBeforeItAllocates) {
  EXPECT_FALSE(read_idx_images(file("a", idx(0x803, {0xFFFFFFFF, 4096, 4096}, 1))).ok());
  EXPECT_THAT(read_idx_images(file("b", idx(0x803, {1, 0xFFFFFFFF, 0xFFFFFFFF}, 1))).error().message,
              HasSubstr("1x4294967295x4294967295"));
  EXPECT_FALSE(read_idx_labels(file("c", idx(0x801, {0xFFFFFFFF}, 1))).ok());
}

TEST_F(Idx, ReadsLabels) {
  const auto labels = read_idx_labels(file("labels", idx(0x801, {5}, 5)), {2, 2});
  ASSERT_TRUE(labels.ok()) << labels.error().message;
  EXPECT_THAT(*labels, ElementsAre(2, 3));
}

TEST_F(Idx, ReadsWhatGzipPacked) {
  const base::Bytes plain = idx(0x803, {3, 2, 2}, 12);
  std::string packed(1000, '\0');
  z_stream stream{};
  ASSERT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  ASSERT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  const auto set = read_idx_images(file("a.gz", base::as_bytes(packed)), {1, 1});
  ASSERT_TRUE(set.ok()) << set.error().message;
  EXPECT_THAT(set->pixels, ElementsAre(4, 5, 6, 7));
  packed.resize(packed.size() - 9);
  EXPECT_THAT(read_idx_images(file("b.gz", base::as_bytes(packed))).error().message, HasSubstr("truncated gzip"));
}

TEST_F(Idx, NamesAFileThatIsAbsent) {
  EXPECT_THAT(read_idx_images(folder_ / "nowhere").error().message, HasSubstr("nowhere"));
}

}  // namespace
}  // namespace obscura::data
