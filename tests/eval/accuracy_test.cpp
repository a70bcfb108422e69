// SPDX-License-Identifier: Apache-2.0
// Networks of others over whole test sets: the accuracies that an independent runtime measured.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>

#include "approx/sign.h"
#include "base/files.h"
#include "data/cifar.h"
#include "eval/network.h"
#include "nn/onnx.h"
#include "tests/nn/graphs.h"

namespace obscura::eval {
namespace {

namespace fs = std::filesystem;

/// x = (pixel * factor - mean) / deviation
struct Scaling {
  double factor = 1.0 / 255;
  std::array<double, 3> mean{0, 0, 0};
  std::array<double, 3> deviation{1, 1, 1};
};
constexpr Scaling kPlain{};
constexpr Scaling kImagenet{1.0 / 255, {0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};
constexpr Scaling kCifar{1.0 / 255, {0.4914, 0.4822, 0.4465}, {0.2023, 0.1994, 0.2010}};
constexpr Scaling kMnist{1.0 / 255, {0.1307, 0, 0}, {0.3081, 1, 1}};
constexpr Scaling kHalf{1.0 / 255, {0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}};
constexpr Scaling kBytes{1, {0, 0, 0}, {1, 1, 1}};
constexpr Scaling kCaffe{1, {104, 117, 123}, {1, 1, 1}};  // after blue and red have changed places

struct Published {
  const char* file;
  const char* dataset;
  Scaling scaling;
  double percent;  ///< to two decimals
};

void PrintTo(const Published& published, std::ostream* out) { *out << published.file; }

std::vector<float> scaled(const data::Dataset& set, const Scaling& scaling) {
  std::vector<float> out(set.pixels.size());
  const std::size_t area = set.height * set.width;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::size_t c = i / area % set.channels;
    out[i] = static_cast<float>((set.pixels[i] * scaling.factor - scaling.mean[c]) / scaling.deviation[c]);
  }
  return out;
}

double share_correct(const data::Dataset& set, std::span<const float> logits) {
  const std::size_t classes = logits.size() / set.count();
  std::size_t correct = 0;
  for (std::size_t i = 0; i < set.count(); ++i) {
    const auto row = logits.subspan(i * classes, classes);
    correct += std::max_element(row.begin(), row.end()) - row.begin() == set.labels[i] ? 1 : 0;
  }
  return static_cast<double>(correct) / static_cast<double>(set.count());
}

/// From $OBSCURA_DATA, else data/ beside the sources.
Result<data::Dataset> load_set(const std::string& name, const std::string& split, data::Range range) {
  const char* chosen = std::getenv("OBSCURA_DATA");
  return data::load(name, split, chosen != nullptr ? fs::path(chosen) : fs::path(OBSCURA_SOURCE_DIR "/data"), range);
}

/// The same of a test set; the placed sets also where the networks of others lie.
Result<data::Dataset> test_set(const std::string& name) {
  auto set = load_set(name, "test", {});
  if (set.ok()) return set;
  const fs::path medical = nn::shared_data() / "medical";
  if (name == "bccd") return data::read_cifar_binary(medical / "bccd_cells32/test.bin");
  return data::load(name, "test", medical);
}

class PublishedAccuracy : public testing::TestWithParam<Published> {};

TEST_P(PublishedAccuracy, IsReachedOverTheWholeTestSet) {
  const Published& published = GetParam();
  const fs::path path = nn::shared_data() / (std::string(published.file) + ".onnx");
  if (!fs::exists(path)) GTEST_SKIP() << path << " is absent";
  const auto set = test_set(published.dataset);
  if (!set.ok()) GTEST_SKIP() << set.error().message;
  const auto graph = nn::read_onnx_file(path);
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  const auto network = Network::make(*graph, {});
  ASSERT_TRUE(network.ok()) << network.error().message;
  const auto outcome = network->run(scaled(*set, published.scaling), set->count());
  ASSERT_TRUE(outcome.ok());
  const double percent = 100 * share_correct(*set, outcome->logits);
  std::printf("%s: %.2f %% of %zu (published %.2f)\n", published.file, percent, set->count(), published.percent);
  // The published figure has two decimals; a logit that two runtimes round apart may change one label in 10,000.
  EXPECT_NEAR(percent, published.percent, 0.005 + 0.01);
}

INSTANTIATE_TEST_SUITE_P(
    Shared, PublishedAccuracy,
    testing::Values(Published{"ishiyama2020/mnist_CKKS-swish_rg6_deg4-BN-DA", "mnist", kPlain, 99.21},
                    Published{"ishiyama2020/mnist_HCNN-DA", "mnist", kPlain, 99.18},
                    Published{"ishiyama2020/mnist_Plain-relu-BN-DA", "mnist", kPlain, 99.05},
                    Published{"ishiyama2020/cifar-10_CKKS-swish_rg6_deg4-BN-DA", "cifar10", kPlain, 80.47},
                    Published{"ishiyama2020/cifar-10_Plain-relu-BN-DA", "cifar10", kPlain, 83.69},
                    Published{"mnist/fheon_lenet5", "mnist", kMnist, 99.18},
                    Published{"mnist/openvino_lenet_maxpool", "mnist", kPlain, 98.95},
                    Published{"cifar10/akamaster_resnet20", "cifar10", kImagenet, 91.73},
                    Published{"cifar10/akamaster_resnet20_torchraw", "cifar10", kImagenet, 91.73},
                    Published{"cifar10/akamaster_resnet56", "cifar10", kImagenet, 93.39},
                    Published{"cifar10/akamaster_resnet110_7digits", "cifar10", kImagenet, 93.68},
                    Published{"cifar10/autofhe_vgg11", "cifar10", kCifar, 90.57},
                    Published{"cifar10/autofhe_resnet20_aespa", "cifar10", kCifar, 91.91},
                    Published{"cifar10/mlperftiny_resnet8", "cifar10", kBytes, 87.19},
                    Published{"medical/models/pneumoniamnist_lenet", "pneumoniamnist", kHalf, 90.54},
                    Published{"medical/models/breastmnist_lenet", "breastmnist", kHalf, 86.54},
                    Published{"medical/models/bccd_resnet8", "bccd", kHalf, 99.12}),
    [](const auto& test) {
      std::string name;
      for (const char c : std::string(test.param.file)) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
      return name;
    });

/// The largest argument of each ReLU over images.
std::map<std::size_t, double> calibrate(const Network& network, std::span<const float> images, std::size_t count) {
  std::map<std::size_t, double> largest;
  Options options;
  options.observe = [&](std::size_t node, std::span<const float> arguments) {
    double& bound = largest[node];
    for (const float x : arguments) bound = std::max(bound, std::abs(static_cast<double>(x)));
  };
  EXPECT_TRUE(network.run(images, count, options).ok());
  return largest;
}

/// The second paper's experiment: 2^-13 of precision for each ReLU, in ranges that training images give, with half as
/// much again. The issue allows 0.2 points.
TEST(MinimaxRelu, KeepsTheAccuracyOfResNet20) {
  const fs::path path = nn::shared_data() / "cifar10/akamaster_resnet20.onnx";
  if (!fs::exists(path)) GTEST_SKIP() << path << " is absent";
  const auto set = test_set("cifar10");
  if (!set.ok()) GTEST_SKIP() << set.error().message;
  const auto graph = nn::read_onnx_file(path);
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  const auto training = load_set("cifar10", "train", {0, 1000});
  ASSERT_TRUE(training.ok()) << training.error().message;
  Substitution substitution;
  const auto ranges = calibrate(*Network::make(*graph, {}), scaled(*training, kImagenet), training->count());
  EXPECT_EQ(ranges.size(), 19U);
  for (const auto& [node, largest] : ranges) substitution[node] = approx::relu(13, 1.5 * largest).value();
  const auto network = Network::make(*graph, substitution);
  ASSERT_TRUE(network.ok()) << network.error().message;
  const auto begin = std::chrono::steady_clock::now();
  const auto outcome = network->run(scaled(*set, kImagenet), set->count());
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  ASSERT_TRUE(outcome.ok());
  std::uint64_t outside = 0;
  for (const auto& [node, excess] : outcome->excess) outside += excess.outside;
  const double percent = 100 * share_correct(*set, outcome->logits);
  std::printf("alpha 13: %.2f %%, %llu arguments outside, %.1f s\n", percent, static_cast<unsigned long long>(outside),
              seconds.count());
  EXPECT_NEAR(percent, 91.73, 0.2);
}

struct Photographs {
  const char* network;
  Scaling scaling;
  bool blue_first;
};

void PrintTo(const Photographs& photographs, std::ostream* out) { *out << photographs.network; }

class PublishedLogits : public testing::TestWithParam<Photographs> {};

/// The logits of 100 photographs that an independent runtime computed.
TEST_P(PublishedLogits, AreReachedOnAllPhotographs) {
  const fs::path folder = nn::shared_data() / "imagenet";
  const fs::path path = folder / (std::string(GetParam().network) + ".onnx");
  if (!fs::exists(path)) GTEST_SKIP() << path << " is absent";
  data::Dataset set;
  set.channels = 3;
  set.height = set.width = 224;
  const auto pixels = base::read_file(folder / "sample100_224_u8_nchw.bin", 100 * set.image_size());
  ASSERT_TRUE(pixels.ok()) << pixels.error().message;
  for (const std::byte b : *pixels) set.pixels.push_back(std::to_integer<std::uint8_t>(b));
  if (GetParam().blue_first) {
    const std::size_t area = set.height * set.width;
    for (std::size_t image = 0; image < set.count(); ++image) {
      const auto red = set.pixels.begin() + static_cast<std::ptrdiff_t>(image * 3 * area);
      std::swap_ranges(red, red + static_cast<std::ptrdiff_t>(area), red + static_cast<std::ptrdiff_t>(2 * area));
    }
  }
  const auto logits =
      base::read_file(folder / fmt::format("sample100_logits_{}_f32le.bin", GetParam().network), 400000);
  ASSERT_TRUE(logits.ok()) << logits.error().message;
  std::vector<float> expected(100000);
  ASSERT_EQ(logits->size(), 400000U);
  std::memcpy(expected.data(), logits->data(), 400000);
  const auto graph = nn::read_onnx_file(path);
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  const auto outcome = Network::make(*graph, {})->run(scaled(set, GetParam().scaling), 100);
  ASSERT_TRUE(outcome.ok());
  float largest = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    largest = std::max(largest, std::abs(outcome->logits[i] - expected[i]));
  }
  std::printf("%s: largest difference of a logit %.2g\n", GetParam().network, static_cast<double>(largest));
  EXPECT_LT(largest, 1e-3);
}

INSTANTIATE_TEST_SUITE_P(Shared, PublishedLogits,
                         testing::Values(Photographs{"squeezenet1.1", kImagenet, false},
                                         Photographs{"bvlc_googlenet", kCaffe, true}),
                         [](const auto& test) { return test.index == 0 ? "SqueezeNet" : "GoogLeNet"; });

}  // namespace
}  // namespace obscura::eval
