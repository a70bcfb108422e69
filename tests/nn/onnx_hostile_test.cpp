// SPDX-License-Identifier: Apache-2.0
// Small files that ask for much, and large ones of one kind of node: each ends in a network or a sentence, with little
// memory. The seconds are not tested here; what could take the square of a count would not end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <functional>

#include "nn/onnx.h"
#include "tests/nn/onnx_file.h"
#include "tests/nn/read_and_run.h"

namespace obscura::nn {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr int kMany = 20'000;  // nodes of each kind

long peak_kilobytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

/// The sentence, or "" of a network; the process has not grown by a gigabyte.
std::string outcome(const OnnxFile& file) {
  const long before = peak_kilobytes();
  const auto graph = read_onnx(file.bytes(), "net.onnx");
  EXPECT_LT(peak_kilobytes() - before, 1L << 20);
  return graph.ok() ? "" : graph.error().message;
}

/// kMany nodes one after the other, from "image" to "logits".
OnnxFile chain(const char* op, const std::function<void(OnnxNode&, const std::string& last)>& finish,
               const std::vector<std::int64_t>& image = {1, 2, 2}) {
  OnnxFile file(image);
  std::string last = "image";
  for (int i = 0; i < kMany; ++i) {
    const std::string next = "v" + std::to_string(i);
    OnnxNode node = file.node(op, "", {last}, next.c_str());
    finish(node, last);
    last = next;
  }
  file.node("Flatten", "", {last}, "logits");
  return file;
}

void nothing(OnnxNode&, const std::string&) {}

TEST(HostileOnnx, ManyNodesOfEachCheapKindAreRead) {
  for (const char* op : {"Relu", "Identity", "Sigmoid", "Neg"}) EXPECT_EQ(outcome(chain(op, nothing)), "") << op;
  EXPECT_EQ(outcome(chain("Transpose", [](OnnxNode& n, const auto&) { n.ints("perm", {0, 1, 3, 2}); })), "");
  EXPECT_EQ(outcome(chain("Transpose", [](OnnxNode& n, const auto&) { n.ints("perm", {0, 2, 3, 1}); })), "");
  EXPECT_EQ(outcome(chain("Flatten", [](OnnxNode& n, const auto&) { n.integer("axis", 2); })), "");
  for (const char* op : {"Add", "Mul", "Max"}) {
    EXPECT_EQ(outcome(chain(op, [](OnnxNode& n, const std::string& last) { n.proto().add_input(last); })), "") << op;
    EXPECT_EQ(outcome(chain(op, [](OnnxNode& n, const std::string&) { n.proto().add_input("image"); })), "") << op;
  }
  EXPECT_EQ(outcome(chain("Softmax", [](OnnxNode& n, const auto&) { n.integer("axis", 2); })), "");
  EXPECT_EQ(outcome(chain("MaxPool", [](OnnxNode& n, const auto&) { n.ints("kernel_shape", {1, 1}); })), "");
}

TEST(HostileOnnx, ManyNodesThatReadConstantsAreRead) {
  const auto with = [](const char* op, const std::vector<const char*>& inputs) {
    OnnxFile file = chain(op, [&](OnnxNode& n, const std::string&) {
      for (const char* input : inputs) n.proto().add_input(input);
    });
    file.constant("two", {}, {2});
    file.constant("row", {2}, {1, 2});
    file.integers("shape", {0, 1, 2, 2});
    file.integers("turn", {1, 0});
    file.integers("axis", {-1});
    file.integers("pads", {0, 0, 0, 0, 0, 0, 0, 0});
    return file;
  };
  for (const auto& [op, inputs] :
       std::vector<std::pair<const char*, std::vector<const char*>>>{{"QuantizeLinear", {"two"}},
                                                                     {"Add", {"row"}},
                                                                     {"Mul", {"two"}},
                                                                     {"Div", {"two"}},
                                                                     {"Pow", {"two"}},
                                                                     {"Reshape", {"shape"}},
                                                                     {"Pad", {"pads"}},
                                                                     {"Dropout", {}},
                                                                     {"Clip", {"", "two"}}}) {
    EXPECT_EQ(outcome(with(op, inputs)), "") << op;
  }
  OnnxFile gather = chain("Gather", [](OnnxNode& n, const std::string&) {
    n.proto().add_input("turn");
    n.integer("axis", 3);
  });
  gather.integers("turn", {1, 0});
  EXPECT_EQ(outcome(gather), "");
}

TEST(HostileOnnx, ManyNodesOfOneNameAreRead) {
  OnnxFile file({1, 1, 2});
  constexpr int kMost = 99'990;
  for (int i = 0; i < kMost; ++i) {
    file.node("Relu", "same", {i == 0 ? "image" : "v" + std::to_string(i - 1)}, ("v" + std::to_string(i)).c_str());
  }
  file.node("Flatten", "same", {"v" + std::to_string(kMost - 1)}, "logits");
  EXPECT_EQ(outcome(file), "");
}

TEST(HostileOnnx, ManyNodesInReverseAreSorted) {
  OnnxFile file({1, 1, 2});
  file.node("Flatten", "", {"v0"}, "logits");
  for (int i = 0; i < kMany; ++i) {
    file.node("Relu", "", {i + 1 == kMany ? "image" : "v" + std::to_string(i + 1)}, ("v" + std::to_string(i)).c_str());
  }
  EXPECT_EQ(outcome(file), "");
}

TEST(HostileOnnx, DoublingsEndInASentence) {
  EXPECT_THAT(outcome(chain("Concat",
                            [](OnnxNode& n, const std::string& last) {
                              n.proto().add_input(last);
                              n.integer("axis", 1);
                            })),
              AllOf(HasSubstr("(Concat)"), HasSubstr("too large")));
  OnnxFile tile = chain("Tile", [](OnnxNode& n, const std::string&) { n.proto().add_input("twice"); });
  tile.integers("twice", {1, 2, 1, 1});
  EXPECT_THAT(outcome(tile), AllOf(HasSubstr("(Tile)"), HasSubstr("allowed")));
  OnnxFile pad = chain("Pad", [](OnnxNode& n, const std::string&) { n.proto().add_input("pads"); });
  pad.integers("pads", {0, 0, 1000000, 0, 0, 0, 0, 0});
  EXPECT_THAT(outcome(pad), AllOf(HasSubstr("(Pad)"), HasSubstr("too large")));
  OnnxFile resize = chain("Upsample", [](OnnxNode& n, const std::string&) { n.proto().add_input("scales"); });
  resize.model.mutable_opset_import(0)->set_version(9);
  resize.constant("scales", {4}, {1, 1, 4, 4});
  EXPECT_THAT(outcome(resize), AllOf(HasSubstr("'Upsample_"), HasSubstr("allowed")));
}

/// One node of `inputs` whose constants are given as integers.
std::string refusal(const char* op, const std::vector<std::pair<const char*, std::vector<std::int64_t>>>& lists,
                    const std::function<void(OnnxNode&)>& finish = {}) {
  OnnxFile file({1, 2, 2});
  std::vector<std::string> inputs = {"image"};
  for (const auto& [name, list] : lists) {
    file.integers(name, list);
    inputs.emplace_back(name);
  }
  OnnxNode node = file.node(op, "bomb", inputs, "y");
  if (finish) finish(node);
  file.node("Flatten", "", {"y"}, "logits");
  return outcome(file);
}

TEST(HostileOnnx, SmallFilesThatAskForABillionElementsAreRefused) {
  constexpr std::int64_t kHuge = 1'000'000'000;
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t size : {kHuge, kMost, std::int64_t{1} << 20}) {
    EXPECT_THAT(refusal("Tile", {{"r", {1, size, size, 1}}}), HasSubstr("node 'bomb'")) << size;
    EXPECT_THAT(refusal("Expand", {{"r", {1, size, 2, 2, 2, 2}}}), HasSubstr("allowed")) << size;
    EXPECT_THAT(refusal("Reshape", {{"r", {size, size, 1}}}), HasSubstr("node 'bomb'")) << size;
    EXPECT_THAT(refusal("Pad", {{"r", {0, 0, size, size, 0, 0, 0, 0}}}), HasSubstr("node 'bomb'")) << size;
    EXPECT_THAT(refusal("Pad", {{"r", {0, 0, size, size, 0, 0, 0, 0}}}, [](OnnxNode& n) { n.text("mode", "reflect"); }),
                HasSubstr("node 'bomb'"))
        << size;
  }
  OnnxFile resize({1, 2, 2});
  resize.constant("scales", {4}, {1, 1, 1e6F, 1e6F});
  resize.node("Resize", "bomb", {"image", "", "scales"}, "y");
  resize.node("Flatten", "", {"y"}, "logits");
  EXPECT_THAT(outcome(resize), HasSubstr("node 'bomb'"));
  OnnxFile range({1, 1, 1});
  for (const auto& [name, number] : {std::pair{"a", 0.0F}, {"b", 1e30F}, {"c", 1e-30F}})
    range.constant(name, {}, {number});
  range.node("Range", "bomb", {"a", "b", "c"}, "r");
  range.node("Mul", "", {"image", "r"}, "logits");
  EXPECT_THAT(outcome(range), HasSubstr("node 'bomb'"));
}

TEST(HostileOnnx, RangesOfNothingAndBeyondIntegersAreRefused) {
  OnnxFile down({1, 1, 1});
  for (const auto& [name, number] : {std::pair{"a", 1e38F}, {"b", -3e38F}, {"c", 1.0F}})
    down.constant(name, {}, {number});
  down.node("Range", "down", {"a", "b", "c"}, "r");
  down.node("Mul", "m", {"image", "r"}, "logits");
  EXPECT_THAT(outcome(down), HasSubstr("node 'm'"));
  OnnxFile beyond({1, 1, 1});
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  for (const auto& [name, number] : {std::pair{"a", kMost - 1}, {"b", kMost}, {"c", std::int64_t{1} << 62}}) {
    beyond.integers(name, {number});
  }
  beyond.node("Range", "beyond", {"a", "b", "c"}, "r");
  beyond.node("Mul", "", {"image", "r"}, "logits");
  EXPECT_THAT(outcome(beyond), HasSubstr("node 'beyond'"));
}

TEST(HostileOnnx, SizesOfConstantsThatAreNoneAreRefused) {
  for (const std::int64_t size : {std::int64_t{-1}, std::int64_t{1} << 40, std::numeric_limits<std::int64_t>::min()}) {
    for (const char* op : {"Size", "Shape"}) {
      OnnxFile file({1, 1, 1});
      file.constant("w", {size, size}, {1});
      file.node(op, "s", {"w"}, "n");
      file.node("Cast", "", {"n"}, "f").integer("to", onnx::TensorProto::FLOAT);
      file.node("Mul", "", {"image", "f"}, "logits");
      EXPECT_THAT(outcome(file), AllOf(HasSubstr("node 's'"), HasSubstr("'w'"))) << op << size;
    }
  }
}

TEST(HostileOnnx, GathersThatRepeatTheImageAreBounded) {
  OnnxFile file({1, 64, 64});
  file.integers("zeros", std::vector<std::int64_t>(60000, 0));
  file.node("Gather", "wide", {"image", "zeros"}, "a").integer("axis", 2);
  file.node("Gather", "bomb", {"a", "zeros"}, "b").integer("axis", 3);
  file.node("Flatten", "", {"b"}, "logits");
  EXPECT_THAT(outcome(file), AllOf(HasSubstr("node 'bomb'"), HasSubstr("too large")));
}

TEST(HostileOnnx, AnAxisIsRepeatedNoMoreOftenThanAFileMayList) {
  EXPECT_THAT(refusal("Tile", {{"r", {1, 1, 1, 32769}}}), AllOf(HasSubstr("node 'bomb'"), HasSubstr("allowed: 65536")));
  OnnxFile file({1, 1, 2});
  file.integers("r", {1, 1, 1, 32768});
  file.node("Tile", "", {"image", "r"}, "y");
  file.node("Flatten", "", {"y"}, "logits");
  const auto again = read_onnx(write_onnx(read(file)), "written");
  EXPECT_TRUE(again.ok()) << again.error().message;
}

TEST(HostileOnnx, CallsThatMultiplyAreRefused) {
  // Sixteen functions that call the next one ten times each.
  OnnxFile file({1, 1, 1});
  for (int level = 0; level < 16; ++level) {
    auto& f = *file.model.add_functions();
    f.set_name("f" + std::to_string(level));
    f.set_domain("own");
    f.add_input("x");
    f.add_output("y9");
    for (int i = 0; i < 10; ++i) {
      auto& node = *f.add_node();
      node.set_op_type(level == 15 ? "Relu" : "f" + std::to_string(level + 1));
      if (level < 15) node.set_domain("own");
      node.add_input(i == 0 ? "x" : "y" + std::to_string(i - 1));
      node.add_output("y" + std::to_string(i));
    }
  }
  file.node("f0", "start", {"image"}, "logits").proto().set_domain("own");
  EXPECT_THAT(outcome(file), HasSubstr("more than 100000 nodes"));
}

TEST(HostileOnnx, GraphsWithinGraphsAreNoNetwork) {
  onnx::GraphProto inner;
  inner.add_node()->set_op_type("Relu");
  for (int depth = 0; depth < 300; ++depth) {
    onnx::GraphProto outer;
    auto& node = *outer.add_node();
    node.set_op_type("If");
    auto& a = *node.add_attribute();
    a.set_name("then_branch");
    a.set_type(onnx::AttributeProto::GRAPH);
    a.mutable_g()->Swap(&inner);
    inner.Swap(&outer);
  }
  OnnxFile file({1, 1, 1});
  file.node("If", "deep", {"image"}, "logits")
      .add("then_branch", onnx::AttributeProto::GRAPH)
      .mutable_g()
      ->Swap(&inner);
  EXPECT_THAT(outcome(file), HasSubstr("not an ONNX model"));
}

TEST(HostileOnnx, TooManyNodesAreRefused) {
  OnnxFile file({1, 1, 1});
  for (int i = 0; i < 100'001; ++i) file.node("Relu", "", {"image"}, ("v" + std::to_string(i)).c_str());
  EXPECT_THAT(outcome(file), AllOf(HasSubstr("100001 nodes"), HasSubstr("allowed: 100000")));
}

}  // namespace
}  // namespace obscura::nn
