// SPDX-License-Identifier: Apache-2.0
/// What the executor asks of a backend, and no more: one that resembles a device's.
#include "run/backend.h"

#include <gtest/gtest.h>

#include <map>

#include "../flow/tiny_plan.h"
#include "run/ckks_backend.h"
#include "run/clear_backend.h"
#include "run/execute.h"

namespace obscura::run {
namespace {

struct Number {
  double x = 0;
  Shape shape;
};

/// One number for each element. Unlike those of this machine's memory, its elements are copied out, and a stage goes
/// step by step, each over all elements of a task.
class TinyBackend {
 public:
  using Value = Number;
  using Tensor = std::map<std::size_t, Number>;
  using Model = run::Model;
  struct Elements {
    const Model& model;
    std::size_t step;
    std::span<const std::uint32_t> which;
    std::span<Tensor> values;
    /// Writes f(read, i) to each, where read(id) is what value id has there.
    template <class F>
    void for_each(const F& f) const {
      for (const std::uint32_t i : which) {
        const auto read = [&](plan::ValueId id) { return values[id].at(i).x; };
        values[step + 1][i] = planned(model, step, f(read, i));
      }
    }
  };

  static Model prepare(std::shared_ptr<const Program> program) { return Model(std::move(program)); }
  static Tensor make_tensor(const Model&, plan::ValueId) { return {}; }
  static void put(Tensor& y, std::size_t i, Value&& x) { y[i] = x; }
  static Value read(const Tensor& x, std::size_t i) { return x.at(i); }
  static Value take(Tensor& y, std::size_t i) { return y.extract(i).mapped(); }
  static void forget(Tensor& y, std::size_t i) { EXPECT_EQ(y.erase(i), 1U) << "was not there"; }
  static Shape shape(const Tensor& x, std::size_t i) { return x.at(i).shape; }

  static void linear(const Model& model, std::size_t step, std::span<const std::uint32_t> blocks, const Tensor& x,
                     Tensor& y) {
    const auto& linear = std::get<plan::Linear>(model.plan().steps[step].operation);
    for (const std::uint32_t b : blocks) {
      const ckks::IntegerBlock& block = linear.map.blocks[b];
      const ckks::IntegerMatrix& matrix = linear.map.matrices[block.matrix];
      for (std::size_t r = 0; r < block.outputs.size(); ++r) {
        double sum = 0;
        for (std::size_t c = 0; c < block.inputs.size(); ++c) {
          sum += matrix.data[r * matrix.cols + c] * x.at(block.inputs[c]).x;
        }
        const std::uint32_t o = block.outputs[r];
        y[o] = planned(model, step, sum / linear.weight_scale + linear.bias[o]);
      }
    }
  }
  static void transform(const Model&, std::size_t, const Tensor&, Tensor&) { FAIL() << "the batch layout has none"; }
  void elementwise(const Model& model, ElementwiseTask& task, std::span<Tensor> values) const {
    const plan::Stage& stage = task.stage();
    for (std::size_t s = stage.first; s < stage.end; ++s) {
      const Elements elements{model, s, task.elements(), values};
      std::visit(
          [&]<class Operation>(const Operation& operation) {
            if constexpr (!plan::kIsMap<Operation>) apply(operation, elements);
          },
          model.plan().steps[s].operation);
      for (const std::uint32_t i : task.elements()) task.made(s, values[s + 1].at(i).shape, 1e-9);
    }
    for (const std::uint32_t i : task.elements()) task.has_read(i);
    for (std::size_t s = stage.first; s < stage.end; ++s) {
      if (model.schedule().readers[s + 1].empty()) values[s + 1].clear();
    }
  }

  static void apply(const plan::Multiply& product, const Elements& elements) {
    elements.for_each([&](const auto& read, std::uint32_t) { return read(product.a) * read(product.b); });
  }
  static void apply(const plan::Relinearize& switched, const Elements& elements) {
    elements.for_each([&](const auto& read, std::uint32_t) { return read(switched.input); });
  }
  static void apply(const plan::Rescale& rescaled, const Elements& elements) {
    elements.for_each([&](const auto& read, std::uint32_t) { return read(rescaled.input); });
  }
  static void apply(const plan::Combine& sum, const Elements& elements) {
    const auto pick = [](const std::vector<double>& numbers, std::uint32_t i, double otherwise) {
      return numbers.empty() ? otherwise : numbers[numbers.size() == 1 ? 0 : i];
    };
    elements.for_each([&](const auto& read, std::uint32_t i) {
      double y = pick(sum.constants, i, 0);
      for (const auto& term : sum.terms) y += pick(term.coefficients, i, 1) * read(term.input);
      return y;
    });
  }
  static void apply(const plan::Fold&, const Elements&) { FAIL() << "the batch layout has none"; }
  static void apply(const plan::Polynomial&, const Elements&) { FAIL() << "the tiny networks have none"; }
  static void apply(const plan::Bootstrap&, const Elements&) { FAIL() << "the tiny networks have none"; }

  static Value planned(const Model& model, std::size_t step, double x) {
    const plan::ValueInfo& out = model.plan().steps[step].output;
    return {x, {out.limbs, out.parts, out.scale}};
  }
};
static_assert(Backend<TinyBackend>);

/// The same without one elementwise operation, and without one map.
struct LacksFold : TinyBackend {
  using TinyBackend::apply;
  static void apply(const plan::Fold&, const Elements&) = delete;
};
struct LacksTransform : TinyBackend {
  static void transform() = delete;
};
static_assert(!Backend<LacksFold> && !Backend<LacksTransform>);

/// An operation that plans may have one day.
struct Unheard {
  plan::ValueId input = 0;
};
template <class B>
inline constexpr bool kNoticesUnheard =
    !internal::kAppliesAll<B, std::variant<plan::Linear, plan::Multiply, Unheard>> &&
    internal::kAppliesAll<B, std::variant<plan::Linear, plan::Multiply>>;
static_assert(kNoticesUnheard<CkksBackend> && kNoticesUnheard<ClearBackend> && kNoticesUnheard<TinyBackend>);

std::vector<Number> numbers(const plan::Plan& plan, std::span<const float> image) {
  std::vector<Number> inputs;
  for (const float x : image) inputs.push_back({static_cast<double>(x), {plan.input.limbs, 2, plan.input.scale}});
  return inputs;
}

void expect_logits(const plan::Plan& plan, std::optional<double> p) {
  const TinyBackend backend;
  const Model model = backend.prepare(make_program(plan));
  const std::vector<float> image = testing::random_pixels(1);
  const std::vector<double> expected = testing::tiny_logits(testing::tiny_network(), image, p);
  const auto outputs = execute(model, backend, numbers(plan, image));
  ASSERT_TRUE(outputs.ok());
  ASSERT_EQ(outputs->size(), expected.size());
  for (std::size_t c = 0; c < expected.size(); ++c) EXPECT_NEAR((*outputs)[c].x, expected[c], 1e-9);
}

TEST(Backend, MayKeepItsTensorsInAFormOfItsOwn) {
  expect_logits(testing::square_plan(), {});
  expect_logits(testing::quartic_plan(), testing::Quartic::p);
}

TEST(Backend, WithCopiedElementsGoesOnAfterAnyTask) {
  const plan::Plan plan = testing::quartic_plan();
  const TinyBackend backend;
  const Model model(std::make_shared<const Program>(Program{plan, plan::make_schedule(plan, 2)}));
  const std::vector<Number> inputs = numbers(plan, testing::random_pixels(1));
  std::map<std::size_t, std::vector<Number>> states;
  Saving<Number> saving;
  for (std::size_t t = 1; t < model.schedule().tasks.size(); ++t) saving.after.push_back(t);
  saving.save = [&](std::size_t tasks, auto live) -> Result<void> {
    for (const auto& [at, x] : live) states[tasks].push_back(*x);
    return {};
  };
  const auto whole = execute(model, backend, inputs, {}, nullptr, std::move(saving)).value();
  ASSERT_EQ(states.size() + 1, model.schedule().tasks.size());
  for (const auto& [tasks, live] : states) {
    SCOPED_TRACE(tasks);
    Saving<Number> rest;
    rest.tasks = tasks;
    rest.live = live;
    const auto resumed = execute(model, backend, inputs, {}, nullptr, std::move(rest)).value();
    for (std::size_t c = 0; c < whole.size(); ++c) EXPECT_EQ(resumed[c].x, whole[c].x);
  }
}

}  // namespace
}  // namespace obscura::run
