// SPDX-License-Identifier: Apache-2.0
/// libtorch's operations against the reference executor.
#include "train/teacher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/files.h"
#include "nn/onnx.h"
#include "nn/reference.h"
#include "tests/nn/graphs.h"

namespace obscura::train {
namespace {

using nn::Attributes;
using nn::Builder;
using nn::Op;
using nn::ValueId;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

constexpr std::int64_t kImages = 3;
const nn::Shape kInput = {4, 6, 6};

class TeacherOf : public ::testing::Test {
 protected:
  void TearDown() override { fs::remove(path_); }

  /// The graph through a file, whose last value becomes the logits.
  Result<Teacher> load(nn::Graph& graph) {
    OBSCURA_TRY_VOID(nn::infer_shapes(graph));
    OBSCURA_TRY_VOID(base::write_file(path_, nn::write_onnx(graph), {.overwrite = true}));
    Recipe recipe;
    recipe.data.shape = kInput;
    recipe.data.classes = nn::element_count(graph.values[graph.output].shape);
    recipe.data.mean = {0, 0, 0, 0};
    recipe.data.std = {1, 1, 1, 1};
    recipe.teacher = TeacherRecipe{};
    recipe.teacher->model = path_;
    return Teacher::load(recipe, torch::kCPU);
  }

  void expect_reference(nn::Graph& graph, const std::string& what) {
    const auto teacher = load(graph);
    ASSERT_TRUE(teacher.ok()) << what << ": " << teacher.error().message;
    torch::manual_seed(1);
    const torch::Tensor images = torch::rand({kImages, kInput[0], kInput[1], kInput[2]}) * 4 + 0.25;
    const torch::Tensor logits = teacher->run(images).logits.contiguous();
    const std::vector<float> expected =
        nn::run_reference(graph, {images.data_ptr<float>(), static_cast<std::size_t>(images.numel())}, kImages);
    ASSERT_EQ(static_cast<std::size_t>(logits.numel()), expected.size()) << what;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const float actual = logits.data_ptr<float>()[i];
      ASSERT_NEAR(actual, expected[i], 1e-4 * (1 + std::abs(expected[i]))) << what << " " << i;
    }
  }

  fs::path path_ = fs::temp_directory_path() / fmt::format("obscura-teacher-{}.onnx", getpid());
};

TEST_F(TeacherOf, EveryFunctionGivesItsValues) {
  for (const approx::FunctionRow& one : approx::functions()) {
    approx::Function function = approx::default_of(one.kind);
    for (const approx::Parameter& parameter : one.parameters) function.*parameter.field += 0.25;
    Builder builder(kInput);
    // Of both signs where the function is defined there.
    ValueId x = 0;
    if (check_domain(function, -3, 3).ok()) x = builder.node(Op::add, {x, builder.constant({}, {-2.25F})});
    // Doubled: a network that ends on a sigmoid is read as one of logits.
    builder.flatten(builder.node(Op::mul, {builder.function(function, x), builder.constant({}, {2})}));
    expect_reference(builder.graph(), one.name);
  }
}

TEST_F(TeacherOf, EveryOtherOperatorGivesItsValues) {
  const std::vector<std::pair<Op, Attributes>> nodes = {
      {Op::average_pool, {.kernel = {3, 2}, .strides = {2, 1}, .pads = {1, 0, 1, 1}}},
      {Op::average_pool, {.kernel = {3, 2}, .dilations = {2, 3}, .pads = {1, 0, 1, 1}, .count_include_pad = true}},
      {Op::global_average_pool, {}},
      {Op::max_pool, {.kernel = {3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}}},
      {Op::transpose, {.permutation = {2, 0, 1}}},
      {Op::slice, {.starts = {1, 0, 1}, .steps = {1, 2, 3}, .sizes = {3, 3, 2}}},
      {Op::pad, {.pads_before = {1, 0, 2}, .pads_after = {0, 1, 0}}},
      {Op::gather, {.axis = 0, .indices = {3, 0, 0}}},
      {Op::normalization, {}},
      {Op::softmax, {}},
  };
  for (const auto& [op, attributes] : nodes) {
    Builder builder(kInput);
    // After a pool, since a transposition of the image itself is read as another order of its axes.
    const ValueId x = builder.node(Op::average_pool, {0}, {.kernel = {2, 2}, .pads = {1, 1, 0, 0}});
    const ValueId y = builder.node(op, {x}, attributes);
    builder.flatten(builder.node(Op::mul, {y, y}));
    expect_reference(builder.graph(), nn::to_string(op));
  }
  for (const std::int64_t axis : {0, 1, 2}) {
    Builder builder(kInput);
    builder.flatten(builder.node(Op::concat, {builder.node(Op::mul, {0, 0}), 0}, {.axis = axis}));
    expect_reference(builder.graph(), "Concat");
  }
  Builder builder(kInput);
  builder.flatten(builder.node(Op::matmul, {0, builder.node(Op::transpose, {0}, {.permutation = {0, 2, 1}})}));
  expect_reference(builder.graph(), "MatMul");
}

TEST_F(TeacherOf, RefusesWhatItCannotHave) {
  Builder normalised(kInput);
  normalised.flatten(normalised.node(Op::lrn, {0}));
  EXPECT_THAT(load(normalised.graph()).error().message, HasSubstr("(LRN) is response normalisation"));
}

}  // namespace
}  // namespace obscura::train
