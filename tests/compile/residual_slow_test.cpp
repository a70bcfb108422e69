// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "compile/compile.h"
#include "plan/schedule.h"
#include "plan/verify.h"
#include "residual.h"

namespace obscura::compile {
namespace {

/// Nineteen convolutions of 16, 32 and 64 channels on 32 x 32 pixels, quadratics per channel, projections as shortcuts.
const nn::Graph& resnet20(ResidualNet& net) {
  ValueId x = net.quadratic(net.conv_norm(0, 3, 16), 16);
  std::int64_t channels = 16;
  for (int stage = 0; stage < 3; ++stage) {
    for (int block = 0; block < 3; ++block) {
      const bool down = stage > 0 && block == 0;
      const std::int64_t out = down ? 2 * channels : channels;
      const ValueId shortcut = down ? net.projection(x, channels, out, 2) : x;
      x = net.block(x, channels, out, down ? 2 : 1, shortcut);
      channels = out;
    }
  }
  net.pooled_dense(x, channels, 10);
  return net.finished();
}

TEST(CompileResNet20, HasSecureParametersForNineteenSquares) {
  ResidualNet net({3, 32, 32});
  const auto plan = compile(resnet20(net), {});
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  EXPECT_TRUE(plan::verify(*plan).ok());
  std::size_t squares = 0;
  std::size_t sums = 0;
  for (const auto& step : plan->steps) {
    squares += std::holds_alternative<plan::Multiply>(step.operation);
    const auto* combine = std::get_if<plan::Combine>(&step.operation);
    sums += combine != nullptr && combine->terms.size() == 2;
  }
  EXPECT_EQ(squares, 19U);
  EXPECT_EQ(sums, 9U) << "one for each block";
  EXPECT_EQ(plan->params.log2_degree, 16);
  EXPECT_LE(ckks::log2_qp(plan->params), ckks::max_log2_qp(16));
  // What the batch layout takes for it is a fact to print.
  RecordProperty("core_seconds_for_32768_images", std::to_string(plan->predicted_seconds));
  RecordProperty("bytes", std::to_string(plan->predicted_bytes));
  EXPECT_GE(plan->predicted_bytes, plan::make_schedule(*plan).peak_bytes);
}

}  // namespace
}  // namespace obscura::compile
