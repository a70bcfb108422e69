// SPDX-License-Identifier: Apache-2.0
// Damaged bytes: every answer is a network or one sentence, never a crash, and nothing is printed.
#include <gtest/gtest.h>

#include <random>

#include "nn/infer.h"
#include "nn/onnx.h"
#include "nn/reference.h"
#include "tests/nn/onnx_file.h"
#include "tests/nn/seed_networks.h"

namespace obscura::nn {
namespace {

/// A chain of layers, the arithmetic of constants that torch exports, and every operator.
std::vector<base::Bytes> healthy() {
  OnnxFile file({1, 8, 8});
  file.constant("w", {2, 1, 3, 3}, std::vector<float>(18, 0.5F));
  file.constant("fc", {18, 4}, std::vector<float>(72, 0.25F));
  file.integers("shape", {-1, 18});
  file.node("Conv", "c1", {"image", "w"}, "y").text("auto_pad", "SAME_UPPER").ints("strides", {2, 2});
  file.node("Mul", "a1", {"y", "y"}, "z");
  file.node("AveragePool", "p1", {"z"}, "p").ints("kernel_shape", {2, 2}).integer("count_include_pad", 1);
  file.node("Reshape", "f1", {"p", "shape"}, "f");
  file.node("MatMul", "fc1", {"f", "fc"}, "logits");
  // Without metadata, which stand at the end of a file: a truncated file would be the whole network still.
  Graph all = every_operator();
  all.metadata = {};
  return {file.bytes(), computed_pads().bytes(), computed_sizes().bytes(), write_onnx(all)};
}

/// A network or an error of one line, of a code that fits.
bool is_clean(const base::Bytes& bytes) {
  testing::internal::CaptureStderr();
  const auto graph = read_onnx(bytes, "net.onnx");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  if (graph.ok()) {
    for (const Value& value : graph->values) EXPECT_TRUE(shape_is_allowed(value.shape));
    return true;
  }
  const Code code = graph.error().code;
  EXPECT_TRUE(code == Code::bad_format || code == Code::unsupported) << graph.error().message;
  EXPECT_EQ(graph.error().message.rfind("net.onnx: ", 0), 0U);
  EXPECT_EQ(graph.error().message.find('\n'), std::string::npos) << graph.error().message;
  return false;
}

TEST(OnnxDamage, TheUndamagedFilesAreRead) {
  for (const base::Bytes& bytes : healthy()) EXPECT_TRUE(is_clean(bytes));
}

TEST(OnnxDamage, EveryTruncationIsRefused) {
  for (const base::Bytes& whole : healthy()) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_FALSE(is_clean({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)})) << size;
    }
  }
}

TEST(OnnxDamage, EveryFlippedBitGivesANetworkOrASentence) {
  for (base::Bytes& bytes : healthy()) {
    int refused = 0;
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      const auto mask = static_cast<std::byte>(1U << (bit % 8));
      bytes[bit / 8] ^= mask;
      refused += is_clean(bytes) ? 0 : 1;
      bytes[bit / 8] ^= mask;
    }
    EXPECT_GT(refused, 0);
  }
}

TEST(OnnxDamage, RandomBytesAfterARandomPlaceGiveANetworkOrASentence) {
  std::mt19937 random(7);
  for (const base::Bytes& whole : healthy()) {
    for (int round = 0; round < 1000; ++round) {
      base::Bytes bytes = whole;
      const std::size_t first = random() % bytes.size();
      const std::size_t last = std::min(bytes.size(), first + 1 + random() % 16);
      for (std::size_t i = first; i < last; ++i) bytes[i] = static_cast<std::byte>(random());
      is_clean(bytes);
    }
  }
}

TEST(OnnxDamage, AFileOfAnotherKindIsNotAnOnnxModel) {
  const std::vector<std::string> others = {std::string("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x1c\0\0\0\x1c", 24),
                                           std::string("\0\0\x08\x03\0\0\x27\x10\0\0\0\x1c\0\0\0\x1c", 16),
                                           "",
                                           "# Obscura\n",
                                           "{\"a\": 1}",
                                           std::string(1000, '\0')};
  for (const std::string& text : others) {
    const auto view = base::as_bytes(text);
    const auto graph = read_onnx(view, "net.onnx");
    ASSERT_FALSE(graph.ok());
    EXPECT_EQ(graph.error().code, Code::bad_format) << graph.error().message;
    EXPECT_NE(graph.error().message.find("ONNX"), std::string::npos) << graph.error().message;
  }
}

TEST(OnnxDamage, AnAbsentFileIsAnInputOutputError) {
  const auto graph = read_onnx_file("absent.onnx");
  ASSERT_FALSE(graph.ok());
  EXPECT_EQ(graph.error().code, Code::io);
  EXPECT_NE(graph.error().message.find("absent.onnx"), std::string::npos);
}

}  // namespace
}  // namespace obscura::nn
