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
      for (const std::int64_t step : steps) {
        const std::int64_t n = static_cast<std::int64_t>(slots), left = (step % n + n) % n;
        out.diagonals[{o, i, left > n / 2 ? left - n : left}] = random_complex(slots, generator, real);
      }
    }
  }
  return out;
}

/// Toy ring; `special_bits` of each of the two special primes, digits of two 45-bit limbs.
Params insecure_params(int special_bits = 50) {
  ParamsLiteral literal;
  literal.log2_degree = 11;
  literal.special = make_primes(11, special_bits, 2, {}).value();
  literal.chain = make_primes(11, 45, 5, literal.special).value();
  literal.digit_limbs = 2;
  return Params::insecure_for_tests(literal).value();
}

std::vector<std::int64_t> range(std::int64_t first, std::int64_t last, std::int64_t unit = 1) {
  std::vector<std::int64_t> out;
  for (std::int64_t k = first; k < last; ++k) out.push_back(k * unit);
  return out;
}

/// A 3x3 convolution on rows of `row` and channels of `channel` slots.
std::vector<std::int64_t> convolution(std::int64_t row, std::int64_t channel, std::int64_t channels) {
  std::vector<std::int64_t> out;
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t tap = 0; tap < 9; ++tap) out.push_back((tap / 3 - 1) * row + tap % 3 - 1 + c * channel);
  }
  return out;
}

/// A matrix at a place with keys and encrypted random inputs.
struct Case {
  Case(const Params& params, const Matrix& m, const TransformPlace& at)
      : world(params), matrix(m), place(at), shape(make_shape(params, m, at.limbs)) {
    world.keys.galois = secret::make_galois_keys(*world.context, world.secret, shape->rotation_steps());
    for (std::uint32_t i = 0; i < matrix.inputs; ++i) {
      const std::vector<double> slots = world.random_slots(1, 100 + i);
      clear.emplace_back(slots.begin(), slots.end());
      x.push_back(world.encrypt(slots, place.scale_in, place.limbs));
    }
  }
  static std::shared_ptr<const TransformShape> make_shape(const Params& params, const Matrix& m, std::size_t limbs) {
    return std::make_shared<TransformShape>(params.slots(), m.inputs, m.outputs, m.places(),
                                            SplitOptions{SwitchSize::at(params, limbs), {}});
  }
  Transform transform() const { return {world.context, shape, matrix.values(), place}; }
  std::vector<Ciphertext> run() const { return apply(*world.context, world.keys, transform(), x); }

  double predicted(std::uint32_t output) const {
    const Params& params = world.context->params();
    TransformNoise noise;
    noise.limbs = place.limbs;
    noise.scale_in = place.scale_in;
    noise.scale_out = place.scale_out;
    noise.plaintext_scale = transform().plaintext_scale();
    noise.error_in = noise_of_encryption(params) / place.scale_in;
    noise.input_square = 1.0 / 3;
    for (const TransformGroup& group : shape->groups()) {
      if (group.output != output) continue;
      noise.giant_switches += group.giant != 0 ? 1 : 0;
      for (const TransformGroup::Term& term : group.terms) {
        double square = 0;
        for (const auto& d : matrix.diagonals.at(term.diagonal)) {
          square += std::norm(d);
          noise.real_weights = noise.real_weights && d.imag() == 0;
        }
        square /= static_cast<double>(shape->slots());
        ++noise.diagonals;
        noise.weight_square += square;
        if (shape->babies()[term.baby].step != 0) noise.rotated_square += square;
      }
    }
    return noise_of_transform(params, noise);
  }

  World world;
  Matrix matrix;
  TransformPlace place;
  std::shared_ptr<const TransformShape> shape;
  std::vector<Slots> clear;
  std::vector<Ciphertext> x;
};

void expect_twin(const Case& c, const std::vector<Ciphertext>& y) {
  const std::vector<Slots> expected = c.matrix.apply(c.clear);
  ASSERT_EQ(y.size(), c.matrix.outputs);
  for (std::uint32_t o = 0; o < y.size(); ++o) {
    EXPECT_EQ(y[o].limbs(), c.place.limbs - c.place.rescale);
    EXPECT_EQ(y[o].scale, c.place.scale_out);
    expect_predicted(c.world.error(y[o], [&](std::size_t j) { return expected[o][j].real(); }), c.predicted(o));
  }
}

void expect_twin(const Case& c) { expect_twin(c, c.run()); }

void expect_equal(const std::vector<Ciphertext>& a, const std::vector<Ciphertext>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t o = 0; o < a.size(); ++o) {
    for (std::size_t part = 0; part < 2; ++part) {
      for (std::size_t i = 0; i < a[o].limbs(); ++i) {
        EXPECT_TRUE(std::ranges::equal(a[o].parts[part].residues(i), b[o].parts[part].residues(i)));
      }
    }
  }
}

TEST(Transform, DenseDiagonalsAreTheMatrix) {
  const Params params = insecure_params();
  expect_twin({params, random_matrix(params.slots(), 1, 1, range(0, 64), true), {5, 1, 0x1p40, 0x1p40}});
}

TEST(Transform, ComplexStridedDiagonalsAreTheMatrix) {
  const Params params = insecure_params();
  expect_twin({params, random_matrix(params.slots(), 1, 1, range(-31, 32, 16), false), {5, 1, 0x1p40, 0x1p40}});
}

TEST(Transform, OneInputMakesThreeOutputs) {
  const Params params = insecure_params();
  expect_twin({params, random_matrix(params.slots(), 1, 3, {-33, -1, 0, 5, 32, 500}, true), {5, 1, 0x1p40, 0x1p38}});
}

TEST(Transform, ThreeInputsMakeOneOutput) {
  const Params params = insecure_params();
  expect_twin({params, random_matrix(params.slots(), 3, 1, range(-4, 5), true), {5, 1, 0x1p40, 0x1p42}});
}

TEST(Transform, ManyOutputsOfFewGroupsAreTheMatrix) {
  const Params params = insecure_params();
  const Case c(params, random_matrix(params.slots(), 2, 7, range(0, 10), true), {4, 1, 0x1p40, 0x1p40});
  EXPECT_EQ(c.shape->groups().size() % c.matrix.outputs, 0U);
  expect_twin(c);
}

TEST(Transform, BlocksMayHaveDiagonalsOfTheirOwn) {
  const Params params = insecure_params();
  Matrix matrix = random_matrix(params.slots(), 2, 2, {0, 7}, true);
  matrix.diagonals.erase({0, 1, 0});
  matrix.diagonals.erase({1, 0, 7});
  expect_twin({params, matrix, {5, 1, 0x1p40, 0x1p40}});
}

TEST(Transform, OneDiagonalWithoutRotationNeedsNoKey) {
  const Params params = insecure_params();
  const Case c(params, random_matrix(params.slots(), 1, 1, {0}, true), {5, 1, 0x1p40, 0x1p40});
  EXPECT_TRUE(c.world.keys.galois.empty());
  expect_twin(c);
}

TEST(Transform, RoundingOfPlaintextsIsAsPredictedForRealAndComplexOnes) {
  const Params params = insecure_params();
  for (const bool real : {true, false}) {
    const Case c(params, random_matrix(params.slots(), 1, 1, range(0, 32), real), {3, 0, 0x1p40, 0x1p50});
    expect_twin(c);
    // Nothing else matters: a model without it is far off.
    EXPECT_GT(c.predicted(0), 100 * noise_of_encryption(params) / c.place.scale_in);
  }
}

TEST(Transform, EveryLevelAndRescaleIsAsPredicted) {
  const Params params = insecure_params();
  const Matrix matrix = random_matrix(params.slots(), 1, 1, convolution(8, 64, 4), true);
  for (std::size_t limbs = 2; limbs <= 5; ++limbs) {
    for (std::size_t rescale = 0; rescale < std::min<std::size_t>(limbs, 3); ++rescale) {
      SCOPED_TRACE(testing::Message() << limbs << " limbs, " << rescale << " dropped");
      // Plaintexts stay below 2^62: what two primes drop is more than they may carry.
      const double in = rescale == 2 ? 0x1p60 : 0x1p35;
      if (rescale == 2 && limbs == 2) continue;
      expect_twin({params, matrix, {limbs, rescale, in, rescale == 0 ? 0x1p60 : 0x1p30}});
    }
  }
}

TEST(Transform, KeySwitchesOfLargeDigitsAddNoMoreThanPredicted) {
  // Digits as large as P: the babies' key switches dominate.
  const Params params = insecure_params(46);
  const Case c(params, random_matrix(params.slots(), 1, 1, range(0, 64), true), {4, 1, 0x1p40, 0x1p40});
  const double fresh = noise_of_encryption(params) / c.place.scale_in;
  EXPECT_GT(c.predicted(0), 4 * std::sqrt(64.0 / 3) * fresh);
  expect_twin(c);
}

TEST(Transform, SecureConvolutionIsAsPredicted) {
  const Params params = make_params(13, 48, 3, 1, 1);
  const Matrix matrix = random_matrix(params.slots(), 2, 2, convolution(32, 1024, 4), true);
  expect_twin({params, matrix, {3, 1, 0x1p40, 0x1p40}});
}

TEST(Transform, KeptDiagonalsGiveTheSameResidues) {
  const Params params = insecure_params();
  Case c(params, random_matrix(params.slots(), 1, 2, range(0, 40), true), {3, 1, 0x1p40, 0x1p40});
  const std::vector<Ciphertext> encoded = c.run();
  EXPECT_EQ(c.transform().bytes(), 0U);
  const std::size_t all = c.shape->diagonals() * ring::NttPoly::bytes(params.degree(), 3 + params.special_limbs());
  for (const std::size_t memory : {all / 2, all}) {
    c.place.memory = memory;
    const Transform transform = c.transform();
    for (int time = 0; time < 2; ++time) {
      expect_equal(apply(*c.world.context, c.world.keys, transform, c.x), encoded);
      EXPECT_LE(transform.bytes(), memory);
      EXPECT_GT(transform.bytes(), 0U);
    }
    EXPECT_EQ(transform.bytes() == all, memory == all);
  }
}

/// The matrix with diagonals that repeat with a period.
Matrix repeated(Matrix matrix, std::size_t period) {
  for (auto& [at, slots] : matrix.diagonals) {
    for (std::size_t j = period; j < slots.size(); ++j) slots[j] = slots[j - period];
  }
  return matrix;
}

TEST(Transform, RepeatingDiagonalsGiveWhatWholeOnesGive) {
  const Params params = make_params(13, 48, 3, 1, 1);
  for (std::size_t period = params.slots(); period >= 64; period /= 2) {
    SCOPED_TRACE(testing::Message() << "period " << period);
    const Matrix matrix = repeated(random_matrix(params.slots(), 1, 2, range(-9, 9), false), period);
    expect_twin({params, matrix, {3, 1, 0x1p40, 0x1p40, 0, period}});
  }
}

TEST(Transform, RepeatingDiagonalsGiveTheSameResiduesHoweverTheyAreKept) {
  const Params params = make_params(13, 48, 3, 1, 1);
  const Matrix matrix = repeated(random_matrix(params.slots(), 1, 1, range(0, 40), true), 512);
  Case c(params, matrix, {3, 1, 0x1p40, 0x1p40, 0, 512});
  const std::vector<Ciphertext> encoded = c.run();
  const std::size_t coefficients = embedding_bytes(*c.world.context, c.place, c.shape->diagonals());
  const std::size_t residues = residue_bytes(*c.world.context, c.place, c.shape->diagonals());
  ASSERT_LT(coefficients, residues);
  for (const std::size_t memory : {coefficients / 2, coefficients, (coefficients + residues) / 2, residues}) {
    c.place.memory = memory;
    const Transform transform = c.transform();
    for (int time = 0; time < 2; ++time) {
      expect_equal(apply(*c.world.context, c.world.keys, transform, c.x), encoded);
      EXPECT_LE(transform.bytes(), memory);
      EXPECT_GT(transform.bytes(), memory / 2);
    }
  }
}

TEST(Transform, ADiagonalThatDoesNotRepeatAsItsPlaceSaysIsRefused) {
  const Params params = insecure_params();
  Case c(params, random_matrix(params.slots(), 1, 1, {0, 1}, true), {3, 1, 0x1p40, 0x1p40});
  c.place.period = params.slots() / 2;
  EXPECT_THROW(c.run(), ContractError);
  c.place.period = 3;
  EXPECT_THROW(c.run(), ContractError);
}

TEST(Transform, AnyNumberOfThreadsGivesTheSameResidues) {
  const Params params = insecure_params();
  Case c(params, random_matrix(params.slots(), 2, 2, range(-9, 9), true), {4, 1, 0x1p40, 0x1p40, 1 << 20});
  const Transform transform = c.transform();
  const std::vector<Ciphertext> many = apply(*c.world.context, c.world.keys, transform, c.x);
  {
    const base::ThreadLimit one(1);
    expect_equal(c.run(), many);
  }
  std::vector<std::vector<Ciphertext>> together(4);
  base::parallel_for(together.size(),
                     [&](std::size_t k) { together[k] = apply(*c.world.context, c.world.keys, transform, c.x); });
  for (const auto& y : together) expect_equal(y, many);
}

TEST(Transform, AMissingKeyIsNamedByItsStep) {
  const Params params = insecure_params();
  Case c(params, random_matrix(params.slots(), 1, 1, {0, -3}, true), {3, 1, 0x1p40, 0x1p40});
  ASSERT_EQ(c.shape->rotation_steps(), std::vector<std::int64_t>{-3});
  c.world.keys.galois.clear();
  try {
    c.run();
    FAIL() << "no error";
  } catch (const ContractError& e) {
    EXPECT_NE(std::string(e.what()).find("step -3"), std::string::npos) << e.what();
  }
}

TEST(Transform, ContractsThrow) {
  const Params params = insecure_params();
  Case c(params, random_matrix(params.slots(), 1, 1, {0}, true), {3, 1, 0x1p40, 0x1p40});
  const Ciphertext good = c.x[0];
  c.x[0].scale *= 2;
  EXPECT_THROW(c.run(), ContractError);
  c.x[0] = good;
  for (auto& part : c.x[0].parts) part.drop_to(2);
  EXPECT_THROW(c.run(), ContractError);
  c.x = {good, good};
  EXPECT_THROW(c.run(), ContractError);
  c.x = {good};
  c.place.rescale = 3;
  EXPECT_THROW(c.run(), ContractError);
  const auto shape = [&](std::vector<Diagonal> diagonals) {
    return TransformShape(params.slots(), 1, 1, std::move(diagonals), {SwitchSize::at(params, 3), {}});
  };
  EXPECT_THROW(shape({}), ContractError);
  EXPECT_THROW(shape({{0, 1, 0}}), ContractError);
  EXPECT_THROW(shape({{1, 0, 0}}), ContractError);
  // Steps count modulo the slots.
  EXPECT_THROW(shape({{0, 0, 1}, {0, 0, 1 + static_cast<std::int64_t>(params.slots())}}), ContractError);
}

TransformShape split(const std::vector<std::int64_t>& steps, const SwitchSize& size,
                     std::vector<std::int64_t> keys_there = {}, double key_price = 100) {
  std::vector<Diagonal> diagonals;
  for (const std::int64_t step : steps) diagonals.push_back({0, 0, step});
  return {1 << 13, 1, 1, diagonals, {size, std::move(keys_there), key_price}};
}

constexpr SwitchSize kSize{6, 2, 3};

TEST(TransformShape, EveryDiagonalIsABabyAndAGiant) {
  for (const auto& steps : {range(0, 256), range(-31, 32, 64), convolution(32, 1024, 8), {0, 1, 77, -4000, 4096}}) {
    const TransformShape shape = split(steps, kSize);
    EXPECT_EQ(shape.diagonals(), steps.size());
    std::set<std::int64_t> used;
    for (const TransformGroup& group : shape.groups()) {
      used.insert(group.giant);
      for (const auto& term : group.terms) {
        const std::int64_t baby = shape.babies()[term.baby].step;
        used.insert(baby);
        EXPECT_EQ((baby + group.giant - term.diagonal.step) % static_cast<std::int64_t>(shape.slots()), 0);
      }
    }
    used.erase(0);
    EXPECT_EQ(std::vector<std::int64_t>(used.begin(), used.end()), shape.rotation_steps());
  }
}

TEST(TransformShape, AGivenSplitIsKept) {
  const TransformShape shape(1 << 13, 1, 1, {{0, 0, 0}, {0, 0, 3}, {0, 0, 7}, {0, 0, -1}}, Split{4, -1});
  EXPECT_EQ(shape.split(), (Split{4, -1}));
  EXPECT_EQ(shape.rotation_steps(), (std::vector<std::int64_t>{-1, 4, 8}));  // 3 = 4 - 1, 7 = 8 - 1
  const TransformShape chosen = split(range(0, 100), kSize);
  std::vector<Diagonal> diagonals;
  for (const std::int64_t step : range(0, 100)) diagonals.push_back({0, 0, step});
  EXPECT_EQ(TransformShape(1 << 13, 1, 1, diagonals, chosen.split()).rotation_steps(), chosen.rotation_steps());
}

TEST(TransformShape, DenseDiagonalsTakeAboutTwoRootsOfKeys) {
  EXPECT_LE(split(range(0, 256), kSize).rotation_steps().size(), 32U);
  EXPECT_LE(split(range(-31, 32, 64), kSize).rotation_steps().size(), 15U);
}

TEST(TransformShape, AConvolutionSplitsIntoTapsAndChannels) {
  // 9 taps and 8 channels: with dear keys, 8 steps within a channel and 7 between channels.
  const TransformShape shape = split(convolution(32, 1024, 8), kSize, {}, 1e4);
  EXPECT_LE(shape.rotation_steps().size(), 15U);
}

TEST(TransformShape, KeysThatAreThereAreTaken) {
  const auto steps = range(0, 64);
  const auto there = range(0, 64, 1);
  const TransformShape alone = split(steps, kSize, {}, 1e4), shared = split(steps, kSize, there, 1e4);
  // All keys there: rotations cost only their time, and hoisted ones cost less than giant steps.
  EXPECT_GT(shared.babies().size(), alone.babies().size());
}

TEST(TransformShape, CostCountsWhatApplyDoes) {
  // By hand: babies 0 .. 3, giants 0, 4, 8, 12 of one output.
  const TransformShape shape = split(range(0, 16), kSize, {1, 2, 3, 4, 8, 12}, 1e9);
  const TransformCost cost = shape.cost(kSize, 1);
  EXPECT_EQ(cost.keys, 6U);
  EXPECT_EQ(cost.baby_switches, 3U);
  EXPECT_EQ(cost.giant_switches, 3U);
  EXPECT_EQ(cost.decompositions, 4U);
  EXPECT_EQ(cost.divisions, 5U);
  EXPECT_EQ(cost.plaintexts, 16U);
  // One decomposition: 6 + (3 * 8 - 6) NTTs; a giant step that and a division by P, 2 + 6; two last divisions, 3 + 5.
  EXPECT_EQ(cost.ntts, 24U + 3 * (24 + 8) + 2 * 8);
  EXPECT_EQ(cost.encoded_limbs, 16U * 8);
  EXPECT_EQ(cost.encode_ntts, 16U * 8);
  // A decomposition: 3 digits of 2 limbs to 6 rows each; a division: 2 limbs and their overflow to 6, or 3 to 5.
  EXPECT_EQ(cost.conversions, 4U * 36 + 3 * 3 * 6 + 2 * 4 * 5);
  EXPECT_EQ(cost.permutations, 6U * 2 * 8);
}

TEST(TransformShape, RepeatingDiagonalsCostAFractionToEncodeAndToKeep) {
  const TransformShape shape = split(range(0, 16), kSize, {1, 2, 3, 4, 8, 12}, 1e9);
  const TransformCost fourth = shape.cost(kSize, 1, shape.slots() / 4), least = shape.cost(kSize, 1, 1);
  EXPECT_EQ(fourth.encode_ntts, 16U * 8 / 4);
  EXPECT_EQ(fourth.encoded_limbs, 16U * 8 / 4);
  EXPECT_EQ(fourth.fft_slots, shape.slots() / 4);
  EXPECT_EQ(fourth.products, shape.cost(kSize, 1).products);
  EXPECT_EQ(least.encode_ntts, 16U * 8 * Encoder::kLeastPeriod / shape.slots());
  EXPECT_EQ(least.encoded_limbs, 16U * 8 / 8);
}

}  // namespace
}  // namespace obscura::ckks
