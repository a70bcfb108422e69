// SPDX-License-Identifier: Apache-2.0
/// Deep residual networks with polynomials in place of their activations, bootstrapped on a small ring: the network on
/// doubles, the plaintext simulator, ciphertexts.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "../ckks/toy_sets.h"
#include "../compile/residual.h"
#include "compile/cost/transform.h"
#include "compile/schedule/bootstraps.h"
#include "compile/search/bootstrapped.h"
#include "compile/search/emit.h"
#include "compile/search/search.h"
#include "plan/keys.h"
#include "plan/verify.h"
#include "run/ckks_backend.h"
#include "run/clear_backend.h"
#include "run/execute.h"
#include "secret/crypt.h"
#include "secret/eval_keys.h"

namespace obscura {
namespace {

using compile::Operation;
using nn::Op;
using nn::ValueId;

constexpr plan::Gates kNoGates{&ckks::Params::insecure_for_tests, &ckks::BootstrapParams::insecure_for_tests};
constexpr std::size_t kImages = 64;
constexpr std::size_t kEncrypted = 3;

ckks::BootstrapLiteral with_levels(ckks::BootstrapLiteral literal, int levels) {
  literal.levels = levels;
  return literal;
}

/// change times u (1 + p(u / bound)) / 2 for u = x - at, p near the sign.
compile::Approximation::Term bend(double at, double bound, double change) {
  std::vector<double> sign{0, 1.1, 0, -0.3, 0, 0.15, 0, -0.05};
  for (double& c : sign) c *= change;
  sign[0] += change - 1;
  return {{{-bound, bound, ckks::PolynomialBasis::chebyshev, std::move(sign)}}, true, at};
}

/// The same for every activation and maximum.
compile::Approximations alike(const nn::Graph& graph, const compile::Approximation& approximation) {
  compile::Approximations out;
  for (std::size_t k = 0; k < graph.nodes.size(); ++k) {
    if (graph.nodes[k].op == Op::function || graph.nodes[k].op == Op::max_pool) out[k] = approximation;
  }
  return out;
}

compile::Approximations rectifiers(const nn::Graph& graph, double bound) {
  return alike(graph, {{bend(0, bound, 1)}, 0, false, bound});
}

/// A stem, a block with an identity, one with a projection of stride 2, and a dense layer.
void build(compile::ResidualNet& net, const std::function<ValueId(ValueId, std::int64_t)>& activation) {
  const ValueId x = activation(net.conv_norm(0, 2, 3), 3);
  const ValueId inner = activation(net.conv_norm(x, 3, 3), 3);
  const ValueId y = activation(net.sum(net.conv_norm(inner, 3, 3), x), 3);
  const ValueId down = activation(net.conv_norm(y, 3, 4, 2), 4);
  const ValueId z = activation(net.sum(net.conv_norm(down, 4, 4), net.projection(y, 3, 4, 2)), 4);
  net.pooled_dense(z, 4, 4);
}

/// A compiled network on a small ring.
struct World {
  World(const nn::Graph& graph, const compile::Approximations& approximations, int levels,
        const ckks::BootstrapLiteral& toy = ckks::small_toy())
      : network(compile::make_monic(compile::fuse(graph, approximations).value(), compile::Quartics::plain).value()),
        pixels(compile::random_images(graph, kImages)),
        statistics(compile::measure(network, images())),
        amplification(network, statistics, images()),
        set(ckks::BootstrapParams::insecure_for_tests(with_levels(toy, levels)).value()) {
    setting.network = &network;
    setting.statistics = &statistics;
    setting.amplification = &amplification;
    setting.memory = 16'000'000'000;
    auto scheduled = compile::with_bootstrapping(setting, set, 1);
    if (!scheduled.ok()) throw std::runtime_error(scheduled.error().message);
    selection = std::move(scheduled).value();
    plan = compile::emit(network, selection).value();
    plan.batch = 1;
    plan.input.mean.assign(plan.input.channels, 0);
    plan.input.std.assign(plan.input.channels, 1);
    bootstrapper = ckks::Bootstrapper::make(set, {plan.bootstrap->input_scale, plan.bootstrap->output_scale}).value();
  }
  compile::Images images() const { return {pixels, static_cast<std::size_t>(nn::element_count(network.input))}; }

  std::vector<double> slots(std::size_t image) const {
    std::vector<double> out(set.slots(), 0);
    const auto places = plan.input.layout.places();
    for (std::size_t e = 0; e < places.size(); ++e) {
      for (std::size_t at = places[e].position; at < out.size(); at += plan.input.layout.period) {
        out[at] = pixels[image * places.size() + e];
      }
    }
    return out;
  }
  std::vector<double> logits(const std::vector<double>& out) const {
    std::vector<double> values;
    for (const plan::Place& place : plan.output.layout.places()) values.push_back(out[place.position]);
    return values;
  }

  compile::MonicNetwork network;
  std::vector<float> pixels;
  compile::Statistics statistics;
  compile::ErrorAmplification amplification;
  ckks::BootstrapParams set;
  compile::Setting setting;
  compile::Candidate selection;
  plan::Plan plan;
  std::shared_ptr<const ckks::Bootstrapper> bootstrapper;
};

double squares(const std::vector<double>& a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

std::size_t bootstraps(const plan::Plan& plan) {
  std::size_t count = 0;
  for (const plan::Step& step : plan.steps) count += std::holds_alternative<plan::Bootstrap>(step.operation) ? 1 : 0;
  return count;
}

/// Both backends give what the network on doubles gives, within the predicted error, which is at most so many times too
/// large.
void expect_three_ways(const World& world, double margin = 16) {
  const auto verified = plan::verify(world.plan, kNoGates);
  ASSERT_TRUE(verified.ok()) << verified.error().message;
  EXPECT_GT(bootstraps(world.plan), 0U);
  const std::vector<double> exact = compile::evaluate(world.network, world.images());
  const ckks::Context& context = *world.bootstrapper->context();
  const auto secret = secret::SecretKey::generate(context);
  const auto keys = std::make_shared<const ckks::EvalKeys>(
      secret::make_eval_keys(context, secret, plan::key_needs(context, world.plan.keys, world.bootstrapper)));
  const auto program = run::make_program(world.plan, world.bootstrapper, std::uint64_t{1} << 28);
  const run::ClearBackend clear(world.set.params());
  const run::ClearModel clear_model = clear.prepare(program);
  const run::CkksBackend encrypted(world.bootstrapper->context(), keys);
  const run::CkksModel model = encrypted.prepare(program);
  const std::size_t classes = world.plan.output.classes;
  double of_clear = 0, of_encrypted = 0;
  for (std::size_t i = 0; i < kEncrypted; ++i) {
    const auto expected = std::span(exact).subspan(i * classes, classes);
    std::vector<run::ClearValue> plain;
    plain.push_back(clear.encrypt(world.slots(i), world.plan.input.scale, world.plan.input.limbs, 0));
    of_clear += squares(world.logits(run::execute(clear_model, clear, std::move(plain)).value()[0].slots), expected);
    std::vector<ckks::Ciphertext> inputs;
    std::vector<double> slots = world.slots(i);
    const std::size_t period = slots.size();
    while (slots.size() < world.set.params().slots()) slots.push_back(slots[slots.size() - period]);
    inputs.push_back(
        expand(context, secret::encrypt(context, secret, slots, world.plan.input.scale, world.plan.input.limbs)));
    const auto outputs = run::execute(model, encrypted, std::move(inputs)).value();
    of_encrypted += squares(world.logits(secret::decrypt(context, secret, outputs[0])), expected);
  }
  const double count = static_cast<double>(kEncrypted * classes);
  EXPECT_LT(std::sqrt(of_clear / count), 2 * world.plan.output.error_std);
  EXPECT_LT(std::sqrt(of_encrypted / count), 2 * world.plan.output.error_std);
  EXPECT_GT(std::sqrt(of_encrypted / count), world.plan.output.error_std / margin) << "a prediction far too large";
}

TEST(Deep, RectifiersByPolynomialsWithShortcuts) {
  compile::ResidualNet net({2, 4, 4});
  build(net, [&](ValueId x, std::int64_t) { return net.function(approx::Function::Kind::relu, x); });
  const nn::Graph& graph = net.finished();
  expect_three_ways(World(graph, rectifiers(graph, 6), 8));
}

TEST(Deep, MaximaByPolynomials) {
  compile::ResidualNet net({2, 4, 4});
  const ValueId x = net.function(approx::Function::Kind::relu, net.conv_norm(0, 2, 3));
  const ValueId pooled = net.node(Op::max_pool, {x}, {.kernel = {2, 2}, .strides = {2, 2}});
  net.pooled_dense(net.conv_norm(pooled, 3, 4), 4, 4);
  const nn::Graph& graph = net.finished();
  expect_three_ways(World(graph, rectifiers(graph, 6), 8));
}

TEST(Deep, ClipsOfTwoBends) {
  compile::ResidualNet net({2, 4, 4});
  build(net, [&](ValueId x, std::int64_t) { return net.function(approx::Function::Kind::clip, x); });
  const nn::Graph& graph = net.finished();
  expect_three_ways(World(graph, alike(graph, {{bend(-1, 6, 1), bend(1.5, 6, -1)}, -1, false, 5}), 8));
}

TEST(Deep, ClippedLinesTimesTheirArgument) {
  compile::ResidualNet net({2, 4, 4});
  build(net, [&](ValueId x, std::int64_t) { return net.function(approx::Function::Kind::hard_swish, x); });
  const nn::Graph& graph = net.finished();
  expect_three_ways(World(graph, alike(graph, {{bend(-3, 8, 1.0 / 6), bend(3, 8, -1.0 / 6)}, 0.05, true, 5}), 8), 32);
}

/// A stem, a gate for each channel from the means of all, a layer of stride 2, and a dense layer.
TEST(Deep, GatesOfChannels) {
  using Kind = approx::Function::Kind;
  compile::ResidualNet net({2, 4, 4});
  const ValueId x = net.function(Kind::relu, net.conv_norm(0, 2, 4));
  const ValueId squeezed = net.function(Kind::relu, net.dense(net.node(Op::global_average_pool, {x}), 4, 2));
  const ValueId gate = net.function(Kind::sigmoid, net.dense(squeezed, 2, 4));
  const ValueId opened = net.product(x, net.node(Op::reshape, {gate}, {.shape = {4, 1, 1}}));
  const ValueId y = net.function(Kind::relu, net.conv_norm(net.sum(opened, x), 4, 4, 2));
  net.pooled_dense(y, 4, 4);
  const nn::Graph& graph = net.finished();
  compile::Approximations approximations = rectifiers(graph, 6);
  for (std::size_t k = 0; k < graph.nodes.size(); ++k) {
    const bool sigmoid = graph.nodes[k].op == Op::function && graph.nodes[k].attributes.function.kind == Kind::sigmoid;
    if (sigmoid) approximations[k] = compile::exact_form({0.5, 0.24, 0, -0.014}, 4);
  }
  const World world(graph, approximations, 8);
  expect_three_ways(world);
  const auto multiplies = [](const plan::Step& step) { return std::holds_alternative<plan::Multiply>(step.operation); };
  EXPECT_EQ(std::count_if(world.plan.steps.begin(), world.plan.steps.end(), multiplies), 1);
}

TEST(Deep, VectorsOfFewerSlotsThanTheRingHas) {
  compile::ResidualNet net({2, 4, 4});
  build(net, [&](ValueId x, std::int64_t) { return net.function(approx::Function::Kind::relu, x); });
  const nn::Graph& graph = net.finished();
  const World world(graph, rectifiers(graph, 6), 8, ckks::sparse_toy());
  ASSERT_LT(plan::slots(world.plan), world.set.params().slots());
  // The prediction is 23 times too large here, of which the last transform makes most; it is not known why.
  expect_three_ways(world, 32);
}

TEST(Deep, BootstrappingFewerSlotsIsPredictedToTakeLess) {
  const compile::CostModel cost;
  std::map<int, std::map<int, double>> by_levels;  // by the levels that a set leaves, then by its slots
  for (const auto& literal : ckks::BootstrapParams::demonstrated()) {
    const auto set = ckks::BootstrapParams::make(literal).value();
    const double scale = std::exp2(literal.level_bits);
    const auto bootstrapper = ckks::Bootstrapper::make(set, {scale, scale, plan::kBootstrapFactorBytes}).value();
    by_levels[literal.levels][literal.log2_slots] = compile::bootstrap_nanoseconds(cost, *bootstrapper);
  }
  ASSERT_EQ(by_levels.size(), 2U);
  for (const auto& [levels, by_slots] : by_levels) {
    for (const int log2_slots : {12, 13, 14}) {
      EXPECT_LT(by_slots.at(log2_slots), by_slots.at(log2_slots + 1)) << levels << " levels, 2^" << log2_slots;
    }
  }
}

TEST(Deep, TheSearchTakesTheFewestSlotsThatHoldTheNetwork) {
  compile::ResidualNet net({2, 4, 4});
  build(net, [&](ValueId x, std::int64_t) { return net.function(approx::Function::Kind::relu, x); });
  const nn::Graph& graph = net.finished();
  World world(graph, rectifiers(graph, 6), 8);
  world.setting.max_error = 1;
  const compile::Request request{1, true, 16};
  const auto found = compile::search(world.setting, request);
  ASSERT_TRUE(found.ok()) << found.error().message;
  ASSERT_TRUE(found->has_value());
  const compile::Selection& first = **found;
  plan::Plan plan = compile::emit(world.network, first.best).value();
  plan.batch = 1;
  plan.input.mean.assign(plan.input.channels, 0);
  plan.input.std.assign(plan.input.channels, 1);
  const auto verified = plan::verify(plan);
  EXPECT_TRUE(verified.ok()) << verified.error().message;
  EXPECT_EQ(plan::slots(plan), std::uint64_t{1} << 12);
  // A limit of keys bounds them, and excludes nothing that stays within it.
  const std::uint64_t keys = plan::server_key_bytes(plan, first.best.bootstrapper);
  world.setting.max_key_bytes = keys;
  const auto same = compile::search(world.setting, request);
  ASSERT_TRUE(same.ok()) << same.error().message;
  EXPECT_EQ((*same)->best.memory.keys, keys);
  world.setting.max_key_bytes.reset();
  world.setting.memory = first.best.memory.least() - 1;
  const auto less = compile::search(world.setting, request);
  EXPECT_TRUE(!less.ok() || (*less)->best.memory.least() < first.best.memory.least());
}

TEST(Deep, QuadraticsForEachChannelWithShortcuts) {
  compile::ResidualNet net({2, 4, 4});
  build(net, [&](ValueId x, std::int64_t channels) { return net.quadratic(x, channels); });
  expect_three_ways(World(net.finished(), {}, 4));
}

TEST(Deep, QuarticsForEachChannelWithShortcuts) {
  compile::ResidualNet net({2, 4, 4});
  build(net, [&](ValueId x, std::int64_t channels) {
    // The first channel's leading coefficient is 0, or all are alike in size.
    std::vector<float> leading(static_cast<std::size_t>(channels), 0.01F);
    leading[0] = channels == 3 ? 0 : 0.02F;
    const ValueId x2 = net.square(x);
    const ValueId fourth = net.node(Op::mul, {net.square(x2), net.constant({channels, 1, 1}, leading)});
    return net.sum(fourth, net.quadratic(x, channels));
  });
  // All of the prediction is the rounding of the dense layer's diagonals. It is taken for one of all N coefficients,
  // and these repeat: they have few, so that it is too large by the root of how often.
  expect_three_ways(World(net.finished(), {}, 4), 32);
}

TEST(Deep, WhatIsBootstrappedIsAtMostOneInSize) {
  compile::ResidualNet net({2, 4, 4});
  build(net, [&](ValueId x, std::int64_t channels) { return net.quadratic(x, channels); });
  const World world(net.finished(), {}, 4);
  for (const plan::Step& step : world.plan.steps) {
    const auto* bootstrap = std::get_if<plan::Bootstrap>(&step.operation);
    if (bootstrap == nullptr) continue;
    EXPECT_LE(world.plan.value(bootstrap->input).max_abs, 1);
  }
}

/// Operations of one ciphertext that each read the one before, with the levels of the list: 0 stands for a sum.
compile::Circuit chain(const std::vector<int>& levels) {
  compile::Circuit circuit;
  for (const int level : levels) {
    Operation step;
    step.kind = level == 0 ? Operation::Kind::sum : Operation::Kind::polynomial;
    step.input = static_cast<plan::ValueId>(circuit.operations.size());
    step.drops = static_cast<std::uint32_t>(level);
    step.refreshable = true;
    circuit.operations.push_back(std::move(step));
  }
  return circuit;
}

double one(std::size_t, std::uint32_t) { return 1; }

std::size_t count(const compile::Placement& placement) {
  return static_cast<std::size_t>(std::count(placement.after.begin(), placement.after.end(), 1));
}

TEST(Placement, BootstrapsNoMoreThanLevelsAsk) {
  // From 10 limbs down to 3, again and again: seven levels between two bootstrappings, eight after the last.
  const compile::PlacementLimits limits{3, 10};
  EXPECT_EQ(count(compile::place_bootstraps(chain({4, 4}), limits, one, 100).value()), 0U);
  EXPECT_EQ(count(compile::place_bootstraps(chain({4, 4, 4}), limits, one, 100).value()), 1U);
  EXPECT_EQ(count(compile::place_bootstraps(chain({4, 4, 4, 4}), limits, one, 100).value()), 2U);
  EXPECT_EQ(count(compile::place_bootstraps(chain({4, 3, 4, 4}), limits, one, 100).value()), 1U);
}

TEST(Placement, AStepOfMoreLevelsThanThereAreIsRefused) {
  const compile::PlacementLimits limits{3, 10};
  EXPECT_EQ(compile::place_bootstraps(chain({4, 10, 4}), limits, one, 100).error().code, Code::infeasible);
}

TEST(Deep, ActivationsOfTooManyLevelsAreToldBeforeAnythingIsLaidOut) {
  const auto check = [](const nn::Graph& graph, int levels) {
    const auto network =
        compile::make_monic(compile::fuse(graph, rectifiers(graph, 6)).value(), compile::Quartics::plain);
    const auto set = ckks::BootstrapParams::insecure_for_tests(with_levels(ckks::small_toy(), levels));
    return compile::check_activation_levels(network.value(), set.value());
  };
  // Four levels each: where three are left, a last one may start at more limbs than bootstrapping starts from.
  for (const bool two : {false, true}) {
    compile::ResidualNet net({2, 4, 4});
    ValueId x = net.function(approx::Function::Kind::relu, net.conv_norm(0, 2, 3));
    if (two) x = net.function(approx::Function::Kind::relu, net.conv_norm(x, 3, 3));
    net.pooled_dense(x, 3, 4);
    const nn::Graph& graph = net.finished();
    EXPECT_TRUE(check(graph, 4).ok());
    const auto few = check(graph, 3);
    EXPECT_EQ(few.ok(), !two);
    if (!two) continue;
    EXPECT_NE(few.error().message.find("take 4 levels; one bootstrapping leaves 3"), std::string::npos)
        << few.error().message;
    EXPECT_NE(few.error().message.find(graph.nodes[2].name), std::string::npos) << few.error().message;
  }
}

TEST(Placement, ValuesInFewCiphertextsAreBootstrappedFirst) {
  compile::Circuit circuit = chain({4, 1, 1, 4});
  circuit.operations[0].ciphertexts = circuit.operations[2].ciphertexts = 4;
  const auto placement = compile::place_bootstraps(circuit, {3, 10}, one, 100).value();
  EXPECT_EQ(placement.after, (std::vector<char>{0, 1, 0, 0}));
}

TEST(Placement, NoMoreLimbsAreKeptThanAreUsed) {
  // Cheaper with fewer limbs: 7 levels and the output's limb follow, and 4 levels and 3 limbs come before.
  const auto by_limbs = [](std::size_t, std::uint32_t limbs) { return static_cast<double>(limbs); };
  const auto placement = compile::place_bootstraps(chain({4, 4, 3}), {3, 10, 1}, by_limbs, 100).value();
  ASSERT_EQ(placement.after, (std::vector<char>{1, 0, 0}));
  EXPECT_EQ(placement.limbs, (std::vector<std::uint32_t>{8, 0, 0}));
  EXPECT_EQ(placement.input_limbs, 7U);
}

TEST(Placement, ASumHasTheLimbsOfItsLowestBranch) {
  // 1 -> 2 -> 3 = 2 + 1: bootstrapping 2 alone would leave the sum at what 1 has.
  compile::Circuit circuit = chain({6, 0, 0, 6});
  circuit.operations[2].addends = {{1}};
  const auto placement = compile::place_bootstraps(circuit, {3, 10}, one, 100).value();
  EXPECT_EQ(placement.after[1], 0);
  EXPECT_EQ(count(placement), 1U);
}

}  // namespace
}  // namespace obscura
