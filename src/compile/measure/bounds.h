// SPDX-License-Identifier: Apache-2.0
/// What no image can exceed: intervals through a network. Arrow: MonicNetwork -> bounds beside Statistics.
#pragma once

#include "compile/measure/statistics.h"

namespace obscura::compile {

/// low[i] <= x[i] <= high[i] of each element i; infinite where nothing bounds it.
struct Box {
  std::vector<double> low;
  std::vector<double> high;
};

/// All images whose pixels are from 0 to 1 (8-bit images in units of pixel / 255), normalised; of standardised ones all
/// within the clip. needs: one mean and one deviation above 0 a channel
Box box_of_images(const base::Normaliser& normaliser);

/// By point (Points), the largest |v| that interval arithmetic allows for images in the box: a proof that no value is
/// larger; intervals are widened by what rounding of doubles may have taken. Exact, but for that, for the first map and
/// its square: images in the corners of the box reach these. Behind them each element is taken as independent of the
/// others, so that bounds of deep networks lie far above what any image reaches; infinity where they leave the doubles.
/// needs   no product of two values, which make_monic leaves to the image layout (Quartics::plain)
/// cost    that of two images in measure; all cores. memory: two numbers an element
/// errors  unsupported: an activation that is an approximation, which holds on its interval only
Result<std::vector<double>> bounds(const MonicNetwork& network, const Box& images);

/// One value of a network: what bounds it, and the largest that images showed.
struct BoundedValue {
  std::string origin;  ///< the activation whose argument it is, or "logits"
  std::uint32_t elements = 0;
  double bound = 0;
  double seen = 0;
  /// log2(bound / seen); infinity where nothing bounds it, 0 where both are 0.
  double bits() const;
};
struct BoundedNetwork {
  std::vector<BoundedValue> values;  ///< arguments of activations, in their order, and the logits
  double bits = 0;                   ///< the most at any value of the network: headroom that holds all images
  std::size_t images = 0;            ///< that `seen` is of
};
/// Of the network as the batch layout has it (make_monic, squared): its arguments are those of x^2, shifted and scaled
/// against those of the ONNX file. `some`: normalised images, at least one.
/// errors  those of fuse, make_monic and bounds
Result<BoundedNetwork> bound_values(const nn::Graph& graph, const Box& images, std::span<const float> some);

}  // namespace obscura::compile
