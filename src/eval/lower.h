// SPDX-License-Identifier: Apache-2.0
/// From a graph to steps and the buffers between them.
#pragma once

#include "eval/step.h"

namespace obscura::eval {

/// What noise of a node becomes at the output of the step that it went into.
struct NoisePlace {
  std::size_t node = 0;
  std::vector<double> gain;  ///< one a channel; empty: 1
};

struct Planned {
  StepPtr step;
  std::size_t node = 0;         ///< of the last node in the step
  bool activation = false;      ///< observed
  bool substituted = false;     ///< its excess is counted
  std::vector<std::size_t> in;  ///< buffers
  std::size_t out = 0;
  Layout layout;  ///< of the output
  std::vector<NoisePlace> noise;
};

struct Program {
  std::size_t chunk = 1;  ///< images that the steps were made for
  Layout input;           ///< in buffer 0
  std::vector<Planned> steps;
  std::vector<std::size_t> buffers;  ///< floats an image
  std::size_t output = 0;            ///< buffer of the logits, planar
  std::size_t classes = 0;
  std::size_t scratch_bytes = 0;
};

/// A node with what its step is made from.
struct Site {
  const nn::Graph& graph;
  const nn::Node& node;
  const std::vector<Layout>& layouts;  ///< by value
  const approx::Activation* substitution = nullptr;
  std::size_t chunk = 1;

  const nn::Attributes& attributes() const { return node.attributes; }
  const Layout& from(std::size_t input = 0) const { return layouts[node.inputs[input]]; }
  const Layout& to() const { return layouts[node.output]; }
  const nn::Shape& shape(std::size_t input = 0) const { return graph.values[node.inputs[input]].shape; }
  const std::vector<float>& constant(std::size_t input) const {
    return graph.values[node.inputs[input]].constant->data;
  }
};

// steps.cpp

/// The step of a node of any operator. throws dnnl::error
StepPtr make_step(const Site& site);
/// A convolution with what follows it on its channels, `after` (empty: nothing), folded into its weights, to the layout
/// of the last. throws dnnl::error
StepPtr make_convolution_step(const Site& site, const Affine& after, const Layout& to);
/// What a batch_normalization does.
Affine affine_of(const Site& site);

/// errors  those of Network::make.
Result<Program> lower(const nn::Graph& graph, const Substitution& substitution);

}  // namespace obscura::eval
