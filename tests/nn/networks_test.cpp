// SPDX-License-Identifier: Apache-2.0
// Networks and images of others: the import and the reference together reproduce published accuracies. The ones that
// take longer: networks_slow_test.cpp.
#include <gtest/gtest.h>

#include "nn/onnx.h"
#include "tests/nn/published.h"

namespace obscura::nn {
namespace {

struct Published {
  const char* test;
  const char* file;
  const char* set;
  Normalization normalization;
  int correct;  ///< of the whole test set, measured with an independent runtime
};

class PublishedNetwork : public testing::TestWithParam<Published> {};

TEST_P(PublishedNetwork, ReachesItsPublishedAccuracyOnTheWholeTestSet) {
  const auto path = shared_data() / GetParam().file;
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is absent";
  const std::string set = GetParam().set;
  const auto folder = set == "mnist" ? data_folder() : shared_data() / "medical";
  const auto images = data::load(set, "test", folder);
  if (!images.ok()) GTEST_SKIP() << images.error().message;
  const auto graph = read_onnx_file(path);
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_EQ(count_correct(*graph, labelled(*images, GetParam().normalization)), GetParam().correct);
}

INSTANTIATE_TEST_SUITE_P(
    OfOthers, PublishedNetwork,
    testing::Values(Published{"Swish4", "ishiyama2020/mnist_CKKS-swish_rg6_deg4-BN-DA.onnx", "mnist", plain(), 9921},
                    Published{"Squares", "ishiyama2020/mnist_HCNN-DA.onnx", "mnist", plain(), 9918},
                    Published{"Relu", "ishiyama2020/mnist_Plain-relu-BN-DA.onnx", "mnist", plain(), 9905},
                    Published{"Lenet5", "mnist/fheon_lenet5.onnx", "mnist", lenet_norm(), 9918},
                    Published{"LenetMaxPool", "mnist/openvino_lenet_maxpool.onnx", "mnist", plain(), 9895},
                    Published{"Pneumonia", "medical/models/pneumoniamnist_lenet.onnx", "pneumoniamnist",
                              centered_norm(), 565},
                    Published{"Breast", "medical/models/breastmnist_lenet.onnx", "breastmnist", centered_norm(), 135}),
    [](const auto& test) { return test.param.test; });

// The collection calls the folder of this set otherwise than data::load does.
TEST(PublishedNetwork, ResNetWithOptionAShortcutsReachesItsPublishedAccuracyOnBloodCells) {
  const auto path = shared_data() / "medical/models/bccd_resnet8.onnx";
  const auto file = base::read_file(shared_data() / "medical/bccd_cells32/test.bin", 1 << 24);
  if (!std::filesystem::exists(path) || !file.ok()) GTEST_SKIP() << path << " or its images are absent";
  constexpr std::size_t kRecord = 1 + 3 * 32 * 32;
  data::Dataset set;
  set.channels = 3;
  set.height = set.width = 32;
  for (std::size_t i = 0; i < file->size(); ++i) {
    const auto byte = static_cast<std::uint8_t>((*file)[i]);
    if (i % kRecord == 0) {
      set.labels.push_back(byte);
    } else {
      set.pixels.push_back(byte);
    }
  }
  const auto graph = read_onnx_file(path);
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  ASSERT_EQ(set.labels.size(), 340U);
  EXPECT_EQ(count_correct(*graph, labelled(set, centered_norm())), 337);
}

// GoogLeNet, and all hundred: networks_slow_test.cpp.
TEST(LogitsOfOthers, AreReproducedBySqueezenetOnSixteenPhotographs) {
  constexpr std::size_t kCount = 16;
  const ImagenetNetwork squeezenet{"squeezenet1.1", false};
  const std::vector<float> expected = imagenet_logits(squeezenet);
  const std::vector<float> images = imagenet_images(squeezenet, 0, kCount);
  if (expected.empty() || images.empty()) GTEST_SKIP() << "no photographs in " << shared_data();
  const auto graph = read_onnx_file(shared_data() / "imagenet/squeezenet1.1.onnx");
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  const std::vector<float> logits = run_reference(*graph, images, kCount);
  ASSERT_EQ(logits.size(), 1000 * kCount);
  // The other runtime sums in floats: 1e-3 is 5e-5 of the largest logit.
  EXPECT_LT(largest_difference(logits, expected.data()), 1e-3F);
}

TEST(OnnxOfOthers, IsTheSameNetworkAfterWritingAndReadingItAgain) {
  if (!std::filesystem::exists(shared_data())) GTEST_SKIP() << shared_data() << " is absent";
  int read = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(shared_data())) {
    if (entry.path().string().find("/wild/") != std::string::npos) continue;  // strangers_test.cpp has those
    if (entry.path().extension() != ".onnx" || entry.file_size() > (8U << 20)) continue;
    const auto graph = read_onnx_file(entry.path());
    ASSERT_TRUE(graph.ok()) << graph.error().message;
    const auto again = read_onnx(write_onnx(*graph), "again");
    ASSERT_TRUE(again.ok()) << again.error().message;
    EXPECT_EQ(describe(*again), describe(*graph)) << entry.path();
    ++read;
  }
  EXPECT_GT(read, 0);
}

// The exporter of PyTorch leaves the shortcut's pads as seven nodes of arithmetic; a simplified file has the numbers.
TEST(OnnxOfOthers, AreTheSameNetworkInTheRawFormOfTheExporterAndSimplified) {
  const auto raw = read_onnx_file(shared_data() / "cifar10/akamaster_resnet20_torchraw.onnx");
  const auto simple = read_onnx_file(shared_data() / "cifar10/akamaster_resnet20.onnx");
  if (!raw.ok() && raw.error().code == Code::io) GTEST_SKIP() << raw.error().message;
  ASSERT_TRUE(raw.ok()) << raw.error().message;
  ASSERT_TRUE(simple.ok()) << simple.error().message;
  std::vector<float> image(3 * 32 * 32);
  for (std::size_t i = 0; i < image.size(); ++i) image[i] = static_cast<float>(i * 7919 % 256) / 128 - 1;
  const std::vector<float> logits = run_reference(*raw, image, 1);
  // The simplified file holds the weights of the same network, rounded no further than a float.
  EXPECT_LT(largest_difference(logits, run_reference(*simple, image, 1).data()), 1e-4F);
}

}  // namespace
}  // namespace obscura::nn
