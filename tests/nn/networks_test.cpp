// SPDX-License-Identifier: Apache-2.0
// Networks and images of others: the import and the reference together reproduce published accuracies.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/files.h"
#include "nn/onnx.h"
#include "nn/reference.h"
#include "tests/nn/graphs.h"

namespace obscura::nn {
namespace {

struct Images {
  std::vector<float> pixels;
  std::vector<int> labels;
};

std::filesystem::path data_folder() {
  const char* chosen = std::getenv("OBSCURA_DATA");
  return chosen != nullptr ? std::filesystem::path(chosen) : std::filesystem::path(OBSCURA_SOURCE_DIR "/data");
}

/// The MNIST test set over 255; empty where it is absent. idx: 16 and 8 bytes of header, then one byte each.
Images mnist_test_set() {
  const auto pixels = base::read_file(data_folder() / "mnist/t10k-images-idx3-ubyte", 1 << 24);
  const auto labels = base::read_file(data_folder() / "mnist/t10k-labels-idx1-ubyte", 1 << 24);
  if (!pixels.ok() || !labels.ok()) return {};
  Images images;
  for (std::size_t i = 16; i < pixels->size(); ++i) images.pixels.push_back(static_cast<float>((*pixels)[i]) / 255.0F);
  for (std::size_t i = 8; i < labels->size(); ++i) images.labels.push_back(static_cast<int>((*labels)[i]));
  return images;
}

struct Published {
  const char* file;
  int correct;  ///< of the 10,000 MNIST test images, measured with an independent runtime
};

class PublishedNetwork : public testing::TestWithParam<Published> {};

TEST_P(PublishedNetwork, ReachesItsPublishedAccuracyOnTheMnistTestSet) {
  const auto path = shared_data() / GetParam().file;
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is absent";
  const Images images = mnist_test_set();
  if (images.labels.empty()) GTEST_SKIP() << "no MNIST in " << data_folder() << "; obscura data fetch mnist";
  const auto graph = read_onnx_file(path);
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  ASSERT_EQ(graph->values[graph->input].shape, (Shape{1, 28, 28}));
  ASSERT_EQ(graph->values[graph->output].shape, (Shape{10}));
  const std::vector<float> logits = run_reference(*graph, images.pixels, images.labels.size());
  int correct = 0;
  for (std::size_t i = 0; i < images.labels.size(); ++i) {
    const auto row = logits.begin() + static_cast<std::ptrdiff_t>(10 * i);
    correct += std::max_element(row, row + 10) - row == images.labels[i] ? 1 : 0;
  }
  EXPECT_EQ(correct, GetParam().correct);
}

INSTANTIATE_TEST_SUITE_P(Ishiyama2020, PublishedNetwork,
                         testing::Values(Published{"ishiyama2020/mnist_CKKS-swish_rg6_deg4-BN-DA.onnx", 9921},
                                         Published{"ishiyama2020/mnist_HCNN-DA.onnx", 9918}),
                         [](const auto& test) { return "Correct" + std::to_string(test.param.correct); });

TEST(OnnxOfOthers, IsTheSameNetworkAfterWritingAndReadingItAgain) {
  for (const char* file :
       {"ishiyama2020/mnist_CKKS-swish_rg6_deg4-BN-DA.onnx", "ishiyama2020/cifar-10_CKKS-swish_rg6_deg4-BN-DA.onnx"}) {
    const auto path = shared_data() / file;
    if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is absent";
    const auto graph = read_onnx_file(path);
    ASSERT_TRUE(graph.ok()) << graph.error().message;
    const auto again = read_onnx(write_onnx(*graph), "again");
    ASSERT_TRUE(again.ok()) << again.error().message;
    EXPECT_EQ(describe(*again), describe(*graph));
  }
}

TEST(OnnxOfOthers, NamesTheFirstNodeThatIsNotSupported) {
  const auto path = shared_data() / "mnist/fheon_lenet5.onnx";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is absent";
  const auto graph = read_onnx_file(path);
  ASSERT_FALSE(graph.ok());
  EXPECT_EQ(graph.error().code, Code::unsupported);
  EXPECT_NE(graph.error().message.find("node '/Relu': operator Relu is not supported"), std::string::npos)
      << graph.error().message;
}

}  // namespace
}  // namespace obscura::nn
