// SPDX-License-Identifier: Apache-2.0
#include "compile/search/search.h"

#include "../networks.h"
#include "compile/compile.h"

namespace obscura::compile {
namespace {

/// Core-seconds for each image of a batch.
double seconds_an_image(const plan::Plan& plan, std::uint32_t batch) {
  const std::uint64_t at_once = plan.images_at_once(), runs = (batch + at_once - 1) / at_once;
  return plan.predicted_seconds * static_cast<double>(runs) / batch;
}

/// Of planes of 32 x 32: 16 images at once take longer than 8, and 32 four times as long.
Net wide_network() {
  Net net({1, 32, 32});
  const Attributes same{.pads = {1, 1, 1, 1}}, halves{.strides = {2, 2}, .pads = {1, 1, 1, 1}};
  const ValueId x = net.square(net.conv(0, 1, 4, 3, same));
  net.dense(net.square(net.conv(x, 4, 4, 3, halves)), 1024, 10);
  return net;
}

TEST(Search, AnImageOfALargerBatchNeverTakesLonger) {
  Net net = wide_network();
  const nn::Graph& graph = net.finished();
  double least = HUGE_VAL;
  for (const std::uint32_t batch : {1, 2, 4, 8, 16, 32, 64, 256, 1024, 8192}) {
    Options options;
    options.batch = batch;
    const auto plan = compile(graph, options);
    ASSERT_TRUE(plan.ok()) << plan.error().message;
    const double seconds = seconds_an_image(*plan, batch);
    EXPECT_LE(seconds, kTie * least) << batch;
    least = std::min(least, seconds);
    // What this is about: the most images that fit are not the fastest.
    if (batch == 16) {
      EXPECT_LT(plan->images_at_once(), batch);
    }
  }
}

TEST(Search, ABatchLayoutThatTakesLongerThanAnImageLayoutIsNotLookedForInFull) {
  Net net = wide_network();
  const nn::Graph& graph = net.finished();
  Options options;
  options.batch = 256;
  const auto image = compile(graph, options);
  ASSERT_TRUE(image.ok()) << image.error().message;
  ASSERT_LT(image->images_at_once(), options.batch);
  const std::string& reason = image->reasons.front();
  EXPECT_THAT(reason, testing::HasSubstr("core-seconds or more"));
  options.layout = LayoutChoice::batch;
  EXPECT_LE(options.batch * seconds_an_image(*image, options.batch), compile(graph, options)->predicted_seconds);
  // Where it is the faster one it is found, with the next best beside it.
  options.batch = 4096;
  const auto alone = compile(graph, options);
  options.layout = LayoutChoice::automatic;
  const auto batch = compile(graph, options);
  ASSERT_EQ(batch->images_at_once(), alone->images_at_once());
  EXPECT_EQ(batch->predicted_seconds, alone->predicted_seconds);
  const auto others = [](const std::vector<std::string>& reasons) {
    return std::vector<std::string>(reasons.end() - 3, reasons.end());
  };
  EXPECT_EQ(others(batch->reasons), others(alone->reasons));
}

TEST(Search, FewerImagesAtOnceAreTriedBeyondOneThatIsSlower) {
  const auto best_of = [](const std::vector<double>& times) {
    Descent descent;
    double best = 0;
    std::size_t seen = 0;
    for (; seen < times.size() && !descent.over(); ++seen) {
      if (descent.is_least(times[seen])) best = times[seen];
    }
    return std::pair(best, seen);
  };
  EXPECT_EQ(best_of({1.59, 1.61, 1.42, 1.51, 2.01}), std::pair(1.42, std::size_t{5}));
  EXPECT_EQ(best_of({1.59, 1.61, 1.6, 1.42}), std::pair(1.59, std::size_t{3})) << "two in a row end it";
  EXPECT_EQ(best_of({1.59, 1.59, 1.4, 1.5, 1.45}), std::pair(1.4, std::size_t{5}));
}

}  // namespace
}  // namespace obscura::compile
