// SPDX-License-Identifier: Apache-2.0
/// Whole trainings on images made here: a bright bar whose place is the class.
#include "train/train.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "bars.h"
#include "base/files.h"
#include "nn/onnx.h"
#include "nn/reference.h"

namespace obscura::train {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class Training : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::write_bars(folder_);
    options_.data_folder = folder_;
    options_.threads = 1;
  }
  void TearDown() override { fs::remove_all(folder_); }

  static Recipe recipe(const std::string& more = "", const Overrides& overrides = {}) {
    const std::string text = testing::kBars + more;
    auto out = parse_recipe(text, "bars.toml", overrides);
    if (!out.ok()) throw std::runtime_error(out.error().message);
    return std::move(out).value();
  }
  static std::string quadratic() {
    return "[activation]\nkind = \"quadratic\"\nper = \"channel\"\npenalty = 0.01\nblend = [0, 2]\n";
  }

  fs::path folder_ = fs::temp_directory_path() / fmt::format("obscura-training-{}", getpid());
  Options options_;
};

TEST_F(Training, LearnsAndExportsWhatItMeasured) {
  const Recipe own = recipe(quadratic());
  std::int64_t epochs = 0;
  const auto outcome = train(own, options_, [&](const Moment& moment) {
    epochs += moment.epoch_ended ? 1 : 0;
    return true;
  });
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_EQ(epochs, 4);
  EXPECT_EQ(outcome->history.size(), 4U);
  EXPECT_EQ(outcome->training_images, 480U);
  EXPECT_EQ(outcome->validation.images, 120U);
  EXPECT_GT(outcome->best_epoch, 2) << "a network that is still half ReLU cannot be the best";
  // Guessing gives 10 %.
  EXPECT_GT(outcome->test.accuracy(), 0.8);
  EXPECT_EQ(outcome->largest_pre_activation.size(), 1U);
  EXPECT_EQ(outcome->graph.metadata.mean, own.data.mean);
  EXPECT_EQ(outcome->graph.metadata.std, own.data.std);
  EXPECT_EQ(outcome->graph.metadata.class_names.size(), static_cast<std::size_t>(own.data.classes));

  // The file, read back and run by the reference, gives the accuracy that was reported, but for two logits that tie
  // within float rounding.
  const auto graph = nn::read_onnx(nn::write_onnx(outcome->graph), "exported");
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  const auto test = data::load("mnist", "test", folder_);
  ASSERT_TRUE(test.ok());
  std::vector<float> images(test->pixels.size());
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<float>(test->pixels[i]) / 255;
  const std::vector<float> logits = nn::run_reference(*graph, images, test->count());
  std::size_t correct = 0;
  for (std::size_t i = 0; i < test->count(); ++i) {
    const auto row = logits.begin() + static_cast<std::ptrdiff_t>(10 * i);
    correct += std::max_element(row, row + 10) - row == test->labels[i] ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(correct), static_cast<double>(outcome->test.correct), 1);
}

TEST_F(Training, LearnsFromMixedImagesAndTheirSharesOfLabels) {
  Recipe own = recipe(quadratic());
  own.augmentation.mixup = 0.4;
  const auto outcome = train(own, options_, nullptr);
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_GT(outcome->test.accuracy(), 0.8);
}

TEST_F(Training, SameRecipeGivesTheSameWeights) {
  const auto first = train(recipe(quadratic()), options_, nullptr);
  const auto second = train(recipe(quadratic()), options_, nullptr);
  const auto other = train(recipe(quadratic(), {.seed = 2, .epochs = {}, .teacher = {}}), options_, nullptr);
  ASSERT_TRUE(first.ok() && second.ok() && other.ok());
  EXPECT_EQ(nn::write_onnx(first->graph), nn::write_onnx(second->graph));
  EXPECT_NE(nn::write_onnx(first->graph), nn::write_onnx(other->graph));
}

TEST_F(Training, GoesOnFromACheckpointToTheWeightsOfAnUnbrokenRun) {
  const std::map<std::string, OptimizerKind> optimizers{
      {"adamw", OptimizerKind::adamw}, {"sgd", OptimizerKind::sgd}, {"muon", OptimizerKind::muon}};
  for (const auto& [optimizer, kind] : optimizers) {
    std::string more = quadratic();
    Recipe own = recipe(more);
    own.optimizer.kind = kind;
    const auto unbroken = train(own, options_, nullptr);
    ASSERT_TRUE(unbroken.ok()) << unbroken.error().message;
    Options broken = options_;
    broken.checkpoint = folder_ / (optimizer + ".checkpoint");
    broken.resume = true;
    // Broken in the middle of the second epoch, and again in the fourth.
    for (const std::size_t at : {20U, 50U}) {
      const auto stopped = train(own, broken, [&](const Moment& moment) { return moment.step < at; });
      ASSERT_FALSE(stopped.ok());
      EXPECT_EQ(stopped.error().code, Code::cancelled);
      EXPECT_THAT(stopped.error().message, HasSubstr("--resume goes on"));
    }
    const auto resumed = train(own, broken, nullptr);
    ASSERT_TRUE(resumed.ok()) << resumed.error().message;
    EXPECT_EQ(nn::write_onnx(unbroken->graph), nn::write_onnx(resumed->graph));
    EXPECT_EQ(unbroken->test.correct, resumed->test.correct);
    EXPECT_EQ(unbroken->history.size(), resumed->history.size());
    EXPECT_EQ(unbroken->history.back().training_loss, resumed->history.back().training_loss);
  }
}

TEST_F(Training, RefusesACheckpointThatIsNotItsOwn) {
  options_.checkpoint = folder_ / "x.checkpoint";
  ASSERT_TRUE(train(recipe("", {.seed = {}, .epochs = 1, .teacher = {}}), options_, nullptr).ok());
  ASSERT_TRUE(fs::exists(options_.checkpoint));
  EXPECT_THAT(train(recipe(), options_, nullptr).error().message, HasSubstr("exists already"));
  options_.resume = true;
  EXPECT_THAT(train(recipe(), options_, nullptr).error().message, HasSubstr("of another recipe"));
  const Recipe own = recipe("", {.seed = {}, .epochs = 1, .teacher = {}});
  EXPECT_TRUE(train(own, options_, nullptr).ok());
  Options fewer = options_;
  fewer.limit = 300;
  EXPECT_THAT(train(own, fewer, nullptr).error().message, HasSubstr("number of images"));

  const base::Bytes whole = base::read_file(options_.checkpoint, 1 << 30).value();
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{40}, whole.size() - 1}) {
    ASSERT_TRUE(base::write_file(options_.checkpoint, base::ByteView(whole).first(bytes), {.overwrite = true}).ok());
    EXPECT_THAT(train(own, options_, nullptr).error().message, HasSubstr("not a checkpoint, or damaged"));
  }
  base::Bytes flipped = whole;
  flipped[whole.size() / 2] ^= std::byte{4};
  ASSERT_TRUE(base::write_file(options_.checkpoint, flipped, {.overwrite = true}).ok());
  EXPECT_THAT(train(own, options_, nullptr).error().message, HasSubstr("damaged"));
}

TEST_F(Training, EndsEarlyWhereNothingGetsBetter) {
  Recipe own = recipe(quadratic(), {.seed = {}, .epochs = 60, .teacher = {}});
  own.training.patience = 3;
  const auto outcome = train(own, options_, nullptr);
  ASSERT_TRUE(outcome.ok());
  EXPECT_LT(outcome->history.size(), 60U);
  EXPECT_EQ(static_cast<std::int64_t>(outcome->history.size()), outcome->best_epoch + 3);
}

TEST_F(Training, LearnsFromATeacherAlone) {
  const auto teacher = train(recipe("", {.seed = {}, .epochs = 8, .teacher = {}}), options_, nullptr);
  ASSERT_TRUE(teacher.ok());
  const fs::path model = folder_ / "teacher.onnx";
  ASSERT_TRUE(base::write_file(model, nn::write_onnx(teacher->graph), {}).ok());
  // With weight 1 no label is seen.
  const std::string more = quadratic() + "[teacher]\nmodel = \"" + model.string() + "\"\nweight = 1\nfeatures = 0.1\n";
  const auto student = train(recipe(more, {.seed = {}, .epochs = 8, .teacher = {}}), options_, nullptr);
  ASSERT_TRUE(student.ok()) << student.error().message;
  EXPECT_GT(student->test.accuracy(), 0.8);
}

TEST_F(Training, RefusesATeacherThatDoesNotFit) {
  const auto with = [&](const std::string& model, const std::string& more) {
    const auto outcome =
        train(recipe(quadratic() + "[teacher]\nmodel = \"" + model + "\"\n" + more), options_, nullptr);
    return outcome.ok() ? std::string("accepted") : outcome.error().message;
  };
  EXPECT_THAT(with("/nowhere/t.onnx", ""), HasSubstr("t.onnx"));
  // Its activations are spelt in Mul and Add, so that there is nothing to match.
  EXPECT_THAT(with(OBSCURA_SOURCE_DIR "/models/mnist-square.onnx", "features = 1"),
              HasSubstr("teacher.features needs"));
}

TEST_F(Training, SaysWhatIsWrong) {
  const auto message = [&](const Recipe& own) {
    const auto outcome = train(own, options_, nullptr);
    return outcome.ok() ? std::string("accepted") : outcome.error().message;
  };
  Recipe own = recipe();
  own.data.set = "fashion-mnist";
  EXPECT_THAT(message(own), HasSubstr("obscura data fetch fashion-mnist"));
  own = recipe();
  own.data.classes = 3;
  EXPECT_THAT(message(own), HasSubstr("10 classes; data.classes of recipe bars is 3"));
  own = recipe();
  own.data.validation = 0;
  EXPECT_THAT(message(own), HasSubstr("data.validation"));
  own = recipe();
  own.training.batch = 500;
  EXPECT_THAT(message(own), HasSubstr("there are 480 training images"));
  own = recipe(quadratic());
  own.optimizer.kind = OptimizerKind::sgd;
  own.optimizer.rate = 1e8;
  own.training.clip = 0;
  EXPECT_THAT(message(own), HasSubstr("try a smaller optimizer.rate"));
  options_.device = "tpu";
  EXPECT_THAT(message(recipe()), HasSubstr("it must be auto, cpu or cuda"));
}

}  // namespace
}  // namespace obscura::train
