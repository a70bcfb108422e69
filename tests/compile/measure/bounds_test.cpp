// SPDX-License-Identifier: Apache-2.0
#include "compile/measure/bounds.h"

#include "tests/compile/networks.h"

namespace obscura::compile {
namespace {

using ::testing::HasSubstr;

const nn::Shape kImage = {2, 6, 6};
const std::vector<double> kMean = {0.5, 0.25};
const std::vector<double> kDeviation = {0.25, 0.5};

Box all_images() { return box_of_images({2, 36, kMean, kDeviation}); }

MonicNetwork monic(const nn::Graph& graph) {
  auto fused = fuse(graph);
  EXPECT_TRUE(fused.ok()) << (fused.ok() ? "" : fused.error().message);
  auto network = make_monic(std::move(fused).value());
  EXPECT_TRUE(network.ok()) << (network.ok() ? "" : network.error().message);
  return std::move(network).value();
}

/// Images in corners of the box and, every second one, inside of it.
std::vector<float> images_in(const Box& box, std::size_t count) {
  std::mt19937 random(3);
  std::uniform_real_distribution<double> uniform(0, 1);
  std::vector<float> out;
  for (std::size_t n = 0; n < count; ++n) {
    for (std::size_t i = 0; i < box.low.size(); ++i) {
      const double share = n % 2 == 0 ? std::round(uniform(random)) : uniform(random);
      out.push_back(static_cast<float>(box.low[i] + share * (box.high[i] - box.low[i])));
    }
  }
  return out;
}

/// A batch normalisation, a quartic, a sum over a shortcut of two quadratics, and dense logits.
const nn::Graph& everything(Net& net) {
  const ValueId x = net.square(net.batch_norm(net.conv(0, 2, 3, 3), 3));
  const ValueId y = net.conv(net.plus(net.square(net.plus(x, -0.7F)), 0.3F), 3, 2, 3);
  const ValueId bent = net.plus(net.times(net.square(y), 0.2F), -0.5F);
  net.dense(net.square(net.sum(y, net.conv(bent, 2, 2, 1))), 8, 3);
  return net.finished();
}

TEST(Bounds, NoImageExceedsThemAtAnyValue) {
  Net net(kImage);
  const MonicNetwork network = monic(everything(net));
  const Box box = all_images();
  const auto most = bounds(network, box);
  ASSERT_TRUE(most.ok());
  const std::vector<float> images = images_in(box, 400);
  const Statistics seen = measure(network, Images{images, box.low.size()});
  ASSERT_EQ(most->size(), seen.max_abs.size());
  for (std::size_t p = 0; p < most->size(); ++p) {
    EXPECT_TRUE(std::isfinite((*most)[p])) << p;
    EXPECT_LE(seen.max_abs[p], (*most)[p]) << p;
    EXPECT_GT(seen.max_abs[p], 0) << p;
  }
}

TEST(Bounds, AnImageReachesThoseOfTheFirstMapAndItsSquare) {
  Net net(kImage);
  net.dense(net.square(net.conv(0, 2, 3, 3)), 48, 3);
  const MonicNetwork network = monic(net.finished());
  const Box box = all_images();
  const auto most = bounds(network, box);
  ASSERT_TRUE(most.ok());
  // For each element of the first map, the image in the corner that makes it largest and the one that makes it least.
  const LinearMap& first = network.segments[0][0];
  std::vector<float> images;
  for (std::size_t r = 0; r < first.matrix.rows; ++r) {
    for (const bool up : {true, false}) {
      std::vector<float> image(box.low.size(), 0);
      for (std::uint64_t k = first.matrix.start[r]; k < first.matrix.start[r + 1]; ++k) {
        const std::uint32_t c = first.matrix.column[k];
        image[c] = static_cast<float>((first.matrix.value[k] > 0) == up ? box.high[c] : box.low[c]);
      }
      images.insert(images.end(), image.begin(), image.end());
    }
  }
  const Statistics seen = measure(network, Images{images, box.low.size()});
  const Points points(network);
  for (const std::size_t point : {points.map(0, 0), points.square(0)}) {
    EXPECT_NEAR(seen.max_abs[point] / (*most)[point], 1, 1e-5);
  }
}

TEST(Bounds, AreInfiniteWhereNothingBounds) {
  Net net(kImage);
  ValueId x = net.conv(0, 2, 2, 3);
  for (int i = 0; i < 9; ++i) x = net.square(net.times(net.conv(x, 2, 2, 1), 100));
  net.dense(x, 32, 3);
  const auto found = bound_values(net.finished(), all_images(), images_in(all_images(), 4));
  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_TRUE(std::isinf(found->bits));
  EXPECT_TRUE(std::isinf(found->values.back().bits()));
  for (const BoundedValue& value : found->values) EXPECT_FALSE(std::isnan(value.bound)) << value.origin;
}

TEST(Bounds, StandBesideWhatImagesShow) {
  Net net(kImage);
  net.dense(net.square(net.conv(0, 2, 3, 3)), 48, 3);
  const auto found = bound_values(net.finished(), all_images(), images_in(all_images(), 8));
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found->values.size(), 2U);
  EXPECT_EQ(found->values[0].elements, 48U);
  EXPECT_EQ(found->values[1].origin, "logits");
  EXPECT_EQ(found->images, 8U);
  EXPECT_GE(found->bits, found->values[0].bits());
  EXPECT_GT(found->values[0].bits(), 0);
}

TEST(Bounds, AreRefusedForWhatIsNoPolynomial) {
  Net net(kImage);
  net.dense(net.function(approx::Function::Kind::relu, net.conv(0, 2, 3, 3)), 48, 3);
  const auto found = bound_values(net.finished(), all_images(), images_in(all_images(), 1));
  ASSERT_FALSE(found.ok());
  EXPECT_THAT(found.error().message, HasSubstr("Relu"));
}

}  // namespace
}  // namespace obscura::compile
