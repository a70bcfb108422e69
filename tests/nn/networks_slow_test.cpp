// SPDX-License-Identifier: Apache-2.0
// The published accuracies and logits that take minutes: CIFAR-10 whole, and 100 photographs.
#include <gtest/gtest.h>

#include "nn/onnx.h"
#include "tests/nn/published.h"

namespace obscura::nn {
namespace {

struct OnCifar10 {
  const char* test;
  const char* file;
  Normalization normalization;
  int correct;  ///< of 10,000 test images, measured with an independent runtime
};

class NetworkOnCifar10 : public testing::TestWithParam<OnCifar10> {};

TEST_P(NetworkOnCifar10, ReachesItsPublishedAccuracyOnTheWholeTestSet) {
  const auto path = shared_data() / GetParam().file;
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is absent";
  const auto images = data::load("cifar10", "test", data_folder());
  if (!images.ok()) GTEST_SKIP() << images.error().message;
  const auto graph = read_onnx_file(path);
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  // The other runtime sums in floats, so an image whose two best logits are as good as equal may go either way.
  EXPECT_NEAR(count_correct(*graph, labelled(*images, GetParam().normalization)), GetParam().correct, 1);
}

INSTANTIATE_TEST_SUITE_P(
    OfOthers, NetworkOnCifar10,
    testing::Values(OnCifar10{"Swish4", "ishiyama2020/cifar-10_CKKS-swish_rg6_deg4-BN-DA.onnx", plain(), 8047},
                    OnCifar10{"Relu", "ishiyama2020/cifar-10_Plain-relu-BN-DA.onnx", plain(), 8369},
                    OnCifar10{"Resnet20", "cifar10/akamaster_resnet20.onnx", imagenet_norm(), 9173},
                    OnCifar10{"Resnet20Raw", "cifar10/akamaster_resnet20_torchraw.onnx", imagenet_norm(), 9173},
                    OnCifar10{"Resnet56", "cifar10/akamaster_resnet56.onnx", imagenet_norm(), 9339},
                    OnCifar10{"Resnet110", "cifar10/akamaster_resnet110_7digits.onnx", imagenet_norm(), 9368},
                    OnCifar10{"Vgg11", "cifar10/autofhe_vgg11.onnx", cifar_norm(), 9057},
                    OnCifar10{"Resnet20Quadratics", "cifar10/autofhe_resnet20_aespa.onnx", cifar_norm(), 9191},
                    OnCifar10{"Resnet8AsymmetricPads", "cifar10/mlperftiny_resnet8.onnx", bytes_norm(), 8719}),
    [](const auto& test) { return test.param.test; });

class AllLogitsOfOthers : public testing::TestWithParam<ImagenetNetwork> {};

TEST_P(AllLogitsOfOthers, AreReproducedOnAHundredPhotographs) {
  constexpr std::size_t kCount = 100;
  const auto path = shared_data() / "imagenet" / (std::string(GetParam().name) + ".onnx");
  const std::vector<float> expected = imagenet_logits(GetParam());
  const std::vector<float> images = imagenet_images(GetParam(), 0, kCount);
  if (expected.empty() || images.empty()) GTEST_SKIP() << path << " is absent";
  const auto graph = read_onnx_file(path);
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  const std::vector<float> logits = run_reference(*graph, images, kCount);
  ASSERT_EQ(logits.size(), expected.size());
  EXPECT_LT(largest_difference(logits, expected.data()), 1e-3F);
}

INSTANTIATE_TEST_SUITE_P(Imagenet, AllLogitsOfOthers,
                         testing::Values(ImagenetNetwork{"squeezenet1.1", false},
                                         ImagenetNetwork{"bvlc_googlenet", true}),
                         [](const auto& test) { return std::string(test.param.name).substr(0, 4); });

}  // namespace
}  // namespace obscura::nn
