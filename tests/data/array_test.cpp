// SPDX-License-Identifier: Apache-2.0
/// Arrays of numpy as images and labels.
#include "data/array.h"

#include <gmock/gmock.h>

#include <numeric>

#include "data/npy.h"
#include "tests/data/make_arrays.h"
#include "tests/data/scratch.h"

namespace obscura::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class NumpyArray : public Scratch {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& content) const {
    return file(name, base::as_bytes(content));
  }
  /// All images of a .npy file.
  Result<Dataset> images(const std::string& content, const ImageShape& wanted) const {
    OBSCURA_TRY(Array array, open_npy(write("a.npy", content)));
    OBSCURA_TRY(const ArrayImages fitted, ArrayImages::fit(std::move(array), wanted));
    return fitted.read({});
  }
  std::string refusal(const std::string& content, const ImageShape& wanted) const {
    const auto result = images(content, wanted);
    return result.ok() ? "" : result.error().message;
  }
};

std::vector<std::uint8_t> count_up(std::size_t size) {
  std::vector<std::uint8_t> out(size);
  std::iota(out.begin(), out.end(), std::uint8_t{0});
  return out;
}

TEST_F(NumpyArray, WritesFloatsThatItReads) {
  const std::vector<float> values = {0, 0.5F, 1, 0.25F, 0.75F, 0.125F};
  const base::Bytes bytes = write_npy(values, 2, 3);
  const auto set = images(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), {1, 1, 3});
  ASSERT_TRUE(set.ok()) << set.error().message;
  EXPECT_EQ(set->count(), 2U);
  EXPECT_EQ(set->values, values);
  EXPECT_EQ((bytes.size() - values.size() * sizeof(float)) % 64, 0U) << "numbers begin at a multiple of 64 bytes";
}

TEST_F(NumpyArray, BytesAreImagesInEveryFormatOfTheHeader) {
  for (const int version : {1, 2, 3}) {
    const auto set = images(npy("|u1", "(2, 1, 2, 3)", raw(count_up(12)), version), {1, 2, 3});
    ASSERT_TRUE(set.ok()) << set.error().message;
    EXPECT_EQ(set->count(), 2U);
    EXPECT_EQ(set->pixels, count_up(12));
  }
}

TEST_F(NumpyArray, ChannelsMayBeFirstOrLastOrNoneOrFlat) {
  const std::string planes = raw(count_up(12));  // two channels of 2 x 3
  const auto pixels_of = [&](const char* shape, const ImageShape& wanted) {
    const auto set = images(npy("|u1", shape, planes), wanted);
    EXPECT_TRUE(set.ok()) << shape << ": " << set.error().message;
    return set.ok() ? set->pixels : std::vector<std::uint8_t>();
  };
  const ImageShape two{2, 2, 3}, one{1, 2, 3};
  EXPECT_EQ(pixels_of("(1, 2, 2, 3)", two), count_up(12));
  EXPECT_EQ(pixels_of("(2, 2, 3)", two), count_up(12)) << "one image without the first axis";
  EXPECT_EQ(pixels_of("(1, 12)", two), count_up(12));
  EXPECT_EQ(pixels_of("(12,)", two), count_up(12));
  EXPECT_THAT(pixels_of("(1, 2, 3, 2)", two), ElementsAre(0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11));
  EXPECT_THAT(pixels_of("(2, 3, 2)", two), ElementsAre(0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11));
  EXPECT_EQ(pixels_of("(2, 2, 3)", one), count_up(12)) << "two grey images";
  EXPECT_EQ(pixels_of("(2, 2, 3, 1)", one), count_up(12));
  EXPECT_EQ(pixels_of("(2, 6)", one), count_up(12));
}

TEST_F(NumpyArray, ChannelsAreFirstWhereBothFit) {
  const auto set = images(npy("|u1", "(1, 3, 3, 3)", raw(count_up(27))), {3, 3, 3});
  ASSERT_TRUE(set.ok()) << set.error().message;
  EXPECT_EQ(set->pixels, count_up(27));
}

TEST_F(NumpyArray, ANetworkOnAVectorTakesAsManyNumbersInAnyShape) {
  for (const char* shape : {"(2, 6)", "(2, 2, 3)", "(2, 1, 3, 2)"}) {
    const auto set = images(npy("|u1", shape, raw(count_up(12))), {1, 1, 6});
    ASSERT_TRUE(set.ok()) << shape << ": " << set.error().message;
    EXPECT_EQ(set->count(), 2U) << shape;
    EXPECT_EQ(set->shape(), (ImageShape{1, 1, 6}));
  }
  EXPECT_EQ(images(npy("|u1", "(3, 4)", raw(count_up(12))), {1, 1, 12})->count(), 1U);
}

TEST_F(NumpyArray, FloatsOfEveryWidthAreValues) {
  const std::vector<float> singles{0, 0.25F, 1, 1.0F / 3};
  const std::vector<double> doubles{0, 0.25, 1, 1.0 / 3};
  const std::vector<std::uint16_t> halves{0, 0x3400, 0x3C00, 0x3555};
  const auto single = images(npy("<f4", "(4,)", raw(singles)), {1, 2, 2});
  ASSERT_TRUE(single.ok()) << single.error().message;
  EXPECT_TRUE(single->pixels.empty());
  EXPECT_EQ(single->values, singles);
  EXPECT_EQ(images(npy("<f8", "(4,)", raw(doubles)), {1, 2, 2})->values, singles);
  EXPECT_THAT(images(npy("<f2", "(4,)", raw(halves)), {1, 2, 2})->values, ElementsAre(0, 0.25F, 1, 1365.0F / 4096));
}

TEST_F(NumpyArray, IntegersOfEveryWidthAreBytes) {
  const auto numbers = [](auto zero) { return raw(std::vector<decltype(zero)>{0, 7, 127, 1}); };
  for (const auto& [kind, content] :
       std::vector<std::pair<const char*, std::string>>{{"|i1", numbers(std::int8_t{})},
                                                        {"<i2", numbers(std::int16_t{})},
                                                        {"<u2", numbers(std::uint16_t{})},
                                                        {"<i4", numbers(std::int32_t{})},
                                                        {"<u4", numbers(std::uint32_t{})},
                                                        {"<i8", numbers(std::int64_t{})},
                                                        {"<u8", numbers(std::uint64_t{})}}) {
    const auto set = images(npy(kind, "(4,)", content), {1, 2, 2});
    ASSERT_TRUE(set.ok()) << kind << ": " << set.error().message;
    EXPECT_THAT(set->pixels, ElementsAre(0, 7, 127, 1)) << kind;
  }
}

TEST_F(NumpyArray, NumbersThatAreNoPixelsAreRefused) {
  const auto floats = [&](float x) { return refusal(npy("<f4", "(1, 4)", raw<float>({0, 0, x, 0})), {1, 2, 2}); };
  EXPECT_THAT(floats(255),
              AllOf(HasSubstr("image 0"), HasSubstr("255"), HasSubstr("pixel / 255"), HasSubstr("--mean")));
  EXPECT_THAT(floats(-0.1F), HasSubstr("-0.1"));
  EXPECT_THAT(floats(std::nanf("")), HasSubstr("nan"));
  EXPECT_THAT(refusal(npy("<i2", "(1, 4)", raw<std::int16_t>({0, 256, 0, 0})), {1, 2, 2}), HasSubstr("256"));
  EXPECT_THAT(refusal(npy("|i1", "(1, 4)", raw<std::int8_t>({0, -1, 0, 0})), {1, 2, 2}), HasSubstr("-1"));
}

TEST_F(NumpyArray, WhatIsNotReadIsRefusedWithAWayOut) {
  const std::string four = raw(count_up(4)), way_out = "ascontiguousarray";
  EXPECT_THAT(refusal(npy_of("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 2), }", four), {1, 2, 2}),
              HasSubstr(way_out));
  EXPECT_THAT(refusal(npy(">f4", "(1,)", four), {1, 1, 1}), AllOf(HasSubstr("'>f4'"), HasSubstr("astype")));
  EXPECT_THAT(refusal(npy("|b1", "(4,)", four), {1, 2, 2}), HasSubstr("'|b1'"));
  EXPECT_THAT(refusal(npy_of("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (1,), }", four), {1, 1, 1}),
              HasSubstr("records"));
  EXPECT_THAT(refusal(npy("|u1", "(4,)", four, 4), {1, 2, 2}), HasSubstr("format 4"));
  EXPECT_THAT(refusal(npy("|u1", "(4, 7, 9)", raw(count_up(252))), {3, 2, 2}),
              AllOf(HasSubstr("4x7x9"), HasSubstr("n x 3x2x2"), HasSubstr("n x 2x2x3"), HasSubstr("n x 12")));
}

TEST_F(NumpyArray, SizesThatTheFileDoesNotHoldAreRefusedBeforeAnythingIsAllocated) {
  const std::string four = raw(count_up(4));
  for (const char* shape : {"(5,)", "(3,)", "(0,)", "(2, 0)", "()", "(4294967296, 4294967296)",
                            "(18446744073709551615, 2)", "(1,1,1,1,1,1,1,1,4)"}) {
    EXPECT_FALSE(images(npy("|u1", shape, four), {1, 2, 2}).ok()) << shape;
  }
}

TEST_F(NumpyArray, DamagedHeadersEndInASentence) {
  const std::string whole = npy("|u1", "(4,)", raw(count_up(4)));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(refusal(whole.substr(0, size), {1, 2, 2}), "") << size;
  }
  for (std::size_t bit = 0; bit < 8 * 74; ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    (void)images(flipped, {1, 2, 2});  // anything but a crash
  }
  for (const char* header : {"", "{", "{}", "{'descr': '|u1'}", "{'descr': '|u1', 'fortran_order': 0, 'shape': (4,)}",
                             "{'descr': '|u1', 'fortran_order': False, 'shape': (4, }",
                             "{'descr': '|u1, 'fortran_order': False, 'shape': (4,)}"}) {
    EXPECT_THAT(refusal(npy_of(header, raw(count_up(4))), {1, 2, 2}), HasSubstr("header")) << header;
  }
}

TEST_F(NumpyArray, LabelsAreWholeNumbersInOneRowOrColumn) {
  const auto labels = [&](const std::string& content) -> Result<std::vector<std::uint16_t>> {
    OBSCURA_TRY(const Array array, open_npy(write("y.npy", content)));
    return labels_of(array, {1, 2});
  };
  EXPECT_THAT(*labels(npy("<i8", "(3,)", raw<std::int64_t>({5, 0, 999}))), ElementsAre(0, 999));
  EXPECT_THAT(*labels(npy("|u1", "(3, 1)", raw<std::uint8_t>({5, 6, 7}))), ElementsAre(6, 7));
  EXPECT_THAT(*labels(npy("<f4", "(3,)", raw<float>({5, 6, 7}))), ElementsAre(6, 7));
  EXPECT_THAT(labels(npy("<f4", "(3,)", raw<float>({5, 6.5F, 7}))).error().message, HasSubstr("label 1 is 6.5"));
  EXPECT_THAT(labels(npy("<i8", "(3,)", raw<std::int64_t>({5, 6, -1}))).error().message, HasSubstr("label 2 is -1"));
  EXPECT_THAT(labels(npy("|u1", "(1, 3)", raw<std::uint8_t>({5, 6, 7}))).error().message, HasSubstr("n x 1"));
}

TEST_F(NumpyArray, ArchivesGiveTheirImagesAndLabels) {
  for (const bool deflated : {false, true}) {
    ZipMaker zip;
    zip.add("other.npy", npy("|u1", "(4,)", raw(count_up(4))), deflated);
    zip.add("y.npy", npy("<i8", "(2,)", raw<std::int64_t>({3, 1})), deflated);
    zip.add("x.npy", npy("|u1", "(2, 2, 3)", raw(count_up(12))), deflated);
    const auto path = write("a.npz", zip.bytes());
    auto images = open_npz(path, Content::images);
    ASSERT_TRUE(images.ok()) << images.error().message;
    const auto fitted = ArrayImages::fit(**images, {1, 2, 3});
    ASSERT_TRUE(fitted.ok()) << fitted.error().message;
    EXPECT_EQ(fitted->read({})->pixels, count_up(12));
    const auto labels = open_npz(path, Content::labels);
    ASSERT_TRUE(labels.ok()) << labels.error().message;
    EXPECT_THAT(*labels_of(**labels, {}), ElementsAre(3, 1));
  }
}

TEST_F(NumpyArray, TheFirstArrayOfAnArchiveThatIsNoneOfLabelsIsImages) {
  ZipMaker zip;
  zip.add("labels.npy", npy("|u1", "(1,)", "\1"), true);
  zip.add("arr_0.npy", npy("|u1", "(4,)", raw(count_up(4))), true);
  const auto path = write("a.npz", zip.bytes());
  const auto images = open_npz(path, Content::images);
  ASSERT_TRUE(images.ok()) << images.error().message;
  EXPECT_THAT((*images)->name, HasSubstr("arr_0.npy"));
  ZipMaker only;
  only.add("y.npy", npy("|u1", "(1,)", "\1"), true);
  EXPECT_THAT(open_npz(write("b.npz", only.bytes()), Content::images).error().message, HasSubstr("without an array"));
  ZipMaker none;
  none.add("arr_0.npy", npy("|u1", "(1,)", "\1"), true);
  EXPECT_FALSE(open_npz(write("c.npz", none.bytes()), Content::labels)->has_value());
}

TEST_F(NumpyArray, DamagedArchivesEndInASentence) {
  ZipMaker zip;
  zip.add("x.npy", npy("|u1", "(4,)", raw(count_up(4))), true);
  const std::string whole = zip.bytes();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(open_npz(write("cut.npz", whole.substr(0, size)), Content::images).ok()) << size;
  }
  std::size_t refused = 0;
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    const auto images = open_npz(write("flipped.npz", flipped), Content::images);
    refused += images.ok() ? 0 : 1;
  }
  EXPECT_GT(refused, 8 * whole.size() / 2) << "the checksum holds the content";
}

}  // namespace
}  // namespace obscura::data
