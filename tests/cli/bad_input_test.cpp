// SPDX-License-Identifier: Apache-2.0
/// What a user can get wrong: one clear sentence, exit status 1, and no file left behind.
#include <csignal>

#include "program.h"

namespace obscura::cli {
namespace {

class BadInput : public ProgramTest {
 protected:
  void SetUp() override {
    write_data_set();
    write_network();
  }
  void make_keys() const {
    good({"compile", "net.onnx", "--batch", "8", "-o", "net.plan"});
    good({"offer", "net.plan", "-o", "net.offer"});
    good({"keygen", "net.offer", "--secret", "s", "--eval", "e"});
  }
  void make_answer() const {
    make_keys();
    good({"encrypt", "net.offer", "--secret", "s", kImageFile, "-o", "in.enc"});
    good({"run", "net.plan", "--eval", "e", "in.enc", "-o", "out.enc"});
  }
  static constexpr const char* kImageFile = "data/mnist/t10k-images-idx3-ubyte:0:2";
};

TEST_F(BadInput, NamesAnAbsentFile) {
  refused({"compile", "none.onnx", "-o", "x.plan"}, {"none.onnx"}, "x.plan");
  refused({"inspect", "none"}, {"none"});
  refused({"offer", "none.plan", "-o", "x.offer"}, {"none.plan"}, "x.offer");
  refused({"evaluate", "none.onnx", "--dataset", "mnist", "--limit", "2"}, {"none.onnx"});
}

TEST_F(BadInput, TellsADatasetThatIsNotThere) {
  refused({"evaluate", "net.onnx", "--dataset", "fashion-mnist"}, {"fashion-mnist", "obscura data fetch"});
  refused({"evaluate", "net.onnx", "--dataset", "imagenet"}, {"imagenet", "mnist"});
  refused({"evaluate", "net.onnx", "--dataset", "mnist", "--data", "elsewhere"}, {"elsewhere"});
  refused({"compile", "net.onnx", "--calibrate", "fashion-mnist", "-o", "x.plan"}, {"fashion-mnist"}, "x.plan");
}

TEST_F(BadInput, RefusesEmptyAndTooLargeSelections) {
  refused({"evaluate", "net.onnx", "--dataset", "mnist", "--limit", "0"}, {"--limit 0", "at least one"});
  refused({"evaluate", "net.onnx", "--dataset", "mnist", "--limit", "41"}, {"41", "40"});
  refused({"evaluate", "net.onnx", "--dataset", "mnist", "--first", "40"}, {"40"});
  refused({"compile", "net.onnx", "--batch", "0", "-o", "x.plan"}, {"batch"}, "x.plan");
  refused({"compile", "net.onnx", "--calibrate", "mnist", "--calibration-images", "0", "-o", "x.plan"},
          {"--calibration-images 0"}, "x.plan");
}

TEST_F(BadInput, OverwritesNothing) {
  make_answer();
  const std::string before = slurp(path("net.plan"));
  refused({"compile", "net.onnx", "--batch", "8", "-o", "net.plan"}, {"net.plan", "exists"});
  refused({"offer", "net.plan", "-o", "net.offer"}, {"net.offer", "exists"});
  refused({"keygen", "net.offer", "--secret", "s", "--eval", "e2"}, {"s", "exists"}, "e2");
  refused({"keygen", "net.offer", "--secret", "s2", "--eval", "e"}, {"e", "exists"}, "s2");
  refused({"encrypt", "net.offer", "--secret", "s", kImageFile, "-o", "in.enc"}, {"in.enc", "exists"});
  refused({"run", "net.plan", "--eval", "e", "in.enc", "-o", "out.enc"}, {"out.enc", "exists"});
  refused({"decrypt", "net.offer", "--secret", "s", "out.enc", "--images", kImageFile, "--picture", "e"},
          {"e", "exists"});
  EXPECT_EQ(slurp(path("net.plan")), before);
}

TEST_F(BadInput, TellsFilesOfAnotherKind) {
  make_answer();
  refused({"offer", "net.onnx", "-o", "x"}, {"net.onnx"}, "x");
  refused({"keygen", "net.plan", "--secret", "s2", "--eval", "e2"}, {"net.plan", "plan", "offer"}, "s2");
  refused({"encrypt", "net.offer", "--secret", "e", kImageFile, "-o", "x"}, {"evaluation", "secret"}, "x");
  refused({"run", "net.plan", "--eval", "s", "in.enc", "-o", "x"}, {"secret", "evaluation"}, "x");
  refused({"run", "net.plan", "--eval", "e", "out.enc", "-o", "x"}, {"out.enc"}, "x");
  refused({"decrypt", "net.offer", "--secret", "s", "in.enc"}, {"in.enc"});
  refused({"compile", "data/mnist/t10k-images-idx3-ubyte", "-o", "x"}, {"t10k-images"}, "x");
  refused({"encrypt", "net.offer", "--secret", "s", "net.onnx", "-o", "x"}, {"net.onnx"}, "x");
}

TEST_F(BadInput, TellsDamage) {
  make_answer();
  for (const char* file : {"net.plan", "net.offer", "s", "e", "in.enc", "out.enc"}) {
    std::string bytes = slurp(path(file));
    write("cut", bytes.substr(0, bytes.size() - 1));
    write("long", bytes + "x");
    bytes[bytes.size() / 2] ^= 0x10;
    write("flipped", bytes);
    for (const char* damaged : {"cut", "long", "flipped"}) {
      SCOPED_TRACE(std::string(file) + " " + damaged);
      const auto or_damaged = [&](const char* name) { return std::string(name) == file ? damaged : name; };
      const std::string plan = or_damaged("net.plan");
      const std::string offer = or_damaged("net.offer");
      if (plan == damaged || std::string(file) == "e" || std::string(file) == "in.enc") {
        refused({"run", plan, "--eval", or_damaged("e"), or_damaged("in.enc"), "-o", "x"}, {damaged}, "x");
      } else {
        refused({"decrypt", offer, "--secret", or_damaged("s"), or_damaged("out.enc")}, {damaged});
      }
    }
  }
}

TEST_F(BadInput, TellsKeysAndImagesThatBelongToOthers) {
  make_answer();
  good({"keygen", "net.offer", "--secret", "s2", "--eval", "e2"});
  refused({"run", "net.plan", "--eval", "e2", "in.enc", "-o", "x"}, {"key"}, "x");
  refused({"decrypt", "net.offer", "--secret", "s2", "out.enc"}, {"key"});
  good({"compile", "net.onnx", "--batch", "8", "--mean", "0.5", "--std", "0.5", "-o", "other.plan"});
  good({"offer", "other.plan", "-o", "other.offer"});
  refused({"run", "other.plan", "--eval", "e", "in.enc", "-o", "x"}, {"plan"}, "x");
  // Its parameters are the same, so that the keys serve for it; the images do not.
  good({"encrypt", "other.offer", "--secret", "s", kImageFile, "-o", "other.enc"});
  good({"run", "other.plan", "--eval", "e", "other.enc", "-o", "x"});
}

TEST_F(BadInput, TellsImagesOfTheWrongSizeAndRange) {
  make_keys();
  write_png("large.png", 0, kSide + 1);
  write_png("right.png", 0);
  const std::string png = slurp(path("right.png"));
  write("cut.png", png.substr(0, png.size() / 2));
  write("tiny.png", "PN");
  const auto encrypt = [&](const std::string& images, const std::vector<std::string>& words) {
    refused({"encrypt", "net.offer", "--secret", "s", images, "-o", "x"}, words, "x");
  };
  encrypt("large.png", {"large.png", "7", "6"});
  encrypt("cut.png", {"cut.png"});
  encrypt("tiny.png", {"tiny.png"});
  encrypt("none.png", {"none.png"});
  encrypt("data/mnist/t10k-images-idx3-ubyte:0:0", {"at least one"});
  encrypt("data/mnist/t10k-images-idx3-ubyte:39:2", {"40"});
  encrypt("data/mnist/t10k-labels-idx1-ubyte", {"t10k-labels"});
  refused({"encrypt", "net.offer", "--secret", "s", "right.png", "right.png", "--range", "0:1", "-o", "x"}, {"--range"},
          "x");
}

TEST_F(BadInput, TellsWhatDoesNotFitThePlan) {
  good({"compile", "net.onnx", "--batch", "8", "-o", "net.plan"});
  refused({"evaluate", "net.plan", "--dataset", "mnist", "--backend", "float"}, {"plan", "ONNX"});
  refused({"evaluate", "net.plan", "--dataset", "mnist", "--mean", "0.5"}, {"--mean"});
  refused({"compile", "net.onnx", "--mean", "0.1", "0.2", "-o", "x"}, {"--mean", "2", "1"}, "x");
}

TEST_F(BadInput, RefusesOptionsThatTheBackendWouldNotLookAt) {
  const auto evaluate = [&](const std::string& backend, const std::string& option, const std::string& value,
                            const std::string& wanted) {
    refused({"evaluate", "net.onnx", "--dataset", "mnist", "--backend", backend, option, value},
            {option + ": ", "--backend " + backend, wanted});
  };
  for (const char* option : {"--alpha", "--depth", "--products", "--margin", "--noise", "--ranges"}) {
    for (const char* backend : {"float", "clear", "ckks"}) evaluate(backend, option, "9", "it is for poly");
  }
  evaluate("ckks", "--noise-seed", "1", "poly, clear");
  for (const char* backend : {"float", "poly"}) {
    evaluate(backend, "--memory", "8GB", "clear, ckks");
    evaluate(backend, "--batch", "8", "clear, ckks");
    evaluate(backend, "--max-error", "0.1", "clear, ckks");
  }
  evaluate("float", "--calibration-images", "8", "poly, clear, ckks");
}

TEST_F(BadInput, NamesTheFileOfANetworkThatIsNotCompiled) {
  refused({"compile", "net.onnx", "--batch", "0", "-o", "x"}, {"net.onnx: a batch of 0"}, "x");
  refused({"compile", "net.onnx", "--max-error", "1e-300", "-o", "x"}, {"net.onnx: "}, "x");
  refused({"evaluate", "net.onnx", "--dataset", "mnist", "--max-error", "1e-300"}, {"net.onnx: "});
}

TEST_F(BadInput, TellsDamagedDataSets) {
  make_keys();
  const std::string images = "data/mnist/t10k-images-idx3-ubyte";
  const std::string labels = "data/mnist/t10k-labels-idx1-ubyte";
  const auto both = [&](const std::vector<std::string>& words) {
    refused({"encrypt", "net.offer", "--secret", "s", "--dataset", "mnist", "--limit", "2", "-o", "x"}, words, "x");
    refused({"evaluate", "net.plan", "--dataset", "mnist", "--limit", "2"}, words);
  };
  const std::string whole_images = slurp(path(images)), whole_labels = slurp(path(labels));
  write(images, whole_images.substr(0, whole_images.size() - 1));
  both({images, "40x6x6", "the file has 1439"});
  write(images, whole_images.substr(0, 10));
  both({images, "truncated"});
  write(images, whole_images);
  write(labels, whole_labels.substr(0, whole_labels.size() - 1));
  both({labels, "the file has 39"});
  std::string fewer = whole_labels.substr(0, whole_labels.size() - 1);
  fewer[7] = static_cast<char>(kImages - 1);
  write(labels, fewer);
  both({labels, "39 labels for 40 images"});
}

TEST_F(BadInput, LeavesNothingWhereTheDiskIsFull) {
  make_keys();
  // The program may write files of 8 kB at most: what a full disk does to it.
  const std::string command = fmt::format(
      "cd {} && ulimit -f 8 && {}/obscura encrypt net.offer --secret s {} -o full.enc 2> err; echo $? > status",
      folder_.string(), OBSCURA_BINARY_DIR, kImageFile);
  ASSERT_NE(std::system(("trap '' XFSZ; " + command).c_str()), -1);
  EXPECT_EQ(slurp(path("status")), "1\n");
  EXPECT_THAT(slurp(path("err")), ::testing::StartsWith("obscura: "));
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    EXPECT_THAT(entry.path().filename().string(), ::testing::Not(::testing::StartsWith("full.enc")));
  }
}

}  // namespace
}  // namespace obscura::cli
