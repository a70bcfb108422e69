// SPDX-License-Identifier: Apache-2.0
#include "data/sample.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "tests/data/scratch.h"

namespace obscura::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::size_t kImageBytes = 3 * kSampleSide * kSampleSide;

/// Image i: red i, green 100 + i, blue 200 + i all over; its label 300 + i.
class Sample : public Scratch {
 protected:
  void put(std::size_t images, std::size_t labels, std::size_t classes = 400) const {
    base::Bytes pixels;
    for (std::size_t i = 0; i < images; ++i) {
      for (const std::size_t plane : {0U, 100U, 200U}) {
        pixels.insert(pixels.end(), kSampleSide * kSampleSide, static_cast<std::byte>(plane + i));
      }
    }
    put_file(kSampleImages, pixels);
    base::Bytes list;
    for (std::size_t i = 0; i < labels; ++i) {
      list.push_back(static_cast<std::byte>((300 + i) & 0xFF));
      list.push_back(static_cast<std::byte>((300 + i) >> 8));
    }
    put_file(kSampleLabels, list);
    std::string names;
    for (std::size_t k = 0; k < classes; ++k) names += fmt::format("{} n{:08} class {}\n", k, k, k);
    put_file(kSampleClasses, base::as_bytes(names));
  }
  void put_file(const std::string& name, base::ByteView bytes) const { file("imagenet-sample/" + name, bytes); }
  std::string refusal(const std::string& split = "test", Range range = {}) const {
    const auto set = load("imagenet-sample", split, folder_, range);
    return set.ok() ? "read" : set.error().message;
  }
};

TEST_F(Sample, TakesEveryFifthImageForTrainingAndTheOthersForTests) {
  put(12, 12);
  const auto train = load("imagenet-sample", "train", folder_);
  ASSERT_TRUE(train.ok()) << train.error().message;
  EXPECT_THAT(train->labels, ElementsAre(300, 305, 310));
  const auto test = load("imagenet-sample", "test", folder_);
  ASSERT_TRUE(test.ok()) << test.error().message;
  EXPECT_THAT(test->labels, ElementsAre(301, 302, 303, 304, 306, 307, 308, 309, 311));
  EXPECT_EQ(test->count(), 9U);
  EXPECT_EQ(test->class_names[test->labels[3]], "class 304");
  for (std::size_t i = 0; i < test->count(); ++i) {
    const std::size_t place = test->labels[i] - 300U;
    EXPECT_EQ(test->pixels[i * kImageBytes], place);
    EXPECT_EQ(test->pixels[(i + 1) * kImageBytes - 1], 200 + place);
  }
}

TEST_F(Sample, LoadsRangesOfASplit) {
  put(12, 12);
  const auto set = load("imagenet-sample", "test", folder_, {3, 4});
  ASSERT_TRUE(set.ok()) << set.error().message;
  EXPECT_THAT(set->labels, ElementsAre(304, 306, 307, 308));
  EXPECT_EQ(set->pixels[3 * kImageBytes], 8);
  EXPECT_THAT(refusal("train", {2, 2}), AllOf(HasSubstr("2 images from image 2"), HasSubstr("3 in all")));
  const auto fewer = load("imagenet-sample", "train", folder_, {0, 10000, true});
  ASSERT_TRUE(fewer.ok()) << fewer.error().message;
  EXPECT_EQ(fewer->count(), 3U);
}

TEST_F(Sample, TakesASingleImage) {
  put(1, 1);
  EXPECT_TRUE(load("imagenet-sample", "train", folder_).ok());
  EXPECT_THAT(refusal("test"), HasSubstr("there are 0"));
}

TEST_F(Sample, RefusesFilesThatDoNotFitEachOther) {
  EXPECT_THAT(refusal(), AllOf(HasSubstr(kSampleImages), HasSubstr("docs/DATA.md"), HasSubstr("image-net.org")));
  put(3, 4);
  EXPECT_THAT(refusal(), AllOf(HasSubstr(kSampleLabels), HasSubstr("8 bytes"), HasSubstr("3 images take 6")));
  put(3, 3, 302);
  EXPECT_THAT(refusal(), AllOf(HasSubstr("label 302"), HasSubstr("0 to 301")));
  put(3, 3);
  put_file(kSampleImages, base::Bytes(kImageBytes + 1));
  EXPECT_THAT(refusal(), HasSubstr("150529 bytes"));
  put_file(kSampleImages, base::Bytes{});
  EXPECT_THAT(refusal(), HasSubstr("0 bytes"));
}

TEST_F(Sample, RefusesMoreImagesThanItsBound) {
  put(1, 1);
  // A file with a hole: nothing is read before the size is refused.
  std::filesystem::resize_file(folder_ / "imagenet-sample" / kSampleImages, (kMaxSampleImages + 1) * kImageBytes);
  EXPECT_THAT(refusal("train"), HasSubstr("1 to 10000 images"));
}

TEST(ClassList, NamesClassesInOrder) {
  EXPECT_THAT(parse_class_list("0 a tench\n1 b gold fish\n", "list").value(), ElementsAre("tench", "gold fish"));
  EXPECT_THAT(parse_class_list("0 a tench", "list").value(), ElementsAre("tench")) << "no newline at the end";
}

TEST(ClassList, RefusesOtherLinesByTheirNumber) {
  const auto refusal = [](const std::string& text) { return parse_class_list(text, "list").error().message; };
  EXPECT_THAT(refusal(""), HasSubstr("no classes"));
  for (const std::string second : {"2 b c", "1 b", "1  c", "1 b ", "", "-1 b c", "01 b c", " 1 b c"}) {
    EXPECT_THAT(refusal("0 a b\n" + second + "\n"), HasSubstr("list: line 2 is not `1 IDENTIFIER NAME`")) << second;
  }
  std::string many;
  for (std::size_t k = 0; k <= kMaxClasses; ++k) many += fmt::format("{} a b\n", k);
  EXPECT_THAT(refusal(many), HasSubstr("more than 65536"));
}

/// The sample of a machine that has it.
TEST(PublishedSample, HasTwentyImagesToTrainAndEightyToTest) {
  const char* variable = std::getenv("OBSCURA_SHARED");
  const std::filesystem::path shared =
      variable != nullptr ? std::filesystem::path(variable)
                          : std::filesystem::path(OBSCURA_SOURCE_DIR).parent_path() / "shared" / "data";
  const std::filesystem::path folder = shared / "imagenet";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is absent";
  const SampleFiles files{folder / kSampleImages, folder / kSampleLabels, folder / kSampleClasses};
  const auto train = read_sample(files, "train");
  const auto test = read_sample(files, "test");
  ASSERT_TRUE(train.ok() && test.ok());
  EXPECT_EQ(train->count(), 20U);
  EXPECT_EQ(test->count(), 80U);
  EXPECT_EQ(test->class_names.size(), 1000U);
  for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(train->labels[i], 50 * i) << "photograph k is of class 10 k";
}

}  // namespace
}  // namespace obscura::data
