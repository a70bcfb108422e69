// SPDX-License-Identifier: Apache-2.0
#include "ckks/bootstrap.h"

#include "secret/bootstrap_keys.h"
#include "tests/ckks/fixture.h"

namespace obscura::ckks {

void PrintTo(const BootstrapLiteral& literal, std::ostream* out);
void PrintTo(const BootstrapLiteral& literal, std::ostream* out) {
  *out << "2^" << literal.log2_slots << " slots at N = 2^" << literal.log2_degree;
}

namespace {

constexpr double kScale = 0x1p45;

/// The sets of full size on a small ring.
BootstrapLiteral toy(int log2_degree, int log2_slots, int log2_ratio, std::vector<int> coeff_to_slot,
                     std::vector<int> slot_to_coeff) {
  BootstrapLiteral literal;
  literal.log2_degree = log2_degree;
  literal.log2_slots = log2_slots;
  literal.coeff_to_slot = std::move(coeff_to_slot);
  literal.slot_to_coeff = std::move(slot_to_coeff);
  literal.levels = 2;
  literal.log2_ratio = log2_ratio;  // few slots have large coefficients: the sine would hide the noise
  literal.special_bits = 50;
  return literal;
}

struct Booted {
  explicit Booted(const BootstrapLiteral& literal)
      : params(BootstrapParams::insecure_for_tests(literal).value()),
        bootstrapper(Bootstrapper::make(params, {kScale, kScale}).value()),
        secret(secret::SecretKey::generate(*bootstrapper->context())),
        own(secret::make_bootstrap_keys(*bootstrapper, secret)) {
    secret::add_bootstrap_keys(*bootstrapper, secret, keys);
  }

  Ciphertext encrypt(const std::vector<double>& slots) const {
    return expand(*bootstrapper->context(), secret::encrypt(*bootstrapper->context(), secret, slots, kScale, 2));
  }

  /// n slots, repeated.
  std::vector<double> slots(unsigned seed) const {
    std::mt19937_64 generator(seed);
    std::uniform_real_distribution<double> uniform(-1, 1);
    std::vector<double> some(params.slots()), out(params.params().slots());
    for (double& x : some) x = uniform(generator);
    for (std::size_t j = 0; j < out.size(); ++j) out[j] = some[j % some.size()];
    return out;
  }

  double deviation(const Ciphertext& x, const std::vector<double>& expected) const {
    const std::vector<double> got = secret::decrypt(*bootstrapper->context(), secret, x);
    double sum = 0;
    for (std::size_t j = 0; j < got.size(); ++j) sum += std::pow(got[j] - expected[j], 2);
    return std::sqrt(sum / static_cast<double>(got.size()));
  }

  BootstrapParams params;
  std::shared_ptr<const Bootstrapper> bootstrapper;
  secret::SecretKey secret;
  BootstrapKeys own;
  EvalKeys keys;
};

class Bootstrapping : public testing::TestWithParam<BootstrapLiteral> {};

TEST_P(Bootstrapping, GivesTheSameSlotsWithinThePredictedError) {
  const Booted world(GetParam());
  const std::vector<double> slots = world.slots(1);
  const Ciphertext out = world.bootstrapper->run(world.keys, world.own, world.encrypt(slots));
  EXPECT_EQ(out.limbs(), world.params.limbs().output);
  EXPECT_EQ(out.scale, kScale);
  const BootstrapError predicted = world.bootstrapper->predict(1 / std::sqrt(3.0));
  const double measured = world.deviation(out, slots);
  std::printf("in %.2f cts %.2f mod %.2f stc %.2f sine %.2f total %.2f measured %.2f\n", std::log2(predicted.input),
              std::log2(predicted.coeff_to_slot), std::log2(predicted.eval_mod), std::log2(predicted.slot_to_coeff),
              std::log2(predicted.sine), std::log2(predicted.total()), std::log2(measured));
  expect_predicted(measured, predicted.total());
}

INSTANTIATE_TEST_SUITE_P(Toy, Bootstrapping,
                         testing::Values(toy(10, 9, 10, {3, 3, 3}, {3, 3, 3}), toy(12, 11, 9, {4, 4, 3}, {3, 4, 4}),
                                         toy(12, 8, 11, {4, 4}, {4, 4})));

}  // namespace
}  // namespace obscura::ckks
