// SPDX-License-Identifier: Apache-2.0
/// What goes into a network, and what comes out.
#pragma once

#include <cstddef>
#include <span>

#include "base/check.h"
#include "data/dataset.h"
#include "nn/graph.h"
#include "plan/plan.h"

namespace obscura::api {

/// The images that a network, or a client of a plan, takes.
data::ImageShape shape_of(const nn::Graph& graph);
data::ImageShape shape_of(const plan::InputSpec& input);
/// Numbers that it gives for an image.
std::size_t outputs_of(const nn::Graph& graph);
/// How many images of the shape these floats are. errors: wrong_params: none, or not whole ones
Result<std::size_t> count_images(std::span<const float> images, const data::ImageShape& shape);

}  // namespace obscura::api
