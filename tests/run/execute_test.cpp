// SPDX-License-Identifier: Apache-2.0
#include "run/execute.h"

#include <gtest/gtest.h>

#include <atomic>

#include "../flow/tiny_plan.h"
#include "run/host_backend.h"

namespace obscura::run {
namespace {

std::atomic<int> alive{0};
std::atomic<int> peak{0};
/// The same in polynomials of one limb.
std::atomic<int> live_limbs{0};
std::atomic<int> peak_limbs{0};

/// A value that is counted from the operation that makes it to the moment it is freed.
struct Counted {
  Counted() = default;
  explicit Counted(Shape s) : shape(s), counted(true) {
    grow(alive, peak, 1);
    grow(live_limbs, peak_limbs, limbs());
  }
  Counted(Counted&& other) noexcept : shape(other.shape), counted(std::exchange(other.counted, false)) {}
  Counted& operator=(Counted&& other) noexcept {
    if (this != &other) {
      release();
      shape = other.shape;
      counted = std::exchange(other.counted, false);
    }
    return *this;
  }
  ~Counted() { release(); }
  void release() {
    if (!std::exchange(counted, false)) return;
    --alive;
    live_limbs -= limbs();
  }
  static void grow(std::atomic<int>& count, std::atomic<int>& most, int by) {
    const int now = count += by;
    int seen = most;
    while (now > seen && !most.compare_exchange_weak(seen, now)) {
    }
  }
  int limbs() const { return static_cast<int>(shape.limbs * shape.parts); }
  Shape shape;
  bool counted = false;
};

/// Book-keeping alone: counts values, and fails where an operation reads one that was freed.
class CountingBackend : public HostTensors<Counted> {
 public:
  using Model = run::Model;
  using Elements = OneElement<Model, Counted>;
  explicit CountingBackend(const plan::Plan& plan) : chain_(plan.params.chain) {}
  static Model prepare(std::shared_ptr<const Program> program) { return Model(std::move(program)); }
  static Shape shape(const Value& x) { return x.shape; }
  static Shape shape(const Tensor& x, std::size_t i) { return x[i].shape; }
  static void linear(const Model& model, std::size_t step, std::span<const std::uint32_t> blocks, const Tensor& x,
                     Tensor& y) {
    const auto& linear = std::get<plan::Linear>(model.plan().steps[step].operation);
    for (const std::uint32_t b : blocks) {
      const ckks::IntegerBlock& block = linear.map.blocks[b];
      for (const std::uint32_t i : block.inputs) EXPECT_TRUE(x[i].counted) << "reads a freed value";
      const Shape& like = x[block.inputs[0]].shape;
      for (const std::uint32_t o : block.outputs) {
        EXPECT_FALSE(y[o].counted) << "made twice";
        y[o] = Value({like.limbs, like.parts, like.scale * linear.weight_scale});
      }
    }
  }
  static void transform(const Model& model, std::size_t step, const Tensor& x, Tensor& y) {
    for (const Value& in : x) EXPECT_TRUE(in.counted) << "reads a freed value";
    for (Value& out : y) out = planned(model, step);
  }
  void elementwise(const Model& model, ElementwiseTask& task, std::span<Tensor> values) const {
    run_elements(*this, model, task, values);
  }
  static Value apply(const plan::Multiply& product, const Elements& at) {
    const Shape a = read_shape(at[product.a]), b = read_shape(at[product.b]);
    return Value({a.limbs, 3, a.scale * b.scale});
  }
  Value apply(const plan::Relinearize& switched, const Elements& at) const {
    return dropped(at[switched.input], switched.rescale, 2);
  }
  Value apply(const plan::Rescale& rescaled, const Elements& at) const {
    return dropped(at[rescaled.input], rescaled.limbs, at[rescaled.input].shape.parts);
  }
  static Value apply(const plan::Combine& sum, const Elements& at) {
    Shape s = read_shape(at[sum.terms[0].input]);
    for (const auto& term : sum.terms) {
      const Shape x = read_shape(at[term.input]);
      s.limbs = std::min(s.limbs, x.limbs);
      s.parts = std::max(s.parts, x.parts);
    }
    return Value(s);
  }
  static Value apply(const plan::Fold& fold, const Elements& at) { return Value(read_shape(at[fold.input])); }
  static Value apply(const plan::Polynomial& polynomial, const Elements& at) {
    read_shape(at[polynomial.input]);
    return planned(at.model(), at.step());
  }
  static Value apply(const plan::Bootstrap& bootstrap, const Elements& at) {
    read_shape(at[bootstrap.input]);
    return planned(at.model(), at.step());
  }

 private:
  static Shape read_shape(const Value& x) {
    EXPECT_TRUE(x.counted) << "reads a freed value";
    return x.shape;
  }
  static Value planned(const Model& model, std::size_t step) {
    const plan::ValueInfo& out = model.plan().steps[step].output;
    return Value({out.limbs, out.parts, out.scale});
  }
  Value dropped(const Value& x, std::uint32_t n, std::uint32_t parts) const {
    Shape s = read_shape(x);
    s.parts = parts;
    for (std::uint32_t k = 0; k < n; ++k) s.scale /= static_cast<double>(chain_[--s.limbs]);
    return Value(s);
  }
  std::vector<std::uint64_t> chain_;
};

Model counting_model(plan::Plan plan, plan::Schedule schedule) {
  return Model(std::make_shared<const Program>(Program{std::move(plan), std::move(schedule)}));
}
Model counting_model(plan::Plan plan) { return Model(make_program(std::move(plan))); }

std::vector<Counted> counted_inputs(const plan::Plan& plan) {
  std::vector<Counted> inputs;
  for (std::uint32_t e = 0; e < plan.input.elements(); ++e) {
    inputs.emplace_back(Shape{plan.input.limbs, 2, plan.input.scale});
  }
  return inputs;
}

TEST(Execute, KeepsNoMoreValuesThanALinearStepOrARunNeeds) {
  const Model model = counting_model(testing::quartic_plan());
  const base::ThreadLimit one(1);
  alive = peak = 0;
  {
    auto inputs = counted_inputs(model.plan());
    const auto outputs = execute(model, CountingBackend(model.plan()), std::move(inputs));
    ASSERT_TRUE(outputs.ok());
    EXPECT_EQ(outputs.value().size(), 3U);
    EXPECT_EQ(alive, 3) << "only the outputs are left";
  }
  EXPECT_EQ(alive, 0);
  // Inputs of the convolution give way to its outputs block by block.
  EXPECT_LE(peak, 36 + 8);
}

/// `layers` convolutions of 3 neighbours over a line, each with a square after it.
plan::Plan line_plan(std::uint32_t length, int layers) {
  plan::Plan head = testing::plan_head("line", testing::square_plan().params, 0x1p25);
  head.input.height = 1;
  head.input.width = length;
  head.input.layout = plan::batch_layout(length, plan::slots(head));
  testing::PlanBuilder builder(std::move(head));
  plan::ValueId x = 0;
  for (int layer = 0; layer < layers; ++layer) {
    ckks::IntegerMap map{length, length, {{1, 2, {1, 1}}, {1, 3, {1, 2, 1}}}, {}};
    for (std::uint32_t i = 0; i < length; ++i) {
      ckks::IntegerBlock block{1, {}, {i}};
      for (std::uint32_t j = i == 0 ? 0 : i - 1; j <= std::min(i + 1, length - 1); ++j) block.inputs.push_back(j);
      block.matrix = block.inputs.size() == 2 ? 0 : 1;
      map.blocks.push_back(std::move(block));
    }
    x = builder.linear(x, std::move(map), 1, std::vector<double>(length, 0.0));
    x = builder.relinearize(builder.multiply(x, x), layer == 0 ? 1 : 0);
  }
  return builder.finish();
}

TEST(Execute, GoesDepthFirstThroughLayersAndHoldsAFewElementsOfEach) {
  constexpr std::uint32_t kLength = 200;
  plan::Plan plan = line_plan(kLength, 3);
  plan::Schedule schedule = plan::make_schedule(plan, 1);
  const Model model = counting_model(std::move(plan), std::move(schedule));
  const base::ThreadLimit one(1);
  alive = peak = 0;
  const auto outputs = execute(model, CountingBackend(model.plan()), counted_inputs(model.plan()));
  ASSERT_TRUE(outputs.ok());
  EXPECT_EQ(outputs->size(), kLength);
  // Inputs give way to outputs; between them at most some four elements a layer are alive.
  EXPECT_LE(peak, static_cast<int>(kLength) + 2 * 3 * 4);
}

/// A line of convolutions with a square after each, where the first layer's value is added again two layers later, and
/// once more at the end beside the second's.
plan::Plan shortcut_plan(std::uint32_t length) {
  plan::Plan plain = line_plan(length, 4);
  plan::Plan head = testing::plan_head("shortcuts", plain.params, plain.input.scale);
  head.input = plain.input;
  testing::PlanBuilder builder(std::move(head));
  const auto layer = [&](plan::ValueId x, std::size_t step) {
    const auto& linear = std::get<plan::Linear>(plain.steps[step].operation);
    return builder.linear(x, linear.map, linear.weight_scale, linear.bias);
  };
  const auto squared = [&](plan::ValueId x, std::uint32_t drop) {
    return builder.relinearize(builder.multiply(x, x), drop);
  };
  const plan::ValueId a = squared(layer(0, 0), 1);
  const plan::ValueId b = squared(layer(a, 3), 0);
  const plan::ValueId c = squared(builder.combine({{layer(b, 6), {1.0}}, {a, {0x1p30}}}, {}), 0);
  builder.combine({{layer(c, 9), {1.0}}, {b, {1.0}}, {a, {1.0}}}, {});
  return builder.finish();
}

TEST(Execute, HoldsAtMostThePeakOfTheScheduleWhereValuesAreReadAgainLater) {
  for (const std::size_t wave : {std::size_t{1}, std::size_t{16}, plan::kWave}) {
    SCOPED_TRACE(wave);
    plan::Plan plan = shortcut_plan(200);
    plan::Schedule schedule = plan::make_schedule(plan, wave);
    const auto predicted = static_cast<double>(schedule.peak_bytes);
    const double limb = 8.0 * static_cast<double>(std::uint64_t{1} << plan.params.log2_degree);
    const Model model = counting_model(std::move(plan), std::move(schedule));
    const base::ThreadLimit one(1);
    alive = peak = 0;
    live_limbs = peak_limbs = 0;
    const auto outputs = execute(model, CountingBackend(model.plan()), counted_inputs(model.plan()));
    ASSERT_TRUE(outputs.ok());
    EXPECT_EQ(alive, 200) << "only the outputs are left";
    const double actual = limb * peak_limbs;
    EXPECT_LE(actual, predicted);
    // The estimate lets some elements be in flight at once, and reads end after all of a task's outputs are there.
    EXPECT_GT(actual, 0.7 * predicted);
  }
}

TEST(Execute, FreesInputsOfARunElementByElement) {
  // Only elementwise steps: 36 inputs are squared one by one; at any time 36 values and one element's two temporaries
  // live.
  testing::PlanBuilder builder(testing::plan_head("run", testing::square_plan().params, 0x1p25));
  builder.relinearize(builder.multiply(0, 0), 1);
  const Model model = counting_model(builder.finish());
  const base::ThreadLimit one(1);
  alive = peak = 0;
  auto inputs = counted_inputs(model.plan());
  const auto outputs = execute(model, CountingBackend(model.plan()), std::move(inputs));
  ASSERT_TRUE(outputs.ok());
  EXPECT_LE(peak, 36 + 2);
}

TEST(Execute, ThrowsAtTheStepWhoseResultIsNotWhatThePlanSays) {
  plan::Plan plan = testing::square_plan();
  plan.steps[2].output.limbs = 2;
  const Model model = counting_model(std::move(plan));
  EXPECT_THROW((void)execute(model, CountingBackend(model.plan()), counted_inputs(model.plan())), ContractError);
}

TEST(Execute, ThrowsWhereInputsAreNotThePlans) {
  const Model model = counting_model(testing::square_plan());
  const CountingBackend backend(model.plan());
  auto fewer = counted_inputs(model.plan());
  fewer.pop_back();
  EXPECT_THROW((void)execute(model, backend, std::move(fewer)), ContractError);
  auto other = counted_inputs(model.plan());
  other[5].shape.scale *= 2;
  EXPECT_THROW((void)execute(model, backend, std::move(other)), ContractError);
}

TEST(Execute, ProgressGrowsToTheTotal) {
  const Model model = counting_model(testing::quartic_plan());
  std::size_t last = 0;
  std::size_t total = 0;
  bool grows = true;
  const base::Progress progress = [&](std::size_t done, std::size_t all) {
    grows = grows && done >= last;
    last = done;
    total = all;
    return true;
  };
  ASSERT_TRUE(execute(model, CountingBackend(model.plan()), counted_inputs(model.plan()), progress).ok());
  EXPECT_TRUE(grows);
  EXPECT_GT(total, 0U);
  EXPECT_EQ(last, total);
}

TEST(Execute, StopsWhereProgressSaysSo) {
  const Model model = counting_model(testing::quartic_plan());
  const auto outputs = execute(model, CountingBackend(model.plan()), counted_inputs(model.plan()),
                               [](std::size_t, std::size_t) { return false; });
  ASSERT_FALSE(outputs.ok());
  EXPECT_EQ(outputs.error().code, Code::cancelled);
}

TEST(Execute, TracesEachStepOnceAndAddsBatchesUp) {
  const Model model = counting_model(testing::quartic_plan());
  Trace trace;
  for (int batch = 0; batch < 2; ++batch) {
    ASSERT_TRUE(execute(model, CountingBackend(model.plan()), counted_inputs(model.plan()), {}, &trace).ok());
  }
  ASSERT_EQ(trace.steps.size(), model.plan().steps.size());
  EXPECT_EQ(trace.steps[0].operation, "Linear");
  EXPECT_EQ(trace.steps[1].operation, "Multiply");
  EXPECT_GT(trace.seconds, 0);
}

TEST(Execute, GoesOnAfterAnyTaskWithWhatIsLiveThere) {
  const plan::Plan plan = testing::quartic_plan();
  const Model model = counting_model(plan, plan::make_schedule(plan, 2));
  const CountingBackend backend(plan);
  for (std::size_t t = 1; t < model.schedule().tasks.size(); ++t) {
    SCOPED_TRACE(t);
    std::vector<Shape> shapes;
    Saving<Counted> saving;
    saving.after = {t};
    saving.save = [&](std::size_t tasks, auto elements) -> Result<void> {
      EXPECT_EQ(tasks, t);
      for (const auto& [at, value] : elements) {
        EXPECT_TRUE(value->counted) << "element " << at.index << " of value " << at.value << " is not there";
        shapes.push_back(value->shape);
      }
      return error(Code::io, "stopped after task {}", tasks);
    };
    const auto stopped = execute(model, backend, counted_inputs(plan), {}, nullptr, std::move(saving));
    ASSERT_FALSE(stopped.ok());
    EXPECT_EQ(stopped.error().code, Code::io);
    Saving<Counted> rest;
    rest.tasks = t;
    for (const Shape& shape : shapes) rest.live.emplace_back(shape);
    std::size_t first = 0, last = 0;
    const base::Progress progress = [&](std::size_t done, std::size_t) {
      if (first == 0) first = done;
      last = done;
      return true;
    };
    const base::ThreadLimit one(1);
    const auto outputs = execute(model, backend, counted_inputs(plan), progress, nullptr, std::move(rest));
    ASSERT_TRUE(outputs.ok());
    EXPECT_EQ(outputs.value().size(), 3U);
    plan::Replay replay(plan, model.schedule());
    while (replay.tasks() < t) replay.take();
    EXPECT_GT(first, replay.work()) << "counts what was done before";
    EXPECT_EQ(last, model.schedule().total_work);
  }
}

TEST(Execute, RefusesALiveElementTooFewOrOfAnotherShape) {
  const plan::Plan plan = testing::square_plan();
  const Model model = counting_model(plan);
  const auto run = [&](std::size_t count, double factor) {
    Saving<Counted> saving;
    saving.tasks = 1;
    const plan::ValueInfo x = plan.value(1);
    for (std::size_t i = 0; i < count; ++i) saving.live.emplace_back(Shape{x.limbs, x.parts, x.scale * factor});
    return execute(model, CountingBackend(plan), counted_inputs(plan), {}, nullptr, std::move(saving)).ok();
  };
  EXPECT_TRUE(run(8, 1));
  EXPECT_THROW((void)run(7, 1), ContractError);
  EXPECT_THROW((void)run(8, 2), ContractError);
}

}  // namespace
}  // namespace obscura::run
