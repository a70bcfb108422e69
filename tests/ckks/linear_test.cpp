// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "tests/ckks/fixture.h"

namespace obscura::ckks {
namespace {

IntegerMap overlapping_map() {
  // Two windows of three over four inputs share one 2 x 3 matrix; a third block has its own.
  IntegerMap map;
  map.inputs = 4;
  map.outputs = 5;
  map.matrices = {{2, 3, {1, -2, 100, 0, 511, -511}}, {1, 4, {7, 7, 7, -7}}};
  map.blocks = {{0, {0, 1, 2}, {0, 2}}, {0, {1, 2, 3}, {1, 3}}, {1, {3, 2, 1, 0}, {4}}};
  return map;
}

TEST(Linear, IsTheIntegerMatrixProductOverTheWeightScalePlusBias) {
  const World world(make_params(13, 48, 3, 1, 1));
  const PreparedMap map(overlapping_map());
  EXPECT_EQ(map.map().multiplications(), 16U);
  const std::vector<double> bias = {0, 1.5, -2.25, 0, 1e-3};
  std::vector<std::vector<double>> slots;
  std::vector<Ciphertext> x;
  for (unsigned i = 0; i < 4; ++i) {
    slots.push_back(world.random_slots(1, i));
    x.push_back(world.encrypt(slots.back(), 0x1p36, 3));
  }
  const auto y = apply(*world.context, map, 512, bias, std::span<const Ciphertext>(x));
  ASSERT_EQ(y.size(), 5U);
  for (const IntegerBlock& block : map.map().blocks) {
    const IntegerMatrix& matrix = map.map().matrices[block.matrix];
    for (std::size_t r = 0; r < matrix.rows; ++r) {
      const std::uint32_t o = block.outputs[r];
      double norm = 0;
      for (std::size_t c = 0; c < matrix.cols; ++c) norm = std::hypot(norm, matrix.data[r * matrix.cols + c]);
      EXPECT_EQ(y[o].scale, 0x1p45);
      expect_predicted(world.error(y[o],
                                   [&](std::size_t j) {
                                     double sum = 0;
                                     for (std::size_t c = 0; c < matrix.cols; ++c) {
                                       sum += matrix.data[r * matrix.cols + c] * slots[block.inputs[c]][j];
                                     }
                                     return sum / 512 + bias[o];
                                   }),
                       norm * noise_of_encryption(world.context->params()) / y[o].scale);
    }
  }
}

TEST(Linear, SomeBlocksGiveTheirOutputsAndNeedTheirInputsOnly) {
  const World world(make_params(13, 48, 3, 1, 1));
  const PreparedMap map(overlapping_map());
  const std::vector<double> bias(5, 0.25);
  std::vector<Ciphertext> x;
  for (unsigned i = 0; i < 4; ++i) x.push_back(world.encrypt(world.random_slots(1, i), 0x1p36, 3));
  const auto whole = apply(*world.context, map, 512, bias, x);
  for (std::uint32_t b = 0; b < map.map().blocks.size(); ++b) {
    const IntegerBlock& block = map.map().blocks[b];
    std::vector<Ciphertext> some(4), y(5);
    for (const auto i : block.inputs) some[i] = x[i];
    apply(*world.context, map, std::span(&b, 1), 512, bias, some, y);
    for (std::size_t o = 0; o < y.size(); ++o) {
      const bool mine = std::ranges::find(block.outputs, o) != block.outputs.end();
      ASSERT_EQ(y[o].parts.size(), mine ? 2U : 0U);
      if (!mine) continue;
      EXPECT_EQ(y[o].scale, whole[o].scale);
      for (std::size_t part = 0; part < 2; ++part) {
        for (std::size_t i = 0; i < 3; ++i) {
          EXPECT_TRUE(std::ranges::equal(y[o].parts[part].residues(i), whole[o].parts[part].residues(i)));
        }
      }
    }
  }
}

TEST(Linear, KeepsThreeParts) {
  const World world(make_params(13, 48, 3, 1, 1));
  const auto a = world.random_slots(1, 1);
  const Ciphertext x = world.encrypt(a, 0x1p36, 3);
  IntegerMap map;
  map.inputs = 1, map.outputs = 1;
  map.matrices = {{1, 1, {-3}}};
  map.blocks = {{0, {0}, {0}}};
  const std::vector<Ciphertext> square = {multiply(*world.context, x, x)};
  const auto y = apply(*world.context, PreparedMap(map), 4, std::vector<double>{0.5}, square);
  EXPECT_EQ(y[0].parts.size(), 3U);
  EXPECT_LT(world.error(y[0], [&](std::size_t j) { return -0.75 * a[j] * a[j] + 0.5; }), 0x1p-20);
}

/// Windows wide enough for products by digits, one that is too small, one whose weights have three digits, and one that
/// reads an input twice.
IntegerMap mixed_map() {
  IntegerMap map;
  map.inputs = 100;
  map.matrices = {{17, 67, {}}, {2, 67, {}}, {17, 67, {}}};
  std::int32_t w = 1;
  for (IntegerMatrix& matrix : map.matrices) {
    for (std::uint32_t i = 0; i < matrix.rows * matrix.cols; ++i) {
      w = (w * 7919 + 13) % 32633;
      matrix.data.push_back(i % 3 == 0 ? -w : w);
    }
  }
  map.matrices[2].data[5] = 1 << 20;
  for (const auto& [matrix, first] : {std::pair{0U, 0U}, {0U, 9U}, {0U, 33U}, {1U, 3U}, {2U, 20U}, {0U, 30U}}) {
    IntegerBlock block{matrix, {}, {}};
    for (std::uint32_t c = 0; c < 67; ++c) block.inputs.push_back(first + c);
    for (std::uint32_t r = 0; r < map.matrices[matrix].rows; ++r) block.outputs.push_back(map.outputs++);
    map.blocks.push_back(block);
  }
  map.blocks.back().inputs[8] = map.blocks.back().inputs[7];
  return map;
}

TEST(Linear, EveryInstructionSetGivesTheSameResidues) {
  const Params params = make_params(13, 49, 1, 1, 1);
  const World world(params);
  const PreparedMap map(mixed_map());
  const std::vector<double> bias(map.map().outputs, -1.25);
  std::vector<Ciphertext> x;
  for (unsigned i = 0; i < map.map().inputs; ++i) x.push_back(world.encrypt(world.random_slots(1, i), 0x1p30, 1));
  const auto portable = Context::make(params, Resources::make(*kernels::named("portable")));
  const auto truth = apply(*portable, map, 512, bias, x);
  const auto p = static_cast<double>(world.context->basis().prime(0));
  for (const kernels::Kernels* kernels : kernels::available()) {
    const auto y = apply(*Context::make(params, Resources::make(*kernels)), map, 512, bias, x);
    for (std::size_t o = 0; o < y.size(); ++o) {
      for (std::size_t part = 0; part < 2; ++part) {
        const auto got = y[o].parts[part].residues(0), want = truth[o].parts[part].residues(0);
        for (std::size_t j = 0; j < got.size(); ++j) {
          ASSERT_LE(std::abs(got[j]), 0.6 * p);
          ASSERT_EQ(std::remainder(got[j] - want[j], p), 0) << kernels->name << " output " << o << " at " << j;
        }
      }
    }
  }
}

TEST(Linear, BlocksThatReadMoreThanIsPackedAtATimeGiveWhatEachGivesAlone) {
  const World world(make_params(12, 35, 1, 1, 1));
  IntegerMap map;
  map.inputs = 2250;
  map.matrices = {{13, 900, {}}};
  for (std::int32_t i = 0; i < 13 * 900; ++i) map.matrices[0].data.push_back(i * 31 % 1021 - 510);
  for (std::uint32_t b = 0; b < 4; ++b) {
    IntegerBlock& block = map.blocks.emplace_back();
    for (std::uint32_t c = 0; c < 900; ++c) block.inputs.push_back(450 * b + c);
    for (std::uint32_t r = 0; r < 13; ++r) block.outputs.push_back(map.outputs++);
  }
  const PreparedMap prepared(map);
  const std::vector<double> bias(map.outputs, 0.5);
  std::vector<Ciphertext> x;
  for (unsigned i = 0; i < 7; ++i) x.push_back(world.encrypt(world.random_slots(1, i), 0x1p30, 1));
  for (unsigned i = 7; i < map.inputs; ++i) x.push_back(x[i * i % 7]);
  const auto whole = apply(*world.context, prepared, 512, bias, x);
  for (std::uint32_t b = 0; b < 4; ++b) {
    std::vector<Ciphertext> y(map.outputs);
    apply(*world.context, prepared, std::span(&b, 1), 512, bias, x, y);
    for (const std::uint32_t o : map.blocks[b].outputs) {
      for (std::size_t part = 0; part < 2; ++part) {
        EXPECT_TRUE(std::ranges::equal(y[o].parts[part].residues(0), whole[o].parts[part].residues(0)));
      }
    }
  }
}

TEST(Linear, BrokenMapsThrow) {
  IntegerMap map = overlapping_map();
  map.blocks[0].inputs[0] = 4;
  EXPECT_THROW(PreparedMap{map}, ContractError);
  map = overlapping_map();
  map.matrices[0].data[0] = 1 << 28;
  EXPECT_THROW(PreparedMap{map}, ContractError);
  map = overlapping_map();
  map.blocks[2].matrix = 2;
  EXPECT_THROW(PreparedMap{map}, ContractError);
}

}  // namespace
}  // namespace obscura::ckks
