// SPDX-License-Identifier: Apache-2.0
#include "plan/diagonals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <tuple>

#include "plan/diagonal_weights.h"

namespace obscura::plan {
namespace {

/// A convolution of 3x3 with padding over planes of side x side, as blocks: one for each position.
ckks::IntegerMap convolution(std::uint32_t in, std::uint32_t out, std::uint32_t side, std::uint32_t stride,
                             bool alike) {
  std::mt19937 random(7);
  std::uniform_int_distribution<std::int32_t> weight(-9, 9);
  ckks::IntegerMap map;
  const std::uint32_t to = side / stride;
  map.inputs = in * side * side;
  map.outputs = out * to * to;
  std::map<std::uint32_t, std::uint32_t> matrix_of;  // by the taps that are inside
  std::vector<std::int32_t> kernel(std::size_t{out} * in * 9);
  for (std::int32_t& w : kernel) w = weight(random);
  for (std::uint32_t y = 0; y < to; ++y) {
    for (std::uint32_t x = 0; x < to; ++x) {
      ckks::IntegerBlock block;
      std::vector<std::uint32_t> taps;
      std::uint32_t mask = 0;
      for (std::uint32_t c = 0; c < in; ++c) {
        for (std::uint32_t t = 0; t < 9; ++t) {
          const std::uint32_t row = y * stride + t / 3, column = x * stride + t % 3;  // one too large each
          if (row < 1 || column < 1 || row > side || column > side) continue;
          block.inputs.push_back((c * side + row - 1) * side + column - 1);
          taps.push_back(c * 9 + t);
          mask |= 1U << t;
        }
      }
      for (std::uint32_t o = 0; o < out; ++o) block.outputs.push_back((o * to + y) * to + x);
      const auto next = static_cast<std::uint32_t>(map.matrices.size());
      const auto [found, fresh] = matrix_of.emplace(alike ? mask : next, next);
      if (fresh) {
        ckks::IntegerMatrix matrix{out, static_cast<std::uint32_t>(taps.size()), {}};
        for (std::uint32_t o = 0; o < out; ++o) {
          for (const std::uint32_t t : taps) {
            matrix.data.push_back(alike ? kernel[std::size_t{o} * in * 9 + t] : weight(random));
          }
        }
        map.matrices.push_back(matrix);
      }
      block.matrix = found->second;
      map.blocks.push_back(block);
    }
  }
  return map;
}

/// Planes of side x side one after the other, every `column` positions.
Layout planes(std::uint32_t channels, std::uint32_t side, std::uint32_t column, std::uint32_t period,
              std::uint32_t images) {
  Layout out;
  out.channels = channels;
  out.height = out.width = side;
  out.row = side * column * column;
  out.column = column;
  out.period = period;
  out.sharing.images = images;
  const std::uint32_t block = side * side * column * column, fit = period / block;
  for (std::uint32_t c = 0; c < channels; ++c) {
    const std::uint32_t gap = c / fit % column, place = c % fit;
    out.units.push_back({c / (fit * column), place * block + gap});
  }
  return out;
}

/// Those of several images are those of one, or of two one after the other, said again for so many.
void expect_those_of_fewest_images(const Transform& transform, std::uint64_t slots) {
  const std::uint32_t images = transform.to.sharing.images;
  Transform one = transform;
  one.from.sharing.images = one.to.sharing.images = transform.to.sharing.interleaved() ? 1 : 2;
  const Diagonals direct(map_between(transform), slots);
  const Diagonals shared(Diagonals(map_between(one), slots / images * one.to.sharing.images), images);
  EXPECT_EQ(shared.places(), direct.places());
  EXPECT_EQ(shared.slots(), direct.slots());
  EXPECT_EQ(shared.sharing(), direct.sharing());
  EXPECT_EQ(shared.period(), direct.period());
  EXPECT_EQ(shared.entries(), direct.entries());
  for (std::size_t k = 0; k < direct.places().size(); ++k) EXPECT_EQ(shared.square(k), direct.square(k));
  for (std::uint32_t o = 0; o < transform.to.ciphertexts(); ++o) {
    EXPECT_EQ(shared.written(o), direct.written(o));
    ASSERT_EQ(shared.numbers(o).size(), direct.numbers(o).size());
    for (std::size_t k = 0; k < direct.numbers(o).size(); ++k) {
      const ckks::DiagonalNumbers &a = shared.numbers(o)[k], &b = direct.numbers(o)[k];
      EXPECT_EQ(std::tie(a.period, a.square, a.copies, a.few), std::tie(b.period, b.square, b.copies, b.few));
    }
  }
}

/// Everything that is said of the diagonals, from their weights one by one.
void expect_sums(const Transform& transform, std::uint64_t slots) {
  const Result<void> verified = verify_transform(transform, slots, "test");
  ASSERT_TRUE(verified.ok()) << verified.error().message;
  expect_those_of_fewest_images(transform, slots);
  const Diagonals diagonals(map_between(transform), slots);
  const DiagonalWeights weights(map_between(transform), diagonals);
  const std::uint64_t positions = transform.to.positions(slots);
  std::map<std::uint32_t, std::vector<bool>> written;
  std::uint64_t period = 1, entries = 0;
  std::size_t first = 0;
  for (std::size_t k = 0; k < diagonals.places().size(); ++k) {
    const std::uint32_t output = diagonals.places()[k].output;
    EXPECT_TRUE(k == 0 || diagonals.places()[k - 1] < diagonals.places()[k]) << k;
    if (k > 0 && diagonals.places()[k - 1].output != output) first = k;
    written[output].resize(positions);
    std::vector<double> all(positions, 0);
    double square = 0, first_square = 0;
    std::uint64_t in_first = 0;
    for (const auto& [position, weight] : weights.of(k)) {
      all[position] += weight;
      const double own = double{weight} * weight / transform.weight_scale / transform.weight_scale;
      square += own;
      first_square += position < transform.to.period ? own : 0;
      written[output][position] = true;
      in_first += position < transform.to.period ? 1 : 0;
    }
    entries += weights.of(k).size();
    EXPECT_EQ(diagonals.entries(k), weights.of(k).size());
    EXPECT_NEAR(diagonals.square(k), square, 1e-12 * square);
    const bool repeats = in_first * transform.to.copies(slots) == weights.of(k).size();
    const ckks::DiagonalNumbers& numbers = diagonals.numbers(output)[k - first];
    EXPECT_EQ(numbers.period, static_cast<double>(repeats ? transform.to.period * transform.to.sharing.step() : slots));
    EXPECT_EQ(numbers.copies * numbers.period, static_cast<double>(slots));
    const std::uint64_t count = (repeats ? in_first : weights.of(k).size()) * transform.to.sharing.step();
    EXPECT_EQ(numbers.few.size(), count <= ckks::kFewNumbers ? count : 0);
    double few = 0;
    for (const double w : numbers.few) few += w * w;
    if (count <= ckks::kFewNumbers) {
      EXPECT_NEAR(numbers.square, few, 1e-12 * few);
    }
    EXPECT_NEAR(numbers.square, (repeats ? first_square : square) * transform.to.sharing.step(), 1e-9 * square)
        << repeats;
    for (std::uint64_t p = positions; p > period;) {
      p /= 2;
      bool same = true;
      for (std::uint64_t j = 0; j < positions; ++j) same = same && all[j] == all[(j + p) % positions];
      if (!same) period = 2 * p;
      if (!same) break;
    }
  }
  EXPECT_EQ(diagonals.entries(), entries);
  EXPECT_EQ(diagonals.period(), period > 1 ? period * transform.to.sharing.step() : 1);
  for (const auto& [output, own] : written) {
    EXPECT_EQ(diagonals.written(output), static_cast<std::size_t>(std::count(own.begin(), own.end(), true)));
    for (std::uint64_t p = 0; p < positions; ++p) EXPECT_EQ(diagonals.writes(output, p), own[p]) << p;
  }
}

Transform transform_of(const ckks::IntegerMap& map, const Layout& from, const Layout& to,
                       const std::vector<std::uint32_t>& spread = {}) {
  Transform out;
  out.map = map;
  out.weight_scale = 3;
  out.bias.assign(map.outputs, 1);
  out.from = from;
  out.to = to;
  out.spread = spread;
  return out;
}

TEST(Diagonals, OfAConvolutionSayWhatItsWeightsAddUpTo) {
  for (const bool alike : {true, false}) {
    const ckks::IntegerMap map = convolution(4, 4, 8, 1, alike);
    expect_sums(transform_of(map, planes(4, 8, 1, 256, 1), planes(4, 8, 1, 256, 1)), 256);
    expect_sums(transform_of(map, planes(4, 8, 1, 256, 1), planes(4, 8, 1, 256, 1)), 1024);
    expect_sums(transform_of(map, planes(4, 8, 1, 256, 2), planes(4, 8, 1, 256, 2)), 1024);
    expect_sums(transform_of(map, planes(4, 8, 1, 128, 1), planes(4, 8, 1, 256, 1)), 1024);
  }
}

/// As `layout`, for images one after the other.
Layout one_after_the_other(Layout layout, std::uint32_t images) {
  layout.sharing = {images, layout.period};
  return layout;
}

TEST(Diagonals, OfImagesOneAfterTheOtherSayWhatTheirWeightsAddUpTo) {
  for (const bool alike : {true, false}) {
    const Layout from = one_after_the_other(planes(4, 8, 1, 256, 1), 4);
    expect_sums(transform_of(convolution(4, 4, 8, 1, alike), from, from), 1024);
    expect_sums(transform_of(convolution(4, 4, 8, 2, alike), from, one_after_the_other(planes(4, 4, 2, 256, 1), 4)),
                1024);
    // Two input ciphertexts, two images: as few as there may be.
    const Layout two = one_after_the_other(planes(4, 8, 1, 128, 1), 2);
    expect_sums(transform_of(convolution(4, 4, 8, 1, alike), two, two), 256);
  }
  // Parts would be folded around an image's positions.
  const Transform parts = transform_of(convolution(4, 2, 8, 2, true), one_after_the_other(planes(4, 8, 1, 256, 1), 2),
                                       one_after_the_other(planes(2, 4, 1, 256, 1), 2), {64, 128});
  EXPECT_THAT(verify_transform(parts, 512, "test").error().message,
              ::testing::HasSubstr("in parts, of images one after"));
}

TEST(Diagonals, OfAStrideHaveCopiesOfOutputsThatReadOtherPlaces) {
  for (const bool alike : {true, false}) {
    const ckks::IntegerMap map = convolution(4, 4, 8, 2, alike);
    expect_sums(transform_of(map, planes(4, 8, 1, 256, 1), planes(4, 4, 2, 256, 1)), 512);
    expect_sums(transform_of(map, planes(4, 8, 1, 256, 1), planes(4, 4, 2, 128, 1)), 512);
    expect_sums(transform_of(map, planes(4, 8, 1, 256, 4), planes(4, 4, 1, 64, 4)), 2048);
  }
}

TEST(Diagonals, OfPartsSayWhatTheirWeightsAddUpTo) {
  for (const bool alike : {true, false}) {
    const ckks::IntegerMap map = convolution(4, 2, 8, 2, alike);
    expect_sums(transform_of(map, planes(4, 8, 1, 256, 1), planes(2, 4, 1, 256, 1), {64, 128}), 512);
    expect_sums(transform_of(map, planes(4, 8, 1, 256, 2), planes(2, 4, 1, 256, 2), {64, 128}), 1024);
    // Parts of outputs that repeat more often than the inputs.
    expect_sums(transform_of(map, planes(4, 8, 1, 256, 1), planes(2, 4, 1, 64, 1), {16}), 512);
  }
}

TEST(Diagonals, ThatAreOneNumberRepeatAfterAPosition) {
  ckks::IntegerMap same;
  same.inputs = same.outputs = 64;
  same.matrices.push_back({1, 1, {5}});
  for (std::uint32_t e = 0; e < 64; ++e) same.blocks.push_back({0, {e}, {e}});
  const Layout layout = planes(1, 8, 1, 64, 1);
  expect_sums(transform_of(same, layout, layout), 256);
  expect_sums(transform_of(same, planes(1, 8, 1, 64, 4), planes(1, 8, 1, 64, 4)), 1024);
  EXPECT_EQ(Diagonals(map_between(transform_of(same, layout, layout)), 256).period(), 1U);
}

}  // namespace
}  // namespace obscura::plan
