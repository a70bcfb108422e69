// SPDX-License-Identifier: Apache-2.0
/// The networks that are shipped in models/ do what their cards say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "data/dataset.h"
#include "nn/onnx.h"
#include "nn/reference.h"

namespace obscura {
namespace {

using ::testing::HasSubstr;

class Shipped : public ::testing::TestWithParam<std::string> {
 protected:
  static std::string beside(const std::string& ending) { return OBSCURA_SOURCE_DIR "/models/" + GetParam() + ending; }
};

std::filesystem::path data_folder() {
  const char* chosen = std::getenv("OBSCURA_DATA");
  return chosen != nullptr ? chosen : OBSCURA_SOURCE_DIR "/data";
}

std::size_t count_correct(const nn::Graph& graph, const data::Dataset& set) {
  std::vector<float> images(set.pixels.size());
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<float>(set.pixels[i]) / 255;
  const std::vector<float> logits = nn::run_reference(graph, images, set.count());
  std::size_t correct = 0;
  for (std::size_t i = 0; i < set.count(); ++i) {
    const auto row = logits.begin() + static_cast<std::ptrdiff_t>(10 * i);
    correct += std::max_element(row, row + 10) - row == set.labels[i] ? 1 : 0;
  }
  return correct;
}

TEST_P(Shipped, ReachesTheAccuracyOfItsCard) {
  const auto test = data::load("mnist", "test", data_folder());
  if (!test.ok()) GTEST_SKIP() << test.error().message;
  const auto graph = nn::read_onnx_file(beside(".onnx"));
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  const std::size_t correct = count_correct(*graph, *test);
  EXPECT_GE(correct, 9920U);
  std::ostringstream card;
  card << std::ifstream(beside(".md")).rdbuf();
  // Labels do not depend on how floats are summed unless two logits tie, which no test image does in these networks.
  EXPECT_THAT(card.str(), HasSubstr(fmt::format("{} of 10000", correct)));
}

std::string name_of(const ::testing::TestParamInfo<std::string>& network) {
  return network.param == "mnist-square" ? "Square" : "Swish4";
}
INSTANTIATE_TEST_SUITE_P(Networks, Shipped, ::testing::Values("mnist-swish4", "mnist-square"), name_of);

}  // namespace
}  // namespace obscura
