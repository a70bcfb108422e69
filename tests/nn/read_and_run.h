// SPDX-License-Identifier: Apache-2.0
/// What a file that must be readable holds and computes.
#pragma once

#include <gtest/gtest.h>

#include "nn/onnx.h"
#include "nn/reference.h"
#include "tests/nn/onnx_file.h"

namespace obscura::nn {

inline Graph read(const OnnxFile& file) {
  auto graph = read_onnx(file.bytes(), "test.onnx");
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  return graph.ok() ? std::move(graph).value() : Graph();
}

inline std::vector<float> run(const OnnxFile& file, const std::vector<float>& image) {
  const Graph graph = read(file);
  return graph.nodes.empty() ? std::vector<float>() : run_reference(graph, image, 1);
}

inline std::vector<Op> ops(const Graph& graph) {
  std::vector<Op> list;
  for (const Node& node : graph.nodes) list.push_back(node.op);
  return list;
}

}  // namespace obscura::nn
