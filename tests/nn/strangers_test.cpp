// SPDX-License-Identifier: Apache-2.0
// Networks that others published: read, and with the values of an independent runtime; or refused in one sentence.
#include "tests/nn/strangers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "nn/onnx.h"
#include "nn/reference.h"

namespace obscura::nn {
namespace {

using Json = nlohmann::json;

Json expectations() {
  std::ifstream file(strangers() / "expected.json");
  return file ? Json::parse(file) : Json::array();
}

bool is_quantized(const Json& entry) {
  for (const auto& [name, count] : entry["operators"].items()) {
    if (name.find("Quantize") != std::string::npos || name.find("QLinear") != std::string::npos) return true;
  }
  return false;
}

void expect_values(const Graph& graph, const Json& entry) {
  const Shape dims = entry["dims"].get<Shape>();
  std::uint32_t seed = 0;
  for (const Json& answer : entry["expected"]) {
    const auto pixels = random_pixels(seed++, static_cast<std::size_t>(element_count(dims)));
    const std::vector<double> actual = answers(graph, dims, pixels);
    const auto expected = answer["values"].get<std::vector<double>>();
    ASSERT_EQ(actual.size(), expected.size());
    if (is_quantized(entry)) {
      EXPECT_EQ(std::max_element(actual.begin(), actual.end()) - actual.begin(),
                std::max_element(expected.begin(), expected.end()) - expected.begin());
    } else {
      EXPECT_LT(relative_error(actual, expected), 1e-3);
    }
  }
}

TEST(Strangers, ClassifiersGiveTheValuesOfAnotherRuntime) {
  const Json all = expectations();
  if (all.empty()) GTEST_SKIP() << strangers() << " is absent";
  for (const Json& entry : all) {
    if (entry["kind"] != "classifier") continue;
    SCOPED_TRACE(entry["file"]);
    const auto graph = read_onnx_file(strangers() / entry["file"].get<std::string>());
    EXPECT_TRUE(graph.ok()) << graph.error().message;
    if (graph.ok()) expect_values(*graph, entry);
  }
}

TEST(Strangers, ClassifiersAreTheSameNetworkAfterWritingAndReadingThemAgain) {
  const Json all = expectations();
  if (all.empty()) GTEST_SKIP() << strangers() << " is absent";
  for (const Json& entry : all) {
    if (entry["kind"] != "classifier") continue;
    SCOPED_TRACE(entry["file"]);
    const auto graph = read_onnx_file(strangers() / entry["file"].get<std::string>());
    if (!graph.ok()) continue;
    const auto again = read_onnx(write_onnx(*graph), "written");
    ASSERT_TRUE(again.ok()) << again.error().message;
    EXPECT_EQ(again->ending, graph->ending);
    const Shape& shape = graph->values[graph->input].shape;
    ASSERT_EQ(again->values[again->input].shape, shape);
    const auto pixels = random_pixels(7, static_cast<std::size_t>(element_count(shape)));
    const auto before = run_reference(*graph, pixels, 1);
    const auto after = run_reference(*again, pixels, 1);
    ASSERT_EQ(before.size(), after.size());
    EXPECT_LT(relative_error({after.begin(), after.end()}, {before.begin(), before.end()}), 1e-6);
  }
}

TEST(Strangers, WhatIsNoClassifierIsRefusedInASentence) {
  const Json all = expectations();
  if (all.empty()) GTEST_SKIP() << strangers() << " is absent";
  for (const Json& entry : all) {
    if (entry["kind"] != "refuse") continue;
    SCOPED_TRACE(entry["file"]);
    const auto graph = read_onnx_file(strangers() / entry["file"].get<std::string>());
    ASSERT_FALSE(graph.ok());
    EXPECT_THAT(graph.error().message, testing::HasSubstr("allowed")) << graph.error().message;
  }
}

/// A line of minimal/README.txt.
struct Minimal {
  std::string file;
  Shape dims;
  std::vector<double> first;  ///< numbers of the output; none where the file says none
};

std::vector<Minimal> minimal_networks() {
  std::vector<Minimal> out;
  std::ifstream file(strangers() / "minimal" / "README.txt");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("#") || line.find('\t') == std::string::npos) continue;
    Minimal entry;
    entry.file = line.substr(0, line.find('\t'));
    if (const std::size_t dims = line.find("dims ["); dims != std::string::npos) {
      const std::string list = line.substr(dims + 5, line.find("->") - dims - 5);
      entry.dims = Json::parse(list).get<Shape>();
      std::istringstream numbers(line.substr(line.find("]: ") + 3));
      for (std::string number; numbers >> number;) entry.first.push_back(std::stod(number));
    }
    out.push_back(std::move(entry));
  }
  return out;
}

/// Those that hold what no classifier of images may: NaN in weights, volumes.
bool is_refused(const std::string& file) { return file == "conv3d.onnx" || file == "nan_weight.onnx"; }

ReadOptions options_of(const std::string& file) {
  ReadOptions options;
  if (file == "dyn_hw.onnx") options.shape = {3, 32, 32};
  return options;
}

TEST(Strangers, MinimalNetworksGiveTheValuesOfAnotherRuntime) {
  const auto all = minimal_networks();
  if (all.empty()) GTEST_SKIP() << strangers() << " is absent";
  for (const Minimal& entry : all) {
    SCOPED_TRACE(entry.file);
    ReadOptions options = options_of(entry.file);
    auto graph = read_onnx_file(strangers() / "minimal" / entry.file, options);
    if (is_refused(entry.file)) {
      EXPECT_FALSE(graph.ok());
      continue;
    }
    if (!graph.ok() && graph.error().message.find("--output") != std::string::npos) {
      // The values are those of the first of two.
      const std::string& message = graph.error().message;
      const std::size_t name = message.find('\'') + 1;
      options.output = message.substr(name, message.find('\'', name) - name);
      graph = read_onnx_file(strangers() / "minimal" / entry.file, options);
    }
    ASSERT_TRUE(graph.ok()) << graph.error().message;
    if (entry.first.empty()) continue;
    std::vector<float> pixels(static_cast<std::size_t>(element_count(entry.dims)));
    for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<float>(37 * i % 256) / 255.0F;
    std::vector<double> actual = answers(*graph, entry.dims, pixels);
    ASSERT_GE(actual.size(), entry.first.size());
    actual.resize(entry.first.size());
    if (std::isnan(entry.first[0])) {
      EXPECT_TRUE(std::isnan(actual[0]));
    } else {
      EXPECT_LT(relative_error(actual, entry.first), 1e-3) << testing::PrintToString(actual);
    }
  }
}

}  // namespace
}  // namespace obscura::nn
