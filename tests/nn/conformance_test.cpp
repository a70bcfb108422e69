// SPDX-License-Identifier: Apache-2.0
// Hundreds of tiny networks, an operator with some attributes in some operator set each, against the numbers of an
// independent runtime. tests/nn/conformance/README.md says how they came about.
#include <gtest/gtest.h>

#include <cstring>

#include "base/files.h"
#include "nn/onnx.h"
#include "tests/nn/strangers.h"

namespace obscura::nn {
namespace {

struct Case {
  std::string name;
  base::Bytes network;
  Shape shape;  ///< of the input
  std::vector<float> x;
  std::vector<double> expected;
};

/// Fields of a length and as many bytes each.
class Fields {
 public:
  explicit Fields(base::ByteView bytes) : bytes_(bytes) {}
  std::uint32_t count() {
    std::uint32_t number = 0;
    std::memcpy(&number, bytes_.data(), sizeof(number));
    bytes_ = bytes_.subspan(sizeof(number));
    return number;
  }
  template <class T>
  std::vector<T> next() {
    const std::size_t size = count();
    std::vector<T> out(size / sizeof(T));
    std::memcpy(out.data(), bytes_.data(), size);
    bytes_ = bytes_.subspan(size);
    return out;
  }

 private:
  base::ByteView bytes_;
};

std::vector<Case> cases() {
  const auto file = base::read_file(OBSCURA_SOURCE_DIR "/tests/nn/conformance/conformance.bin", 1 << 24);
  EXPECT_TRUE(file.ok());
  std::vector<Case> out;
  if (!file.ok()) return out;
  Fields fields(*file);
  out.resize(fields.count());
  for (Case& entry : out) {
    const auto name = fields.next<char>();
    entry.name.assign(name.begin(), name.end());
    entry.network = fields.next<std::byte>();
    for (const std::int32_t size : fields.next<std::int32_t>()) entry.shape.push_back(size);
    entry.x = fields.next<float>();
    for (const float v : fields.next<float>()) entry.expected.push_back(v);
  }
  return out;
}

TEST(Conformance, EveryNetworkGivesTheNumbersOfAnotherRuntime) {
  const std::vector<Case> all = cases();
  EXPECT_GE(all.size(), 700U);
  for (const Case& entry : all) {
    SCOPED_TRACE(entry.name);
    const auto graph = read_onnx(entry.network, "case");
    EXPECT_TRUE(graph.ok()) << graph.error().message;
    if (!graph.ok()) continue;
    const std::vector<double> actual = answers(*graph, entry.shape, entry.x);
    EXPECT_EQ(actual.size(), entry.expected.size());
    if (actual.size() != entry.expected.size()) continue;
    EXPECT_LT(relative_error(actual, entry.expected), 1e-4)
        << testing::PrintToString(actual) << " but " << testing::PrintToString(entry.expected);
  }
}

TEST(Conformance, EveryNetworkIsTheSameAfterWritingAndReadingIt) {
  for (const Case& entry : cases()) {
    SCOPED_TRACE(entry.name);
    const auto graph = read_onnx(entry.network, "case");
    if (!graph.ok()) continue;
    const auto again = read_onnx(write_onnx(*graph), "written");
    EXPECT_TRUE(again.ok()) << again.error().message;
    if (!again.ok()) continue;
    EXPECT_EQ(again->ending, graph->ending);
    EXPECT_EQ(again->values[again->input].shape, graph->values[graph->input].shape);
    const std::vector<double> before = answers(*graph, entry.shape, entry.x);
    const std::vector<double> after = answers(*again, entry.shape, entry.x);
    EXPECT_LT(relative_error(after, before), 1e-6);
  }
}

}  // namespace
}  // namespace obscura::nn
