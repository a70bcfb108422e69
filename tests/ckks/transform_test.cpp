// SPDX-License-Identifier: Apache-2.0
/// Linear transforms against plain double loops over slots.
#include "ckks/transform.h"

#include <map>

#include "base/parallel.h"
#include "ckks/evaluator.h"
#include "tests/ckks/fixture.h"
#include "tests/ckks/steps.h"

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
Params insecure_params(int special_bits = 50, RingType ring = RingType::standard) {
  ParamsLiteral literal;
  literal.log2_degree = 11;
  literal.ring = ring;
  literal.special = make_primes(11, special_bits, 2, {}, ring).value();
  literal.chain = make_primes(11, 45, 5, literal.special, ring).value();
  literal.digit_limbs = 2;
  return Params::insecure_for_tests(literal).value();
}

/// A matrix at a place with keys and encrypted random inputs.
struct MapCase {
  MapCase(const Params& params, const Matrix& m, const TransformPlace& at, bool pairs = false)
      : world(params), matrix(m), place(at), shape(make_shape(params, m, at.limbs, pairs)) {
    world.keys.galois = secret::make_galois_keys(*world.context, world.secret, shape->rotation_steps());
    if (pairs) {
      const std::uint64_t element = conjugation_element(params.degree());
      world.keys.galois[element] = secret::make_galois_key(*world.context, world.secret, element);
    }
    for (std::uint32_t i = 0; i < matrix.inputs; ++i) {
      const std::vector<double> slots = world.random_slots(1, 100 + i);
      clear.emplace_back(slots.begin(), slots.end());
      x.push_back(world.encrypt(slots, place.scale_in, place.limbs));
      // Leaves in imaginary parts what any key switch does.
      if (pairs) x.back() = conjugate(*world.context, world.keys, x.back());
    }
  }
  /// With rotations by these steps alone.
  void compose(const std::vector<std::int64_t>& steps) {
    shape = std::make_shared<const TransformShape>(shape->composed(steps).value());
    world.keys.galois = secret::make_galois_keys(*world.context, world.secret, shape->rotation_steps());
    if (shape->split().pair == 0) return;
    const std::uint64_t element = conjugation_element(world.context->degree());
    world.keys.galois[element] = secret::make_galois_key(*world.context, world.secret, element);
  }
  static std::shared_ptr<const TransformShape> make_shape(const Params& params, const Matrix& m, std::size_t limbs,
                                                          bool pairs) {
    SplitOptions options;
    options.size = SwitchSize::at(params, limbs);
    options.pairs = pairs;
    return std::make_shared<TransformShape>(params.slots(), m.inputs, m.outputs, m.places(), options);
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
    noise.paired = shape->split().pair != 0;
    noise.partner_switches = shape->partner_turns().size();
    noise.error_in = noise_of_encryption(params) / place.scale_in;
    if (noise.paired) noise.error_in = std::hypot(noise.error_in, noise_of_rounding(params, 2) / place.scale_in);
    noise.input_square = 1.0 / 3;
    for (const TransformGroup& group : shape->groups()) {
      if (group.output != output) continue;
      noise.giant_switches += group.giant != 0 ? 1 : 0;
      for (const TransformGroup::Term& term : group.terms) {
        double square = 0;
        const auto add = [&](const Diagonal& place_of) {
          for (const auto& d : matrix.diagonals.at(place_of)) {
            square += std::norm(d);
            noise.real_weights = noise.real_weights && d.imag() == 0;
          }
        };
        add(term.diagonal);
        if (term.paired) {
          add({term.diagonal.output, term.diagonal.input, term.diagonal.step + shape->split().pair});
        }
        square /= static_cast<double>(shape->slots());
        ++noise.plaintexts;
        noise.weight_square += square;
        const Baby& baby = shape->babies()[term.baby];
        if (baby.step == 0) continue;
        noise.rotated_square += square;
        noise.composed_square += square * (baby.switches - 1);
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

void expect_twin(const MapCase& c, const std::vector<Ciphertext>& y) {
  const std::vector<Slots> expected = c.matrix.apply(c.clear);
  ASSERT_EQ(y.size(), c.matrix.outputs);
  for (std::uint32_t o = 0; o < y.size(); ++o) {
    EXPECT_EQ(y[o].limbs(), c.place.limbs - c.place.rescale);
    EXPECT_EQ(y[o].scale, c.place.scale_out);
    expect_predicted(c.world.error(y[o], [&](std::size_t j) { return expected[o][j].real(); }), c.predicted(o));
  }
}

void expect_twin(const MapCase& c) { expect_twin(c, c.run()); }

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

TEST(Transform, RealSlotsAreTwiceAsManyOfTheConjugateInvariantRing) {
  const Params params = insecure_params(50, RingType::conjugate_invariant);
  ASSERT_EQ(params.slots(), params.degree());
  expect_twin({params, random_matrix(params.slots(), 2, 3, range(-20, 44), true), {5, 1, 0x1p40, 0x1p40}});
  // Rounding of plaintexts alone.
  expect_twin({params, random_matrix(params.slots(), 1, 1, range(0, 32), true), {3, 0, 0x1p40, 0x1p50}});
}

TEST(Transform, ComplexStridedDiagonalsAreTheMatrix) {
  const Params params = insecure_params();
  expect_twin({params, random_matrix(params.slots(), 1, 1, range(-31, 32, 16), false), {5, 1, 0x1p40, 0x1p40}});
}

TEST(Transform, PairsOfDiagonalsAreTheMatrix) {
  const Params params = insecure_params();
  for (const auto& steps : {range(0, 64), range(-16, 17, 16), convolution(8, 64, 5)}) {
    const MapCase c(params, random_matrix(params.slots(), 1, 1, steps, true), {4, 1, 0x1p40, 0x1p40}, true);
    ASSERT_NE(c.shape->split().pair, 0);
    EXPECT_LE(c.shape->plaintexts(), steps.size() / 2 + 5);
    expect_twin(c);
  }
}

TEST(Transform, PairsBetweenSeveralInputsAndOutputs) {
  const Params params = insecure_params();
  Matrix matrix = random_matrix(params.slots(), 2, 3, convolution(8, 64, 4), true);
  matrix.diagonals.erase({1, 0, 7});
  matrix.diagonals.erase({2, 1, 64});
  const MapCase c(params, matrix, {3, 1, 0x1p40, 0x1p38}, true);
  ASSERT_NE(c.shape->split().pair, 0);
  expect_twin(c);
}

TEST(Transform, PairsRoundAsPredicted) {
  const Params params = insecure_params();
  const MapCase c(params, random_matrix(params.slots(), 1, 1, range(0, 64), true), {3, 0, 0x1p40, 0x1p50}, true);
  ASSERT_NE(c.shape->split().pair, 0);
  expect_twin(c);
  EXPECT_GT(c.predicted(0), 30 * noise_of_rounding(params, 2) / c.place.scale_in);
}

TEST(Transform, PairsNeedTheKeyOfConjugation) {
  const Params params = insecure_params();
  MapCase c(params, random_matrix(params.slots(), 1, 1, range(0, 64), true), {3, 1, 0x1p40, 0x1p40}, true);
  c.world.keys.galois.erase(conjugation_element(params.degree()));
  EXPECT_THROW((void)c.run(), ContractError);
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
  const MapCase c(params, random_matrix(params.slots(), 2, 7, range(0, 10), true), {4, 1, 0x1p40, 0x1p40});
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
  const MapCase c(params, random_matrix(params.slots(), 1, 1, {0}, true), {5, 1, 0x1p40, 0x1p40});
  EXPECT_TRUE(c.world.keys.galois.empty());
  expect_twin(c);
}

TEST(Transform, RoundingOfPlaintextsIsAsPredictedForRealAndComplexOnes) {
  const Params params = insecure_params();
  for (const bool real : {true, false}) {
    const MapCase c(params, random_matrix(params.slots(), 1, 1, range(0, 32), real), {3, 0, 0x1p40, 0x1p50});
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
  const MapCase c(params, random_matrix(params.slots(), 1, 1, range(0, 64), true), {4, 1, 0x1p40, 0x1p40});
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
  MapCase c(params, random_matrix(params.slots(), 1, 2, range(0, 40), true), {3, 1, 0x1p40, 0x1p40});
  const std::vector<Ciphertext> encoded = c.run();
  EXPECT_EQ(c.transform().bytes(), 0U);
  const std::size_t all = c.shape->plaintexts() * ring::NttPoly::bytes(params.degree(), 3 + params.special_limbs());
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
  MapCase c(params, matrix, {3, 1, 0x1p40, 0x1p40, 0, 512});
  const std::vector<Ciphertext> encoded = c.run();
  const std::size_t coefficients = embedding_bytes(*c.world.context, c.place, c.shape->plaintexts());
  const std::size_t residues = residue_bytes(*c.world.context, c.place, c.shape->plaintexts());
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
  MapCase c(params, random_matrix(params.slots(), 1, 1, {0, 1}, true), {3, 1, 0x1p40, 0x1p40});
  c.place.period = params.slots() / 2;
  EXPECT_THROW(c.run(), ContractError);
  c.place.period = 3;
  EXPECT_THROW(c.run(), ContractError);
}

TEST(Transform, AnyNumberOfThreadsGivesTheSameResidues) {
  const Params params = insecure_params();
  MapCase c(params, random_matrix(params.slots(), 2, 2, range(-9, 9), true), {4, 1, 0x1p40, 0x1p40, 1 << 20});
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

TEST(Transform, RotationsThatAreComposedOfOthersGiveTheMatrix) {
  const Params params = insecure_params();
  std::vector<std::int64_t> steps;
  for (const std::int64_t y : {-64, -32, 0, 32, 64}) {
    for (const std::int64_t x : {-2, -1, 0, 1, 2}) steps.push_back(y + x);
  }
  MapCase c(params, random_matrix(params.slots(), 2, 3, steps, true), {4, 1, 0x1p40, 0x1p40});
  const std::size_t before = c.shape->rotation_steps().size();
  c.compose({-1, 1, 32, -32, 400});
  EXPECT_LT(c.shape->rotation_steps().size(), before);
  EXPECT_EQ(c.shape->rotation_steps(), (std::vector<std::int64_t>{-32, -1, 1, 32}));
  expect_twin(c);
  // With one key all of it goes round: many key switches in a row, babies and giants alike.
  MapCase row(params, random_matrix(params.slots(), 1, 2, range(0, 12), true), {4, 1, 0x1p40, 0x1p40});
  row.compose({1});
  EXPECT_EQ(row.shape->rotation_steps(), std::vector<std::int64_t>{1});
  expect_twin(row);
}

TEST(Transform, PairsAndGiantStepsAreComposedToo) {
  const Params params = insecure_params();
  MapCase c(params, random_matrix(params.slots(), 1, 2, range(0, 64), true), {4, 1, 0x1p40, 0x1p40}, true);
  ASSERT_NE(c.shape->split().pair, 0);
  c.compose({1, 8});
  EXPECT_LE(c.shape->rotation_steps().size(), 2U);
  expect_twin(c);
}

TEST(Transform, AMissingKeyIsNamedByItsStep) {
  const Params params = insecure_params();
  MapCase c(params, random_matrix(params.slots(), 1, 1, {0, -3}, true), {3, 1, 0x1p40, 0x1p40});
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
  MapCase c(params, random_matrix(params.slots(), 1, 1, {0}, true), {3, 1, 0x1p40, 0x1p40});
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

}  // namespace
}  // namespace obscura::ckks
