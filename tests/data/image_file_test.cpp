// SPDX-License-Identifier: Apache-2.0
/// Files of every kind are known by their content; folders give pictures by their names.
#include "data/image_file.h"

#include <gmock/gmock.h>

#include "data/png.h"
#include "tests/data/make_arrays.h"
#include "tests/data/make_jpeg.h"
#include "tests/data/scratch.h"

namespace obscura::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Files : public Scratch {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& content) const {
    return file(name, base::as_bytes(content));
  }
  std::filesystem::path grey_png(const std::string& name, std::uint8_t value) const {
    return file(name, encode_png(std::vector<std::uint8_t>(6, value), 1, 2, 3));
  }
};

TEST_F(Files, AreKnownByTheirContentWhateverTheirNames) {
  const ImageShape wanted{1, 2, 3};
  const std::string six("\1\2\3\4\5\6");
  ZipMaker zip;
  zip.add("x.npy", npy("|u1", "(1, 6)", six), true);
  struct Case {
    std::filesystem::path path;
    bool picture;
  };
  for (const Case& one :
       {Case{grey_png("a", 7), true}, Case{file("b", make_jpeg(std::vector<std::uint8_t>(6, 9), 1, 2, 3)), true},
        Case{write("c", npy("|u1", "(1, 6)", six)), false}, Case{write("d", zip.bytes()), false},
        Case{file("e.png", idx(0x803, {1, 2, 3}, 6)), false}}) {
    const auto opened = open_image_file(one.path, wanted);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    EXPECT_EQ(opened->count, 1U);
    EXPECT_EQ(opened->picture, one.picture) << one.path;
    const auto image = opened->read({});
    ASSERT_TRUE(image.ok()) << image.error().message;
    EXPECT_EQ(image->shape(), wanted);
    EXPECT_TRUE(image->labels.empty());
  }
}

TEST_F(Files, OfCifarHaveLabelsOfOneOrTwoBytes) {
  const ImageShape wanted{3, 32, 32};
  base::Bytes ten(2 * 3073, std::byte{1}), hundred(2 * 3074, std::byte{2});
  ten[3073] = std::byte{9};
  hundred[3074 + 1] = std::byte{99};
  const auto of_ten = open_image_file(file("ten", ten), wanted),
             of_hundred = open_image_file(file("h", hundred), wanted);
  ASSERT_TRUE(of_ten.ok()) << of_ten.error().message;
  ASSERT_TRUE(of_hundred.ok()) << of_hundred.error().message;
  EXPECT_THAT(of_ten->read({})->labels, ElementsAre(1, 9));
  EXPECT_THAT(of_hundred->read({})->labels, ElementsAre(2, 99));
  EXPECT_EQ(of_hundred->read({})->pixels, std::vector<std::uint8_t>(2 * 3072, 2));
  EXPECT_EQ(open_image_file(file("v", ten), {1, 1, 3072})->read({})->shape(), (ImageShape{1, 1, 3072}));
  EXPECT_THAT(open_image_file(file("w", ten), {1, 28, 28}).error().message,
              AllOf(HasSubstr("3x32x32"), HasSubstr("1x28x28")));
  ten[0] = ten[1] = std::byte{0};
  ten[2] = std::byte{8};  // as an idx file begins
  EXPECT_THAT(open_image_file(file("idx?", ten), wanted)->read({})->labels, ElementsAre(0, 9));
}

TEST_F(Files, OfArchivesHaveTheirLabels) {
  ZipMaker zip;
  zip.add("images.npy", npy("|u1", "(3, 1)", "abc"), false);
  zip.add("labels.npy", npy("|u1", "(3,)", "\4\5\6"), true);
  const auto opened = open_image_file(write("a.npz", zip.bytes()), {1, 1, 1});
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  EXPECT_THAT(opened->read({1, 2})->labels, ElementsAre(5, 6));
  ZipMaker fewer;
  fewer.add("images.npy", npy("|u1", "(3, 1)", "abc"), false);
  fewer.add("labels.npy", npy("|u1", "(2,)", "\4\5"), true);
  EXPECT_THAT(open_image_file(write("b.npz", fewer.bytes()), {1, 1, 1}).error().message,
              HasSubstr("2 labels for 3 images"));
}

TEST_F(Files, OfNoKindAreRefusedNamingTheKinds) {
  EXPECT_THAT(open_image_file(write("a", "hello"), {1, 2, 3}).error().message,
              AllOf(HasSubstr("PNG"), HasSubstr("JPEG"), HasSubstr(".npy"), HasSubstr("idx")));
  EXPECT_FALSE(open_image_file(write("empty", ""), {1, 2, 3}).ok());
  EXPECT_THAT(open_image_file(folder_ / "nowhere", {1, 2, 3}).error().message, HasSubstr("nowhere"));
}

TEST_F(Files, InAFolderComeByTheirNames) {
  for (const char* name : {"b.png", "a.PNG", "c.JPG", "d.jpeg", ".hidden"}) write(std::string("f/") + name, "");
  const auto pictures = list_pictures(folder_ / "f");
  ASSERT_TRUE(pictures.ok()) << pictures.error().message;
  std::vector<std::string> names;
  for (const auto& path : pictures->files) names.push_back(path.filename().string());
  EXPECT_THAT(names, ElementsAre("a.PNG", "b.png", "c.JPG", "d.jpeg"));
  EXPECT_TRUE(pictures->labels.empty());
}

TEST_F(Files, InAFolderForEachClassHaveItsNumber) {
  for (const char* name : {"f/dog/x.png", "f/cat/z.png", "f/cat/y.png", "f/.git/config"}) write(name, "");
  std::filesystem::create_directories(folder_ / "f" / "cow");
  const auto pictures = list_pictures(folder_ / "f");
  ASSERT_TRUE(pictures.ok()) << pictures.error().message;
  EXPECT_THAT(pictures->class_names, ElementsAre("cat", "cow", "dog"));
  EXPECT_THAT(pictures->labels, ElementsAre(0, 0, 2));
  EXPECT_EQ(pictures->files[1], folder_ / "f/cat/z.png");
}

TEST_F(Files, OfFoldersThatMixAreRefused) {
  write("a/x.png", "");
  write("a/cat/x.png", "");
  EXPECT_THAT(list_pictures(folder_ / "a").error().message, HasSubstr("pictures and folders"));
  write("b/x.png", "");
  write("b/x.bmp", "");
  EXPECT_THAT(list_pictures(folder_ / "b").error().message, AllOf(HasSubstr("x.bmp"), HasSubstr(".png")));
  write("c/cat/black/x.png", "");
  EXPECT_THAT(list_pictures(folder_ / "c").error().message, HasSubstr("black"));
  std::filesystem::create_directories(folder_ / "d");
  EXPECT_THAT(list_pictures(folder_ / "d").error().message, HasSubstr("no pictures"));
  EXPECT_FALSE(list_pictures(folder_ / "nowhere").ok());
}

TEST_F(Files, OfLabelsAreReadInEveryKind) {
  ZipMaker zip;
  zip.add("labels.npy", npy("|u1", "(3,)", "\7\10\11"), true);
  for (const auto& path : {file("idx", idx(0x801, {10}, 10)),
                           write("a.npy", npy("|u1", "(10,)", std::string("\0\1\2\3\4\5\6\7\10\11", 10))),
                           write("a.txt", "0\n1\n2\n3\n4\n5\n6\n7\n8\n9"),
                           write("b.txt", "0\r\n1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\r\n8\r\n9\r\n")}) {
    const auto labels = read_label_file(path, {7, 3});
    ASSERT_TRUE(labels.ok()) << labels.error().message;
    EXPECT_THAT(*labels, ElementsAre(7, 8, 9)) << path;
  }
  EXPECT_THAT(*read_label_file(write("a.npz", zip.bytes())), ElementsAre(7, 8, 9));
  EXPECT_THAT(read_label_file(write("bad.txt", "0\ncat\n")).error().message, HasSubstr("line 2"));
  EXPECT_THAT(read_label_file(write("large.txt", "65536\n")).error().message, HasSubstr("65535"));
  EXPECT_FALSE(read_label_file(write("empty.txt", "")).ok());
  EXPECT_THAT(read_label_file(grey_png("a.png", 1)).error().message, HasSubstr("not a file of labels"));
}

TEST_F(Files, BytesAndFloatsTogetherBecomeFloats) {
  Dataset bytes, floats;
  bytes.height = bytes.width = floats.height = floats.width = 1;
  bytes.pixels = {51};
  bytes.labels = {3};
  floats.values = {0.3F};
  floats.labels = {4};
  Dataset both = bytes;
  both.append(floats);
  EXPECT_THAT(both.values, ElementsAre(0.2F, 0.3F));
  EXPECT_TRUE(both.pixels.empty());
  EXPECT_THAT(both.labels, ElementsAre(3, 4));
  floats.labels.clear();
  both.append(floats);
  EXPECT_EQ(both.count(), 3U);
  EXPECT_TRUE(both.labels.empty()) << "labels of some are labels of none";
}

}  // namespace
}  // namespace obscura::data
