// SPDX-License-Identifier: Apache-2.0
/// Small networks with shortcuts, and one of the shape of ResNet-20.
#pragma once

#include <functional>

#include "networks.h"

namespace obscura::compile {

inline Attributes same_size(std::int64_t stride = 1) { return {.strides = {stride, stride}, .pads = {1, 1, 1, 1}}; }

/// Convolutions and quadratics that keep values near 1.
class ResidualNet : public Net {
 public:
  using Net::Net;

  /// a x^2 + b x + c with numbers for each channel.
  ValueId quadratic(ValueId x, std::int64_t channels) {
    const ValueId curved = node(Op::mul, {square(x), numbers({channels, 1, 1}, 0.05, 0.15)});
    const ValueId sloped = node(Op::mul, {x, numbers({channels, 1, 1}, 0.4, 0.6)});
    return node(Op::add, {sum(curved, sloped), numbers({channels, 1, 1}, -0.1, 0.1)});
  }
  /// A degree 4 with all lower terms.
  ValueId quartic(ValueId x) {
    const ValueId x2 = square(x);
    // One by one: compilers differ in the order of arguments, and nodes have numbers.
    const ValueId cubic = times(product(x2, x), -0.03F);
    const ValueId high = sum(times(square(x2), 0.02F), cubic);
    const ValueId linear = times(x, 0.5F);
    return plus(sum(high, sum(times(x2, 0.1F), linear)), 0.05F);
  }
  /// 3 x 3, weights such that variances stay, and a normalisation.
  ValueId conv_norm(ValueId x, std::int64_t in, std::int64_t out, std::int64_t stride = 1) {
    const double size = std::sqrt(3.0 / (9.0 * static_cast<double>(in)));
    Attributes a = same_size(stride);
    a.kernel = {3, 3};
    const ValueId y = node(Op::conv, {x, numbers({out, in, 3, 3}, -size, size)}, a);
    return node(Op::batch_normalization, {y, numbers({out}, 0.8, 1.2), numbers({out}, -0.1, 0.1),
                                          numbers({out}, -0.1, 0.1), numbers({out}, 0.8, 1.2)});
  }
  ValueId projection(ValueId x, std::int64_t in, std::int64_t out, std::int64_t stride) {
    const double size = std::sqrt(3.0 / static_cast<double>(in));
    Attributes a;
    a.kernel = {1, 1};
    a.strides = {stride, stride};
    return node(Op::conv, {x, numbers({out, in, 1, 1}, -size, size), numbers({out})}, a);
  }
  /// Every second pixel, and channels of zeros on both sides: {in, side, side} -> {2 in, side / 2, side / 2}.
  ValueId subsampled(ValueId x, std::int64_t in, std::int64_t side) {
    const ValueId half =
        node(Op::slice, {x}, {.starts = {0, 0, 0}, .steps = {1, 2, 2}, .sizes = {in, side / 2, side / 2}});
    return node(Op::pad, {half}, {.pads_before = {in / 2, 0, 0}, .pads_after = {in - in / 2, 0, 0}});
  }
  /// conv, quadratic, conv, + shortcut, quadratic.
  ValueId block(ValueId x, std::int64_t in, std::int64_t out, std::int64_t stride, ValueId shortcut) {
    const ValueId inner = quadratic(conv_norm(x, in, out, stride), out);
    return quadratic(sum(conv_norm(inner, out, out), shortcut), out);
  }
  ValueId pooled_dense(ValueId x, std::int64_t channels, std::int64_t classes) {
    return dense(node(Op::global_average_pool, {x}), channels, classes);
  }
};

struct ResidualCase {
  const char* name;
  std::function<void(ResidualNet&)> build;  ///< of an input of 2 x 4 x 4
};

inline const std::vector<ResidualCase>& residual_cases() {
  static const std::vector<ResidualCase> all = {
      {"Identity",
       [](ResidualNet& n) {
         const ValueId x = n.quadratic(n.conv_norm(0, 2, 3), 3);
         n.pooled_dense(n.block(x, 3, 3, 1, x), 3, 4);
       }},
      {"ProjectionWithStride",
       [](ResidualNet& n) {
         const ValueId x = n.quadratic(n.conv_norm(0, 2, 2), 2);
         n.pooled_dense(n.block(x, 2, 4, 2, n.projection(x, 2, 4, 2)), 4, 4);
       }},
      {"SlicesAndZeros",
       [](ResidualNet& n) {
         const ValueId x = n.quadratic(n.conv_norm(0, 2, 2), 2);
         n.pooled_dense(n.block(x, 2, 4, 2, n.subsampled(x, 2, 4)), 4, 4);
       }},
      {"BranchesOfTwoDepthsWithDegreeFour",
       [](ResidualNet& n) {
         const ValueId x = n.quadratic(n.conv_norm(0, 2, 3), 3);
         const ValueId deep = n.quartic(n.conv_norm(x, 3, 3));
         const ValueId shallow = n.quadratic(n.conv_norm(x, 3, 3), 3);
         const ValueId right = n.conv_norm(shallow, 3, 3);
         n.pooled_dense(n.quadratic(n.sum(n.conv_norm(deep, 3, 3), right), 3), 3, 4);
       }},
      {"ConcatOfTwoBranches",
       [](ResidualNet& n) {
         const ValueId x = n.quadratic(n.conv_norm(0, 2, 3), 3);
         const ValueId deep = n.quadratic(n.conv_norm(x, 3, 2), 2);
         const ValueId joined = n.node(Op::concat, {deep, n.conv_norm(x, 3, 3), deep});
         n.pooled_dense(n.quadratic(n.conv_norm(joined, 7, 3), 3), 3, 4);
       }},
      {"SumsThatSeveralRead",
       [](ResidualNet& n) {
         // Activations before convolutions: sums go on as they are, beside their activation.
         const ValueId x = n.conv_norm(0, 2, 3);
         const ValueId y = n.sum(n.conv_norm(n.quadratic(x, 3), 3, 3), x);
         const ValueId z = n.sum(n.conv_norm(n.quadratic(y, 3), 3, 3), y);
         n.pooled_dense(n.quadratic(z, 3), 3, 4);
       }},
      {"PoolingOfASum",
       [](ResidualNet& n) {
         const ValueId x = n.quadratic(n.conv_norm(0, 2, 3), 3);
         const ValueId y = n.quadratic(n.conv_norm(x, 3, 3), 3);
         n.pooled_dense(n.sum(n.conv_norm(y, 3, 3), x), 3, 4);
       }},
      {"OutputsAdded",
       [](ResidualNet& n) {
         const ValueId x = n.quadratic(n.conv_norm(0, 2, 3), 3);
         const ValueId right = n.dense(x, 48, 4);
         n.sum(n.dense(n.quadratic(x, 3), 48, 4), right);
       }},
  };
  return all;
}

}  // namespace obscura::compile
