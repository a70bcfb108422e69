// SPDX-License-Identifier: Apache-2.0
/// The layers of a recipe, and the steps that they come to for one image.
#pragma once

#include <string>
#include <vector>

#include "config/fields.h"
#include "train/recipe.h"

namespace obscura::train {

/// Reads the keys of an activation over what `activation` holds, and refuses what does not fit together.
void read_activation(config::Fields& fields, ActivationRecipe& activation);
/// Reads network.layers; `activation` is what activation layers start from.
void read_layers(config::Fields fields, const ActivationRecipe& activation, std::vector<LayerRecipe>& layers);

enum class StepKind {
  conv,
  batch_norm,
  activation,
  average_pool,
  max_pool,
  global_average_pool,
  flatten,
  dense,
  branch,  ///< keeps the value for the next join
  join,    ///< adds the kept value, through the shortcut where its shape differs
};

/// One step on one value: residual blocks are spelt out.
struct Step {
  StepKind kind = StepKind::conv;
  std::string name;  ///< "conv3": of the ONNX nodes and of messages
  LayerRecipe layer;
  nn::Shape in, out;
  nn::Shape kept;                    ///< join: the shape of the branch
  std::int64_t parameters = 0;       ///< trained numbers
  std::int64_t multiplications = 0;  ///< by weights, for one image; those of activations apart
};

/// The coefficients of an activation that its polynomial has, by its sharing, as a shape: {1}, {C, 1, 1} or {C, H, W}
/// ({features} where it follows a dense layer).
nn::Shape coefficient_shape(const ActivationRecipe& activation, const nn::Shape& x);
/// Numbers of one set of coefficients that are trained: 0, 2 (hermite: slope and shift), 3 or 5.
std::int64_t trained_coefficients(ActivationKind kind);

/// errors  unsupported, with the layer's line: a layer whose input it cannot take; a last layer that does not give one
///         number a class.
Result<std::vector<Step>> expand(const Recipe& recipe);

/// A table of the steps, with shapes, parameters and multiplications, and their sums.
std::string describe(const Recipe& recipe, const std::vector<Step>& steps);
/// "conv 5x5 to 50 channels, stride 2": for cards.
std::string describe(const Step& step);

const char* to_string(ActivationKind kind);
const char* to_string(Sharing sharing);

}  // namespace obscura::train
