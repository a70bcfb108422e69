// SPDX-License-Identifier: Apache-2.0
// What stands around the nodes: functions of the file, weights in other files, inputs, outputs, metadata.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "nn/reference.h"
#include "tests/nn/graphs.h"
#include "tests/nn/read_and_run.h"

namespace obscura::nn {
namespace {

using Floats = std::vector<float>;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string refusal(const OnnxFile& file, const ReadOptions& options = {}) {
  const auto graph = read_onnx(file.bytes(), "net.onnx", options);
  EXPECT_FALSE(graph.ok());
  return graph.ok() ? "" : graph.error().message;
}

/// Adds "own::name": y = inner(x) and its attributes.
onnx::NodeProto& function(OnnxFile& file, const char* name, const char* inner, const char* domain = "") {
  auto& f = *file.model.add_functions();
  f.set_name(name);
  f.set_domain("own");
  f.add_input("x");
  f.add_output("y");
  auto& node = *f.add_node();
  node.set_op_type(inner);
  node.set_domain(domain);
  node.add_input("x");
  node.add_output("y");
  return node;
}

TEST(OnnxFunctions, NestedCallsAreTheirNodesWithTheAttributesOfTheCall) {
  OnnxFile file({1, 1, 2});
  auto& slope = *function(file, "Bend", "LeakyRelu").add_attribute();
  slope.set_name("alpha");
  slope.set_type(onnx::AttributeProto::FLOAT);
  slope.set_ref_attr_name("slope");
  auto& inner = function(file, "Outer", "Bend", "own");
  auto& passed = *inner.add_attribute();
  passed.set_name("slope");
  passed.set_type(onnx::AttributeProto::FLOAT);
  passed.set_ref_attr_name("steep");
  file.node("Outer", "call", {"image"}, "a").real("steep", 0.5F).proto().set_domain("own");
  file.node("Outer", "", {"a"}, "b").proto().set_domain("own");  // without the attribute: LeakyRelu's default
  file.node("Flatten", "", {"b"}, "logits");
  EXPECT_THAT(run(file, {-4, 3}), ElementsAre(-2 * 0.01F, 3));
  EXPECT_THAT(read(file).nodes[0].name, HasSubstr("call/"));
}

TEST(OnnxFunctions, ThatCallEachOtherWithoutEndAreRefused) {
  OnnxFile file({1, 1, 2});
  function(file, "A", "B", "own");
  function(file, "B", "A", "own");
  file.node("A", "start", {"image"}, "logits").proto().set_domain("own");
  EXPECT_THAT(refusal(file), AllOf(HasSubstr("start"), HasSubstr("more than 16 deep")));
}

TEST(OnnxNodes, MayStandInAnyOrder) {
  OnnxFile file({1, 1, 2});
  file.constant("two", {}, {2});
  file.node("Flatten", "", {"b"}, "logits");
  file.node("Add", "", {"a", "image"}, "b");
  file.node("Mul", "", {"image", "two"}, "a");
  EXPECT_THAT(run(file, {1, 5}), ElementsAre(3, 15));
}

/// A network whose factor lies in other files, in a folder of its own.
class ExternalData : public testing::Test {
 protected:
  ExternalData() : folder_(std::filesystem::path(testing::TempDir()) / ("external" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_ / "net" / "weights");
    const Floats numbers = {1, 2, 3, 4};
    for (const auto& path : {folder_ / "outside.bin", folder_ / "net/weights/w.bin"}) {
      std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(numbers.data()), 16);
    }
  }
  ~ExternalData() override { std::filesystem::remove_all(folder_); }

  static void add(OnnxFile& file, const char* name, const std::string& location, const char* offset,
                  const char* length) {
    auto& tensor = file.constant(name, {2}, {});
    tensor.clear_raw_data();
    tensor.set_data_location(onnx::TensorProto::EXTERNAL);
    for (const auto& [key, value] :
         {std::pair<std::string, std::string>{"location", location}, {"offset", offset}, {"length", length}}) {
      if (value.empty()) continue;
      auto& entry = *tensor.add_external_data();
      entry.set_key(key);
      entry.set_value(value);
    }
  }
  Result<Graph> read(OnnxFile file) {
    file.node("Mul", "", {"image", "w"}, "y");
    file.node("Flatten", "", {"y"}, "logits");
    const base::Bytes bytes = file.bytes();
    const auto path = folder_ / "net" / "net.onnx";
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return read_onnx_file(path);
  }
  std::string refused(const std::string& location, const char* offset = "", const char* length = "8") {
    OnnxFile file({1, 1, 2});
    add(file, "w", location, offset, length);
    const auto graph = read(file);
    EXPECT_FALSE(graph.ok()) << location;
    return graph.ok() ? "" : graph.error().message;
  }
  std::filesystem::path folder_;
};

TEST_F(ExternalData, LiesBesideTheNetworkOrBelow) {
  OnnxFile file({1, 1, 2});
  add(file, "w", "weights/../weights/w.bin", "8", "8");
  const auto graph = read(file);
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_THAT(run_reference(*graph, Floats{1, 10}, 1), ElementsAre(3, 40));
}

TEST_F(ExternalData, OutsideOfTheFolderIsRefused) {
  std::filesystem::create_symlink(folder_ / "outside.bin", folder_ / "net" / "link.bin");
  std::filesystem::create_directory_symlink(folder_, folder_ / "net" / "up");
  const std::vector<std::string> places = {"../outside.bin",
                                           "weights/../../outside.bin",
                                           (folder_ / "outside.bin").string(),
                                           "/etc/passwd",
                                           "link.bin",
                                           "up/outside.bin",
                                           "..",
                                           "./.././outside.bin"};
  for (const std::string& place : places) {
    EXPECT_THAT(refused(place), AllOf(HasSubstr("constant 'w'"), HasSubstr("outside of the network's folder")))
        << place;
  }
}

TEST_F(ExternalData, ThatIsAbsentOrNoFileIsRefusedWithAWayOut) {
  EXPECT_THAT(refused("absent.bin"), AllOf(HasSubstr("'absent.bin'"), HasSubstr("not beside"), HasSubstr("onnx.save")));
  EXPECT_THAT(refused("weights"), HasSubstr("not beside"));
  EXPECT_THAT(refused(""), HasSubstr("no readable name"));
}

TEST_F(ExternalData, RangesBeyondTheEndOrThatAreNoNumbersAreRefused) {
  EXPECT_THAT(refused("weights/w.bin", "9", "8"), AllOf(HasSubstr("bytes 9 to 9 + 8"), HasSubstr("which has 16")));
  EXPECT_THAT(refused("weights/w.bin", "17", "0"), HasSubstr("which has 16"));
  EXPECT_THAT(refused("weights/w.bin", "18446744073709551615", "8"), HasSubstr("which has 16"));
  EXPECT_THAT(refused("weights/w.bin", "8", "18446744073709551615"), HasSubstr("which has 16"));
  EXPECT_THAT(refused("weights/w.bin", "-1", "8"), HasSubstr("offset '-1'"));
  EXPECT_THAT(refused("weights/w.bin", "0", "8x"), HasSubstr("length '8x'"));
  EXPECT_THAT(refused("weights/w.bin", "0", "4"), HasSubstr("4 bytes; allowed: 8"));
}

TEST_F(ExternalData, OfTwoConstantsMayNotLieOverEachOther) {
  OnnxFile file({1, 1, 2});
  add(file, "w", "weights/w.bin", "0", "8");
  add(file, "v", "weights/w.bin", "4", "8");
  const auto graph = read(file);
  ASSERT_FALSE(graph.ok());
  EXPECT_THAT(graph.error().message, AllOf(HasSubstr("constant 'v'"), HasSubstr("over another one")));
}

TEST_F(ExternalData, IsBoundedInAll) {
  std::filesystem::resize_file(folder_ / "net/weights/w.bin", kMaxOnnxBytes + 8);  // a hole
  EXPECT_THAT(refused("weights/w.bin", "0", ""), AllOf(HasSubstr("536870920"), HasSubstr("allowed: 536870912")));
}

/// An input of these sizes; 0 is free ("s77"), the first one too where it stands for images.
OnnxFile input_of(const std::vector<std::int64_t>& dims, onnx::TensorProto::DataType type = onnx::TensorProto::FLOAT) {
  OnnxFile file({});
  auto& tensor = *file.graph().mutable_input(0)->mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(type);
  tensor.mutable_shape()->clear_dim();
  for (const std::int64_t size : dims) {
    auto& dim = *tensor.mutable_shape()->add_dim();
    size == 0 ? dim.set_dim_param("s77") : dim.set_dim_value(size);
  }
  return file;
}

TEST(OnnxInput, MayHaveManyForms) {
  struct Form {
    std::vector<std::int64_t> dims;
    Shape shape;
  };
  for (const Form& form : std::vector<Form>{{{0, 3, 4, 5}, {3, 4, 5}},
                                            {{1, 3, 4, 5}, {3, 4, 5}},
                                            {{8, 3, 4, 5}, {3, 4, 5}},
                                            {{0, 28, 28, 1}, {1, 28, 28}},
                                            {{0, 32, 32, 3}, {3, 32, 32}},
                                            {{0, 28, 28}, {1, 28, 28}},
                                            {{3, 28, 28}, {3, 28, 28}},
                                            {{0, 784}, {1, 1, 784}},
                                            {{1, 1, 1, 784}, {1, 1, 784}},
                                            {{784}, {1, 1, 784}}}) {
    OnnxFile file = input_of(form.dims);
    file.integers("row", {1, -1});
    if (form.dims[0] == 8) {
      file.node("Flatten", "", {"image"}, "logits");
    } else {
      file.node("Reshape", "", {"image", "row"}, "logits");
    }
    const Graph graph = read(file);
    EXPECT_EQ(graph.values[graph.input].shape, form.shape) << testing::PrintToString(form.dims);
  }
}

TEST(OnnxInput, ChannelsLastEnterChannelsFirst) {
  OnnxFile file = input_of({0, 1, 2, 3});  // height 1, width 2, 3 channels
  file.node("Transpose", "", {"image"}, "x").ints("perm", {0, 3, 1, 2});
  file.node("GlobalAveragePool", "", {"x"}, "p");
  file.node("Flatten", "", {"p"}, "logits");
  const Graph graph = read(file);
  EXPECT_THAT(ops(graph), ElementsAre(Op::global_average_pool, Op::reshape));
  EXPECT_EQ(graph.values[graph.input].shape, (Shape{3, 1, 2}));
  EXPECT_THAT(run_reference(graph, Floats{1, 3, 10, 20, 100, 300}, 1), ElementsAre(2, 15, 200));
}

TEST(OnnxInput, RowsGoThroughConvolutionsOfOneAxis) {
  OnnxFile file = input_of({0, 1, 4});
  file.constant("w", {1, 1, 2}, {1, 10});
  file.constant("v", {1, 1, 2}, {1, 100});
  file.node("Conv", "", {"image", "w"}, "a");                            // 21 32 43
  file.node("MaxPool", "", {"a"}, "b").ints("kernel_shape", {2});        // 32 43
  file.node("ConvTranspose", "", {"b", "v"}, "c").ints("strides", {2});  // 32 3200 43 4300
  file.node("AveragePool", "", {"c"}, "d").ints("kernel_shape", {2}).ints("strides", {2});
  file.node("Flatten", "", {"d"}, "logits");
  EXPECT_THAT(run(file, {1, 2, 3, 4}), ElementsAre(1616, 2171.5F));
}

TEST(OnnxInput, BytesAreSeenAsPixelsOf255) {
  OnnxFile file = input_of({0, 1, 1, 2}, onnx::TensorProto::UINT8);
  file.node("Cast", "", {"image"}, "y").integer("to", onnx::TensorProto::FLOAT);
  file.node("Flatten", "", {"y"}, "logits");
  const Graph graph = read(file);
  ASSERT_EQ(graph.metadata.std.size(), 1U);
  EXPECT_EQ(graph.metadata.std[0], 1.0 / 255);
  OnnxFile text = input_of({0, 1, 1, 2}, onnx::TensorProto::STRING);
  text.node("Flatten", "", {"image"}, "logits");
  EXPECT_THAT(refusal(text), AllOf(HasSubstr("'image'"), HasSubstr("UINT8")));
}

TEST(OnnxInput, SizesThatAreFreeAreGivenAndOnlyThose) {
  OnnxFile file = input_of({0, 1, 0, 0});
  file.node("GlobalAveragePool", "", {"image"}, "p");
  file.node("Flatten", "", {"p"}, "logits");
  ReadOptions options;
  options.shape = {1, 2, 3};
  const auto graph = read_onnx(file.bytes(), "net.onnx", options);
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_EQ(graph->values[graph->input].shape, (Shape{1, 2, 3}));
  EXPECT_THAT(refusal(file), AllOf(HasSubstr("s77x1xs77xs77"), HasSubstr("second axis is free"), HasSubstr("--shape")));
  OnnxFile fixed = input_of({0, 1, 2, 3});
  fixed.node("Flatten", "", {"image"}, "logits");
  EXPECT_THAT(refusal(fixed, options), HasSubstr("a shape is given only where it is free"));
}

TEST(OnnxInput, OthersThatAreConstantInPracticeAreGivenByName) {
  OnnxFile file = input_of({0, 1, 1, 2});
  auto& keep = *file.graph().add_input();
  keep.set_name("keep");
  keep.mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
  keep.mutable_type()->mutable_tensor_type()->mutable_shape()->add_dim()->set_dim_value(2);
  file.node("Mul", "", {"image", "keep"}, "y");
  file.node("Flatten", "", {"y"}, "logits");
  ReadOptions options;
  options.values = {{"keep", {2, 3}}};
  const auto graph = read_onnx(file.bytes(), "net.onnx", options);
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_THAT(run_reference(*graph, Floats{1, 1}, 1), ElementsAre(2, 3));
  EXPECT_THAT(refusal(file), AllOf(HasSubstr("2 inputs"), HasSubstr("'keep' 2"), HasSubstr("--input NAME=NUMBER")));
  options.values = {{"keep", {1, 2, 3}}};
  EXPECT_THAT(refusal(file, options), AllOf(HasSubstr("'keep'"), HasSubstr("3 numbers"), HasSubstr("2, or one")));
  options.values = {{"kept", {1}}};
  EXPECT_THAT(refusal(file, options), HasSubstr("no input 'kept'"));
}

TEST(OnnxOutput, OneOfSeveralIsChosenAndWhatOnlyOthersNeedIsLeftOut) {
  OnnxFile file = input_of({0, 1, 1, 2});
  file.graph().add_output()->set_name("second");
  file.node("Relu", "", {"image"}, "r");
  file.node("Flatten", "", {"r"}, "second");
  file.node("Flatten", "", {"image"}, "logits");
  ReadOptions options;
  options.output = "second";
  const auto graph = read_onnx(file.bytes(), "net.onnx", options);
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_THAT(ops(*graph), ElementsAre(Op::function, Op::reshape));
  options.output = "logits";
  const auto other = read_onnx(file.bytes(), "net.onnx", options);
  ASSERT_TRUE(other.ok()) << other.error().message;
  EXPECT_THAT(ops(*other), ElementsAre(Op::reshape));
  options.output = "third";
  EXPECT_THAT(refusal(file, options), AllOf(HasSubstr("no output 'third'"), HasSubstr("'second'")));
}

OnnxFile with_metadata(const std::string& key, const std::string& value) {
  OnnxFile file({1, 1, 2});
  file.node("Flatten", "", {"image"}, "logits");
  auto& property = *file.model.add_metadata_props();
  property.set_key(key);
  property.set_value(value);
  return file;
}

TEST(OnnxMetadata, IsWrittenAndReadBack) {
  OnnxFile file({1, 1, 2});
  file.node("Flatten", "", {"image"}, "logits");
  Graph graph = read(file);
  graph.metadata = {{0.1307}, {1.0 / 3}, {"zero", "Schuhe & Stiefel"}, 4, 1e-3, base::Standardisation{0.25, 3}};
  const auto again = read_onnx(write_onnx(graph), "again");
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(describe(*again), describe(graph));
  EXPECT_EQ(again->metadata.std[0], 1.0 / 3);
  EXPECT_EQ(again->metadata.standardise, graph.metadata.standardise);
}

TEST(OnnxMetadata, MayBeSpeltWithCommasAndBracketsAndOthersAreLeftAlone) {
  EXPECT_THAT(read(with_metadata("obscura.mean", "[0.5, 0.25,1]")).metadata.mean, ElementsAre(0.5, 0.25, 1));
  EXPECT_THAT(read(with_metadata("obscura.classes", "cat\r\ndog")).metadata.class_names, ElementsAre("cat", "dog"));
  EXPECT_TRUE(read(with_metadata("framework", "\x01\xff")).metadata.mean.empty());
}

TEST(OnnxMetadata, ThatIsDamagedIsRefusedByItsKey) {
  for (const auto& [key, value] : {std::pair{"obscura.mean", "0.5 cat"},
                                   {"obscura.mean", "nan"},
                                   {"obscura.deviation", "inf"},
                                   {"obscura.deviation", "1e999"},
                                   {"obscura.standardise", "0.25"},
                                   {"obscura.standardise", "0 3"},
                                   {"obscura.standardise", "0.25 -3"},
                                   {"obscura.headroom", "-1"},
                                   {"obscura.headroom", "1 2"},
                                   {"obscura.headroom", ""},
                                   {"obscura.max_error", "\xff"},
                                   {"obscura.classes", "two\x01"}}) {
    EXPECT_THAT(refusal(with_metadata(key, value)), HasSubstr(key)) << value;
  }
  std::string many;
  for (int i = 0; i < 65; ++i) many += "1 ";
  EXPECT_THAT(refusal(with_metadata("obscura.mean", many)), HasSubstr("up to 64"));
}

TEST(OnnxWeights, MayBeOfAnyType) {
  const auto times = [](onnx::TensorProto::DataType type, const std::string& raw) {
    OnnxFile file({1, 1, 2});
    auto& tensor = file.constant("w", {2}, {});
    tensor.set_data_type(type);
    tensor.set_raw_data(raw);
    file.node("Mul", "", {"image", "w"}, "y");
    file.node("Flatten", "", {"y"}, "logits");
    return run(file, {1, 1});
  };
  using Proto = onnx::TensorProto;
  EXPECT_THAT(times(Proto::FLOAT16, std::string("\x00\x3e\x00\xc0", 4)), ElementsAre(1.5F, -2));
  EXPECT_THAT(times(Proto::FLOAT16, std::string("\x01\x00\x00\x04", 4)), ElementsAre(0x1p-24F, 0x1p-14F));
  EXPECT_THAT(times(Proto::BFLOAT16, std::string("\xc0\x3f\x00\xc0", 4)), ElementsAre(1.5F, -2));
  EXPECT_THAT(times(Proto::INT8, "\x05\xfe"), ElementsAre(5, -2));
  EXPECT_THAT(times(Proto::UINT8, "\x05\xfe"), ElementsAre(5, 254));
  const double two[2] = {1.5, -2};
  EXPECT_THAT(times(Proto::DOUBLE, std::string(reinterpret_cast<const char*>(two), 16)), ElementsAre(1.5F, -2));
}

}  // namespace
}  // namespace obscura::nn
