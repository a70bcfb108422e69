// SPDX-License-Identifier: Apache-2.0
/// Linear transforms against plain double loops over slots.
#include "ckks/transform.h"

#include <map>
#include <set>

#include "base/parallel.h"
#include "tests/ckks/fixture.h"

namespace obscura::ckks {
namespace {

using Slots = std::vector<std::complex<double>>;

/// A transform with its numbers in memory.
struct Matrix {
  std::uint32_t inputs = 1, outputs = 1;
  std::map<Diagonal, Slots> diagonals;

  std::vector<Diagonal> places() const {
    std::vector<Diagonal> out;
    for (const auto& [place, slots] : diagonals) out.push_back(place);
    return out;
  }
  DiagonalValues values() const {
    return [this](const Diagonal& at, std::span<std::complex<double>> slots) {
      const Slots& from = diagonals.at(at);
      std::copy(from.begin(), from.end(), slots.begin());
    };
  }
  /// The scalar twin.
  std::vector<Slots> apply(const std::vector<Slots>& x) const {
    std::vector<Slots> y(outputs, Slots(x[0].size()));
    const auto n = static_cast<std::int64_t>(x[0].size());
    for (const auto& [at, slots] : diagonals) {
      for (std::int64_t j = 0; j < n; ++j) {
        const auto from = static_cast<std::size_t>(((j + at.step) % n + n) % n), to = static_cast<std::size_t>(j);
        y[at.output][to] += slots[to] * x[at.input][from];
      }
    }
    return y;
  }
};

Slots random_complex(std::size_t slots, std::mt19937_64& generator, bool real) {
  std::uniform_real_distribution<double> uniform(-1, 1);
  Slots out(slots);
  for (auto& x : out) x = {uniform(generator), real ? 0 : uniform(generator)};
  return out;
}

Matrix random_matrix(std::size_t slots, std::uint32_t inputs, std::uint32_t outputs,
                     const std::vector<std::int64_t>& steps, bool real) {
  std::mt19937_64 generator(17);
  Matrix out{inputs, outputs, {}};
  for (std::uint32_t o = 0; o < outputs; ++o) {
    for (std::uint32_t i = 0; i < inputs; ++i) {
      for (const std::int64_t step : steps) out.diagonals[{o, i, step}] = random_complex(slots, generator, real);
    }
  }
  return out;
}

Params toy_params() {
  ParamsLiteral literal;
  literal.log2_degree = 11;
  literal.special = make_primes(11, 50, 2, {}).value();
  literal.chain = make_primes(11, 45, 5, literal.special).value();
  literal.digit_limbs = 2;
  return Params::insecure_for_tests(literal).value();
}

/// Keys, a matrix at a place, and encrypted random inputs.
struct Case {
  Case(const Params& params, const Matrix& m, TransformPlace at, std::vector<std::int64_t> keys_there = {})
      : world(params), matrix(m), place(at) {
    const SplitOptions options{SwitchSize::at(params, place.limbs), std::move(keys_there)};
    shape = std::make_shared<TransformShape>(params.slots(), matrix.inputs, matrix.outputs, matrix.places(), options);
    world.keys.galois = secret::make_galois_keys(*world.context, world.secret, shape->rotation_steps());
    for (std::uint32_t i = 0; i < matrix.inputs; ++i) {
      const std::vector<double> slots = world.random_slots(1, 100 + i);
      clear.emplace_back(slots.begin(), slots.end());
      x.push_back(world.encrypt(slots, place.scale_in, place.limbs));
    }
  }
  std::vector<Ciphertext> run() const {
    return apply(*world.context, world.keys, Transform(world.context, shape, matrix.values(), place), x);
  }
  World world;
  Matrix matrix;
  TransformPlace place;
  std::shared_ptr<const TransformShape> shape;
  std::vector<Slots> clear;
  std::vector<Ciphertext> x;
};

void expect_twin(const Case& c) {
  const std::vector<Ciphertext> y = c.run();
  const std::vector<Slots> expected = c.matrix.apply(c.clear);
  ASSERT_EQ(y.size(), c.matrix.outputs);
  for (std::size_t o = 0; o < y.size(); ++o) {
    EXPECT_EQ(y[o].limbs(), c.place.limbs - c.place.rescale);
    EXPECT_EQ(y[o].scale, c.place.scale_out);
    const double error = c.world.error(y[o], [&](std::size_t j) { return expected[o][j].real(); });
    EXPECT_LT(error, 1e-4) << "output " << o;
  }
}

std::vector<std::int64_t> range(std::int64_t first, std::int64_t last, std::int64_t unit = 1) {
  std::vector<std::int64_t> out;
  for (std::int64_t k = first; k < last; ++k) out.push_back(k * unit);
  return out;
}

TEST(Transform, DenseDiagonalsAreTheMatrix) {
  const Params params = toy_params();
  expect_twin({params, random_matrix(params.slots(), 1, 1, range(0, 64), true), {5, 1, 0x1p40, 0x1p40, 0}});
}

TEST(Transform, ComplexStridedDiagonalsAreTheMatrix) {
  const Params params = toy_params();
  expect_twin({params, random_matrix(params.slots(), 1, 1, range(-31, 32, 16), false), {5, 1, 0x1p40, 0x1p40, 0}});
}

TEST(Transform, OneInputMakesThreeOutputs) {
  const Params params = toy_params();
  expect_twin({params, random_matrix(params.slots(), 1, 3, {-33, -1, 0, 5, 32, 500}, true), {5, 1, 0x1p40, 0x1p38, 0}});
}

TEST(Transform, ThreeInputsMakeOneOutput) {
  const Params params = toy_params();
  expect_twin({params, random_matrix(params.slots(), 3, 1, range(-4, 5), true), {5, 1, 0x1p40, 0x1p42, 0}});
}

}  // namespace
}  // namespace obscura::ckks
