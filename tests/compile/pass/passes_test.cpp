// SPDX-License-Identifier: Apache-2.0
#include "compile/pass/passes.h"

#include "compile/compile.h"
#include "compile/layout/circuit.h"
#include "tests/compile/networks.h"

namespace obscura::compile {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// A convolution, a square and a dense layer.
nn::Graph convolution_square_dense() {
  Net net({1, 6, 6});
  net.dense(net.square(net.conv(0, 1, 2, 3)), 32, 4);
  return net.finished();
}

struct Compilation {
  plan::Plan plan;
  Passes passes;
};

Compilation compile_in(LayoutChoice layout, std::optional<Pass> dump_after = {}) {
  Compilation out{{}, Passes(dump_after)};
  Options options;
  options.layout = layout;
  options.batch = layout == LayoutChoice::image ? 1 : 8192;
  options.passes = &out.passes;
  out.plan = compile(convolution_square_dense(), options).value();
  return out;
}

TEST(Passes, HaveNamesThatLeadBackToThem) {
  EXPECT_EQ(pass_names().size(), kPasses);
  for (const std::string& name : pass_names()) EXPECT_EQ(name_of(*pass_named(name)), name);
  EXPECT_FALSE(pass_named("packing").has_value());
}

TEST(Passes, ThoseOfALayoutRunAndSayWhatTheyGave) {
  const Compilation image = compile_in(LayoutChoice::image), batch = compile_in(LayoutChoice::batch);
  for (const Pass pass : {Pass::front, Pass::monic, Pass::measure, Pass::layout, Pass::scales, Pass::errors,
                          Pass::price, Pass::emit, Pass::verify}) {
    for (const Compilation* ran : {&image, &batch}) {
      EXPECT_GT(ran->passes[pass].runs, 0U) << name_of(pass);
      EXPECT_GE(ran->passes[pass].seconds, 0) << name_of(pass);
      EXPECT_GT(ran->passes[pass].size, 0U) << name_of(pass);
    }
  }
  EXPECT_EQ(image.passes[Pass::emit].size, image.plan.steps.size());
  EXPECT_EQ(image.passes[Pass::verify].runs, 1U);
  EXPECT_GT(image.passes[Pass::split].runs, 0U);
  EXPECT_GT(image.passes[Pass::memory].runs, 0U);
  EXPECT_EQ(image.passes[Pass::rounding].runs, 0U) << "diagonals are rounded alike in all choices";
  EXPECT_EQ(batch.passes[Pass::rounding].runs, 1U);
  EXPECT_EQ(batch.passes[Pass::split].runs, 0U);
  EXPECT_EQ(batch.passes[Pass::bootstraps].runs, 0U);
  EXPECT_FALSE(batch.passes.dump().has_value());
}

TEST(Passes, DumpsAreTextOfWhatTheyGaveToThePlan) {
  EXPECT_THAT(*compile_in(LayoutChoice::batch, Pass::front).passes.dump(), HasSubstr("polynomial of degree 2"));
  EXPECT_THAT(*compile_in(LayoutChoice::batch, Pass::monic).passes.dump(), HasSubstr("1 square of 32 elements"));
  EXPECT_THAT(*compile_in(LayoutChoice::batch, Pass::measure).passes.dump(), HasSubstr("error to logits"));
  EXPECT_THAT(*compile_in(LayoutChoice::batch, Pass::rounding).passes.dump(), HasSubstr("bits"));
  const std::string batch = *compile_in(LayoutChoice::batch, Pass::layout).passes.dump();
  EXPECT_THAT(batch, HasSubstr("linear"));
  EXPECT_THAT(batch, Not(HasSubstr("transform")));
  EXPECT_THAT(*compile_in(LayoutChoice::image, Pass::layout).passes.dump(), HasSubstr("transform"));
  EXPECT_THAT(*compile_in(LayoutChoice::image, Pass::scales).passes.dump(), HasSubstr("limbs"));
  const Compilation last = compile_in(LayoutChoice::image, Pass::verify);
  EXPECT_EQ(*last.passes.dump(), plan::to_text(last.plan));
  EXPECT_FALSE(compile_in(LayoutChoice::image, Pass::bootstraps).passes.dump().has_value())
      << "two levels bootstrap nothing";
}

TEST(Passes, AnUnsoundCircuitIsToldFromASoundOne) {
  const auto layout = std::make_shared<const plan::Layout>(plan::batch_layout(4, 2048));
  Circuit circuit;
  circuit.log2_degree = 12;
  circuit.input = *layout;
  Operation square;
  square.kind = Operation::Kind::square;
  square.layout = layout;
  square.ciphertexts = 4;
  circuit.operations = {square};
  EXPECT_TRUE(verify(circuit).ok());
  square.input = 1;
  circuit.operations.push_back(square);
  EXPECT_THAT(verify(circuit).error().message, HasSubstr("it reads 3 parts"));
  circuit.operations[1].input = 2;
  EXPECT_THAT(verify(circuit).error().message, HasSubstr("not there yet"));
  circuit.operations[1].input = 0;
  circuit.operations[1].ciphertexts = 3;
  EXPECT_THAT(verify(circuit).error().message, HasSubstr("another number of ciphertexts"));
}

}  // namespace
}  // namespace obscura::compile
