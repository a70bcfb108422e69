// SPDX-License-Identifier: Apache-2.0
/// Plans with bootstrapping and polynomials, on small rings: ciphertexts against the plaintext simulator.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>

#include "../ckks/toy_sets.h"
#include "../flow/boot_plan.h"
#include "plan/keys.h"
#include "plan/verify.h"
#include "run/ckks_backend.h"
#include "run/clear_backend.h"
#include "run/execute.h"
#include "secret/crypt.h"
#include "secret/eval_keys.h"

namespace obscura::run {
namespace {

constexpr plan::Gates kNoGates{&ckks::Params::insecure_for_tests, &ckks::BootstrapParams::insecure_for_tests};

struct World {
  explicit World(const ckks::BootstrapLiteral& literal)
      : set(ckks::BootstrapParams::insecure_for_tests(literal).value()),
        plan(testing::boot_plan(set)),
        bootstrapper(ckks::Bootstrapper::make(set, {testing::boot_scale(set), testing::boot_scale(set)}).value()),
        program(make_program(plan, bootstrapper, std::uint64_t{1} << 28)) {}

  /// The slots of an image; fewer than N/2 of them repeat.
  static std::vector<double> image(std::size_t slots, std::uint32_t seed) {
    std::mt19937_64 engine(seed);
    std::uniform_real_distribution<double> pixel(-1, 1);
    std::vector<double> out(slots);
    for (std::uint32_t e = 0; e < testing::kBootElements; ++e) out[e] = pixel(engine);
    return out;
  }
  std::vector<double> clear(std::uint32_t seed, std::optional<std::uint64_t> noise = {}) const {
    const ClearBackend backend(set.params(), noise);
    std::vector<ClearValue> inputs;
    inputs.push_back(backend.encrypt(image(set.slots(), seed), plan.input.scale, plan.input.limbs, 0));
    auto outputs = execute(backend.prepare(program), backend, std::move(inputs)).value();
    outputs[0].slots.resize(testing::kBootElements);
    return outputs[0].slots;
  }

  ckks::BootstrapParams set;
  plan::Plan plan;
  std::shared_ptr<const ckks::Bootstrapper> bootstrapper;
  std::shared_ptr<const Program> program;
};

/// With keys.
struct Encrypted : World {
  explicit Encrypted(const ckks::BootstrapLiteral& literal)
      : World(literal),
        context(*bootstrapper->context()),
        secret(secret::SecretKey::generate(context)),
        keys(std::make_shared<const ckks::EvalKeys>(
            secret::make_eval_keys(context, secret, plan::key_needs(context, plan.keys, bootstrapper)))),
        backend(bootstrapper->context(), keys),
        model(backend.prepare(program)) {}

  std::vector<double> run(std::uint32_t seed, Trace* trace = nullptr, const base::Progress& progress = {}) const {
    std::vector<double> slots = image(set.slots(), seed);
    while (slots.size() < set.params().slots()) slots.insert(slots.end(), slots.begin(), slots.begin() + set.slots());
    std::vector<ckks::Ciphertext> inputs;
    inputs.push_back(expand(context, secret::encrypt(context, secret, slots, plan.input.scale, plan.input.limbs)));
    const auto outputs = execute(model, backend, std::move(inputs), progress, trace).value();
    std::vector<double> out = secret::decrypt(context, secret, outputs[0]);
    out.resize(testing::kBootElements);
    return out;
  }

  const ckks::Context& context;
  secret::SecretKey secret;
  std::shared_ptr<const ckks::EvalKeys> keys;
  CkksBackend backend;
  CkksModel model;
};

double squares(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

class BootstrappingPlan : public ::testing::TestWithParam<ckks::BootstrapLiteral> {};

TEST_P(BootstrappingPlan, DecryptsToTheClearTwinWithinThePredictedError) {
  const Encrypted world(GetParam());
  constexpr std::uint32_t kImages = 4;
  double measured = 0, predicted = 0;
  for (std::uint32_t seed = 0; seed < kImages; ++seed) {
    const std::vector<double> exact = world.clear(seed);
    measured += squares(world.run(seed), exact) / kImages;
    for (const std::uint64_t noise : {1, 2, 3, 4})
      predicted += squares(world.clear(seed, noise), exact) / (4 * kImages);
  }
  // 64 numbers, of which neighbours share errors: within a bit.
  EXPECT_NEAR(std::log2(measured) / 2, std::log2(predicted) / 2, 1);
}

INSTANTIATE_TEST_SUITE_P(Toy, BootstrappingPlan, ::testing::Values(ckks::small_toy(), ckks::sparse_toy()));

TEST(BootstrappingPlans, TheClearTwinIsTheFormula) {
  const World world(ckks::small_toy());
  const auto neighbours = [](const std::vector<double>& x) {
    std::vector<double> y(testing::kBootElements);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = x[i] / 2 + x[(i + 1) % y.size()] / 4 + 0.0625;
    return y;
  };
  std::vector<double> x = neighbours(World::image(world.set.slots(), 7));
  for (double& v : x) {
    const double t3 = 4 * v * v * v - 3 * v, t5 = 16 * std::pow(v, 5) - 20 * v * v * v + 5 * v;
    const double t7 = 64 * std::pow(v, 7) - 112 * std::pow(v, 5) + 56 * v * v * v - 7 * v;
    v *= (1 + 1.1 * v - 0.3 * t3 + 0.15 * t5 - 0.05 * t7) / 2;
  }
  for (std::size_t i = x.size(); i-- > testing::kBootSide;) x[i] += x[i - testing::kBootSide];
  const std::vector<double> expected = neighbours(x), actual = world.clear(7);
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 0x1p-30);
}

TEST(BootstrappingPlans, AreVerifiedWithoutTheGates) {
  for (const auto& literal : {ckks::small_toy(), ckks::sparse_toy()}) {
    const plan::Plan plan = World(literal).plan;
    const auto verified = plan::verify(plan, kNoGates);
    EXPECT_TRUE(verified.ok()) << verified.error().message;
    EXPECT_FALSE(plan::verify(plan).ok());
  }
}

TEST(BootstrappingPlans, TheTraceAndTheProgressCountTheirSteps) {
  const Encrypted world(ckks::small_toy());
  Trace trace;
  std::size_t last = 0, all = 0;
  world.run(1, &trace, [&](std::size_t done, std::size_t total) {
    EXPECT_GE(done, last);
    last = done;
    all = total;
    return true;
  });
  EXPECT_EQ(last, all);
  ASSERT_EQ(trace.steps.size(), 5U);
  EXPECT_EQ(trace.steps[1].operation, "Bootstrap");
  EXPECT_EQ(trace.steps[2].operation, "Polynomial");
  for (const StepTime& step : trace.steps) EXPECT_GT(step.seconds, 0);
  EXPECT_GT(world.model.schedule().work[1], world.model.schedule().work[2]);
}

/// All residues, part after part.
std::vector<std::uint64_t> residues(const ckks::Context& context, const ckks::Ciphertext& x) {
  std::vector<std::uint64_t> all;
  for (const ring::NttPoly& part : x.parts) {
    for (std::size_t i = 0; i < part.limbs(); ++i) {
      std::vector<std::uint64_t> limb(context.degree());
      context.basis().export_limb(part.residues(i), i, limb);
      all.insert(all.end(), limb.begin(), limb.end());
    }
  }
  return all;
}

TEST(BootstrappingPlans, GoOnAfterAnyTaskToTheSameBits) {
  const Encrypted world(ckks::small_toy());
  const auto encrypted = secret::encrypt(world.context, world.secret, World::image(world.set.slots(), 1),
                                         world.plan.input.scale, world.plan.input.limbs);
  const std::vector<ckks::Ciphertext> inputs{expand(world.context, encrypted)};
  std::map<std::size_t, std::vector<ckks::Ciphertext>> states;
  Saving<ckks::Ciphertext> saving;
  saving.after = {1, 2, 3, 4};
  saving.save = [&](std::size_t tasks, auto live) -> Result<void> {
    for (const auto& [at, x] : live) states[tasks].push_back(*x);
    return {};
  };
  const auto whole = execute(world.model, world.backend, inputs, {}, nullptr, std::move(saving)).value();
  ASSERT_EQ(states.size(), 4U);
  for (const auto& [tasks, live] : states) {
    Saving<ckks::Ciphertext> rest;
    rest.tasks = tasks;
    rest.live = live;
    Trace trace;
    const auto resumed = execute(world.model, world.backend, inputs, {}, &trace, std::move(rest)).value();
    EXPECT_EQ(resumed[0].scale, whole[0].scale);
    EXPECT_EQ(residues(world.context, resumed[0]), residues(world.context, whole[0]));
    for (std::size_t s = 0; s < trace.steps.size(); ++s) EXPECT_EQ(trace.steps[s].seconds > 0, s >= tasks) << s;
  }
}

TEST(BootstrappingPlans, KeysAreMadeForTheLimbsThatTheyAreUsedAt) {
  const Encrypted world(ckks::small_toy());
  const ckks::KeyNeeds needs = plan::key_needs(world.context, world.plan.keys, world.bootstrapper);
  for (const auto& [element, limbs] : needs.galois) {
    const ckks::SwitchKey& key = world.keys->galois.at(element);
    EXPECT_EQ(key.body.size(), world.context.digits(limbs));
    EXPECT_NE(key.body[0].limb(limbs - 1), nullptr);
    EXPECT_TRUE(limbs == world.context.chain_limbs() || key.body[0].limb(limbs) == nullptr);
  }
  EXPECT_TRUE(ckks::check_keys(world.context, needs, *world.keys).ok());
}

TEST(BootstrappingPlans, WhatStaysInMemoryIsAsPredicted) {
  const Encrypted world(ckks::small_toy());
  world.run(1);
  std::size_t held = world.bootstrapper->memory().tables;
  const auto add = [&](const ckks::SwitchKey& key) {
    held += key.uniform.bytes();
    for (const ring::NttPoly& body : key.body) {
      for (std::size_t i = 0; i < body.limbs(); ++i) {
        held += body.limb(i) == nullptr ? 0 : ring::NttPoly::bytes(body.degree(), 1);
      }
    }
  };
  add(world.keys->relinearization[0]);
  for (const auto& [element, key] : world.keys->galois) add(key);
  add(world.keys->bootstrap->to_sparse);
  for (const ckks::SwitchKey& key : world.keys->bootstrap->to_dense) add(key);
  for (const auto* factors :
       {&world.bootstrapper->slot_to_coeff_factors(), &world.bootstrapper->coeff_to_slot_factors()}) {
    for (const ckks::Transform& factor : *factors) held += factor.bytes();
  }
  const ckks::BootstrapMemory memory = world.bootstrapper->memory();
  const auto predicted =
      static_cast<double>(plan::server_key_bytes(world.plan, world.bootstrapper) + memory.diagonals + memory.tables);
  EXPECT_NEAR(static_cast<double>(held), predicted, 0.02 * predicted);
}

TEST(BootstrappingPlans, AKeyThatIsAbsentIsNamed) {
  const World world(ckks::small_toy());
  const ckks::Context& context = *world.bootstrapper->context();
  const auto secret = secret::SecretKey::generate(context);
  const ckks::KeyNeeds needs = plan::key_needs(context, world.plan.keys, world.bootstrapper);
  ckks::EvalKeys keys = secret::make_eval_keys(context, secret, needs);
  const auto refusal = [&] { return ckks::check_keys(context, needs, keys).error(); };
  const auto conjugation = keys.galois.extract(ckks::conjugation_element(context.degree()));
  EXPECT_EQ(refusal().code, Code::missing_key);
  EXPECT_NE(refusal().message.find("the key of conjugation"), std::string::npos);
  ckks::EvalKeys without = secret::make_eval_keys(context, secret, needs);
  without.bootstrap.reset();
  keys = std::move(without);
  EXPECT_NE(refusal().message.find("sparse secret"), std::string::npos);
}

}  // namespace
}  // namespace obscura::run
