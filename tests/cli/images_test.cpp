// SPDX-License-Identifier: Apache-2.0
/// Images and labels as people have them, through the verbs that take them.
#include "program.h"
#include "tests/data/make_arrays.h"

namespace obscura::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class OwnImages : public ProgramTest {
 protected:
  void SetUp() override { write_network(); }

  void make_keys() const {
    good({"compile", "net.onnx", "--batch", "8", "-o", "net.plan"});
    good({"offer", "net.plan", "-o", "net.offer"});
    good({"keygen", "net.offer", "--secret", "s", "--eval", "e"});
  }
  /// The content of a .npy file of images first ... first + count - 1 as floats.
  static std::string floats(std::uint32_t first, std::uint32_t count) {
    std::vector<float> values;
    for (std::uint32_t i = first; i < first + count; ++i) {
      for (const std::uint8_t pixel : image(i)) values.push_back(static_cast<float>(pixel) / 255);
    }
    return data::npy("<f4", fmt::format("({}, 1, {}, {})", count, kSide, kSide), data::raw(values));
  }
  /// A folder of class folders "0", "1", "2", with images 0 ... 8.
  void write_classes(const std::string& folder) const {
    for (std::uint32_t i = 0; i < 9; ++i) write_png(fmt::format("{}/{}/{}.png", folder, i % kClasses, i), i);
  }
  /// A network of `channels` channels on images of 2 x 2 that takes their first three elements.
  void write_channels(const std::string& name, std::uint32_t channels) const {
    nn::Graph graph;
    graph.name = "channels";
    const auto elements = std::int64_t{4} * channels;
    std::vector<float> weight(static_cast<std::size_t>(elements) * kClasses);
    for (std::size_t c = 0; c < kClasses; ++c) weight[c * kClasses + c] = 1;
    const nn::Shape shape{elements, kClasses};
    graph.values = {{"image", {channels, 2, 2}, std::nullopt},
                    {"flat", {elements}, std::nullopt},
                    {"logits", {kClasses}, std::nullopt},
                    {"w", shape, nn::Tensor{shape, weight}}};
    graph.input = 0;
    graph.output = 2;
    graph.nodes.push_back({nn::Op::reshape, "flatten", {0}, 1, {.shape = {elements}}});
    graph.nodes.push_back({nn::Op::gemm, "first", {1, 3}, 2, {}});
    write(name, nn::write_onnx(graph));
  }
};

TEST_F(OwnImages, GoEncryptedFromFoldersAndArraysAndComeBackWithTheNamesOfTheirFiles) {
  make_keys();
  write_png("pictures/b.png", 1);
  write_png("pictures/a.png", 2);
  write("some.npy", floats(3, 4));
  good({"encrypt", "net.offer", "--secret", "s", "pictures", "some.npy:1:3", "-o", "in.enc"});
  good({"run", "net.plan", "--eval", "e", "in.enc", "-o", "out.enc"});
  const std::vector<std::string> decrypt{"decrypt", "net.offer", "--secret", "s", "out.enc"};
  auto with_names = decrypt;
  with_names.insert(with_names.end(), {"--images", "pictures", "some.npy:1:3"});
  const std::string text = good(with_names).out;
  EXPECT_THAT(text, HasSubstr(" pictures/a.png\n1 1 "));
  EXPECT_THAT(text, HasSubstr(" some.npy:3\n"));
  with_names.emplace_back("--json");
  const auto json = good(with_names).json();
  EXPECT_THAT(json.at("labels"), ElementsAre(2, 1, 1, 2, 0));
  EXPECT_THAT(json.at("files"),
              ElementsAre("pictures/a.png", "pictures/b.png", "some.npy:1", "some.npy:2", "some.npy:3"));
  auto part = with_names;
  part.insert(part.end(), {"--first", "1", "--limit", "4"});
  refused(part, {"4 images named", "answers for 5"});
  auto fewer = decrypt;
  fewer.insert(fewer.end(), {"--images", "pictures"});
  refused(fewer, {"2 images named", "answers for 5"});
  write("labels.txt", std::string("2\n1\n1\n2\n1\n"));
  auto judged = decrypt;
  judged.insert(judged.end(), {"--labels", "labels.txt"});
  EXPECT_THAT(good(judged).out, HasSubstr("5 images, 4 correct"));
}

TEST_F(OwnImages, MayBeNamedByAnOptionToo) {
  make_keys();
  write_png("a.png", 1);
  good({"encrypt", "net.offer", "--secret", "s", "--images", "a.png", "a.png", "-o", "in.enc"});
  const auto json =
      good({"encrypt", "net.offer", "--secret", "s", "a.png", "a.png", "--first", "1", "-o", "in2.enc", "--json"});
  EXPECT_EQ(json.json().at("images"), 1);
}

TEST_F(OwnImages, InAFolderForEachClassAreEvaluatedWithTheirLabels) {
  write_classes("test");
  for (const char* backend : {"float", "poly", "clear", "ckks"}) {
    std::vector<std::string> evaluate{"evaluate",  "net.onnx", "--images", "test",
                                      "--backend", backend,    "--json",   "--predictions"};
    if (std::string(backend) != "float") evaluate.insert(evaluate.end(), {"--calibrate", "test"});
    const auto json = good(evaluate).json();
    EXPECT_EQ(json.at("images"), 9) << backend;
    EXPECT_EQ(json.at("correct"), 9);
    EXPECT_TRUE(json.at("dataset").is_null());
    EXPECT_THAT(json.at("images_from"), ElementsAre("test"));
    EXPECT_EQ(json.at("files")[0], "test/0/0.png");
    EXPECT_THAT(json.at("labels"), ElementsAre(0, 0, 0, 1, 1, 1, 2, 2, 2));
  }
  EXPECT_EQ(
      good({"evaluate", "net.onnx", "--images", "test", "--first", "4", "--limit", "3", "--json"}).json().at("correct"),
      3);
}

TEST_F(OwnImages, WithoutLabelsGiveAllButTheAccuracy) {
  write("some.npy", floats(0, 6));
  const auto outcome = good({"evaluate", "net.onnx", "--images", "some.npy", "--backend", "ckks"});
  EXPECT_THAT(outcome.out, HasSubstr("6 images of some.npy, backend ckks\n  agreement          100.00 %"));
  const auto json = good({"evaluate", "net.onnx", "--images", "some.npy", "--backend", "clear", "--json"}).json();
  EXPECT_TRUE(json.at("correct").is_null());
  EXPECT_TRUE(json.at("accuracy").is_null());
  EXPECT_TRUE(json.at("reference_correct").is_null());
  EXPECT_EQ(json.at("agreement"), 1);
  write("y.npy", data::npy("<i8", "(6,)", data::raw<std::int64_t>({0, 1, 2, 0, 1, 0})));
  const auto labelled =
      good({"evaluate", "net.onnx", "--images", "some.npy", "--labels", "y.npy", "--backend", "clear", "--json"});
  EXPECT_EQ(labelled.json().at("correct"), 5);
}

TEST_F(OwnImages, CalibrateAPlan) {
  write_classes("train");
  write("more.npy", floats(9, 6));
  good({"compile", "net.onnx", "--batch", "8", "--calibrate", "train", "--calibrate", "more.npy", "-o", "own.plan"});
  good({"compile", "--calibrate", "train", "net.onnx", "--batch", "8", "-o", "one.plan"});
  write_data_set();
  good({"compile", "net.onnx", "--batch", "8", "--calibrate", "mnist", "-o", "named.plan"});
  refused({"compile", "net.onnx", "--calibrate", "nowhere", "-o", "x.plan"}, {"nowhere"}, "x.plan");
  refused({"compile", "net.onnx", "--calibrate", "train", "--calibration-images", "10", "-o", "x.plan"},
          {"train", "10 images", "9"}, "x.plan");
}

TEST_F(OwnImages, OfSixteenBitsAreWhatThoseOfEightAre) {
  std::vector<double> doubles;
  for (const std::uint8_t pixel : image(4)) doubles.push_back(pixel / 255.0);
  write("floats.npy", data::npy("<f8", "(6, 6)", data::raw(doubles)));
  write_png("bytes.png", 4);
  const auto error_of = [&](const std::string& file) {
    return good({"evaluate", "net.onnx", "--images", file, "--backend", "clear", "--json"})
        .json()
        .at("max_logit_error");
  };
  EXPECT_EQ(error_of("floats.npy"), error_of("bytes.png"));
}

TEST_F(OwnImages, LabelsThatDoNotFitAreRefused) {
  write("some.npy", floats(0, 3));
  const auto refuse = [&](const std::string& labels, const std::vector<std::string>& words) {
    write("labels.txt", labels);
    refused({"evaluate", "net.onnx", "--images", "some.npy", "--labels", "labels.txt", "--backend", "float"}, words);
  };
  refuse("0\n1\n", {"labels.txt", "2 labels for 3 images"});
  refuse("1\n2\n3\n", {"some.npy:2", "label 3", "3 classes"});
  refuse("0\none\n2\n", {"labels.txt", "line 2"});
}

TEST_F(OwnImages, FoldersOfOtherClassesAreNotMixed) {
  write_classes("a");
  write_png("b/1/x.png", 1);
  refused({"evaluate", "net.onnx", "--images", "a", "b", "--backend", "float"}, {"b: ", "classes"});
}

TEST_F(OwnImages, ForTwoOrFourChannelsComeAsArrays) {
  write_png("two.png", 0, 2);
  for (const std::uint32_t channels : {2U, 4U}) {
    write_channels("channels.onnx", channels);
    refused({"evaluate", "channels.onnx", "--images", "two.png", "--backend", "float"},
            {"two.png", fmt::format("takes {}", channels), ".npy"});
    std::vector<float> values(4 * channels);
    values[1] = 1;
    write("x.npy", data::npy("<f4", fmt::format("(1, {}, 2, 2)", channels), data::raw(values)));
    const auto json =
        good({"evaluate", "channels.onnx", "--images", "x.npy", "--backend", "float", "--predictions", "--json"});
    EXPECT_THAT(json.json().at("labels"), ElementsAre(1));
  }
  good({"compile", "channels.onnx", "--batch", "8", "-o", "net.plan"});
  good({"offer", "net.plan", "-o", "net.offer"});
  good({"keygen", "net.offer", "--secret", "s", "--eval", "e"});
  refused({"encrypt", "net.offer", "--secret", "s", "two.png", "-o", "x.enc"}, {"two.png", ".npy"}, "x.enc");
  good({"encrypt", "net.offer", "--secret", "s", "x.npy", "-o", "in.enc"});
  good({"run", "net.plan", "--eval", "e", "in.enc", "-o", "out.enc"});
  refused({"decrypt", "net.offer", "--secret", "s", "out.enc", "--images", "x.npy", "--picture", "p.png"},
          {"--picture", "4 channels"}, "p.png");
}

TEST_F(OwnImages, WithNamesThatAreNotUtf8AreAnsweredInJsonThatIs) {
  const std::string name = "caf\xe9.png";
  write_png(name, 1);
  const auto json =
      good({"evaluate", "net.onnx", "--images", name, "--backend", "float", "--predictions", "--json"}).json();
  ASSERT_TRUE(json.is_object());
  EXPECT_THAT(json.at("files"), ElementsAre("caf\xef\xbf\xbd.png"));
  const auto compiled = good({"compile", "net.onnx", "--batch", "8", "-o", "caf\xe9.plan", "--json"}).json();
  EXPECT_EQ(compiled.at("plan"), "caf\xef\xbf\xbd.plan");
}

TEST_F(OwnImages, AreNamedOneWayOrTheOther) {
  write_png("a.png", 1);
  refused({"evaluate", "net.onnx", "--backend", "float"}, {"--dataset", "files"});
  refused({"evaluate", "net.onnx", "--images", "a.png", "--dataset", "mnist", "--backend", "float"}, {"not both"});
  EXPECT_EQ(run({"evaluate", "net.onnx", "--images", "a.png", "--split", "train"}).status, 2);
  EXPECT_EQ(run({"evaluate", "net.onnx", "--dataset", "mnist", "--labels", "x"}).status, 2);
  refused({"evaluate", "net.onnx", "--images", "a.png", "--backend", "float", "--first", "1"}, {"a.png", "image 1"});
}

TEST_F(OwnImages, OfWhichOneIsBadAreRefusedBeforeTheWorkBegins) {
  make_keys();
  write_png("f/a.png", 1);
  write("f/b.png", slurp(path("f/a.png")).substr(0, 60));
  refused({"encrypt", "net.offer", "--secret", "s", "f", "-o", "in.enc"}, {"f/b.png", "damaged"}, "in.enc");
}

}  // namespace
}  // namespace obscura::cli
