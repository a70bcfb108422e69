// SPDX-License-Identifier: Apache-2.0
// Networks of others on a few images of noise: the same logits as the reference executor, which takes seconds for the
// large ones; accuracy_test has those.
#include <gtest/gtest.h>

#include <filesystem>

#include "nn/onnx.h"
#include "tests/eval/random.h"

namespace obscura::eval {
namespace {

class NetworkOfOthers : public testing::TestWithParam<const char*> {};

TEST_P(NetworkOfOthers, GivesTheLogitsOfTheReference) {
  const auto path = nn::shared_data() / (std::string(GetParam()) + ".onnx");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is absent";
  const auto graph = nn::read_onnx_file(path);
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  const nn::Shape& shape = graph->values[graph->input].shape;
  const auto size = static_cast<std::size_t>(nn::element_count(shape));
  constexpr std::size_t kCount = 2;
  // Pixels in 0..1, as they come; the network of raw bytes has its scale inside.
  const std::vector<float> images = Numbers(2).uniform(kCount * size, 0, 1);
  const auto network = Network::make(*graph, {});
  ASSERT_TRUE(network.ok()) << network.error().message;
  const auto outcome = network->run(images, kCount);
  ASSERT_TRUE(outcome.ok());
  expect_close(outcome->logits, nn::run_reference(*graph, images, kCount), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Shared, NetworkOfOthers,
                         testing::Values("ishiyama2020/mnist_CKKS-swish_rg6_deg4-BN-DA", "ishiyama2020/mnist_HCNN-DA",
                                         "ishiyama2020/mnist_Plain-relu-BN-DA",
                                         "ishiyama2020/cifar-10_CKKS-swish_rg6_deg4-BN-DA",
                                         "ishiyama2020/cifar-10_Plain-relu-BN-DA", "mnist/fheon_lenet5",
                                         "mnist/openvino_lenet_maxpool", "cifar10/akamaster_resnet20",
                                         "cifar10/akamaster_resnet20_torchraw", "cifar10/autofhe_vgg11",
                                         "cifar10/autofhe_resnet20_aespa", "cifar10/mlperftiny_resnet8",
                                         "medical/models/pneumoniamnist_lenet", "medical/models/breastmnist_lenet",
                                         "medical/models/bccd_resnet8"),
                         [](const auto& test) {
                           std::string name;
                           for (const char c : std::string(test.param))
                             name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
                           return name;
                         });

}  // namespace
}  // namespace obscura::eval
