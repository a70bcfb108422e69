// SPDX-License-Identifier: Apache-2.0
/// From images to labels over a socket, with the two programs.
#include <fcntl.h>
#include <signal.h>

#include <thread>

#include "data/npy.h"
#include "program.h"

namespace obscura::cli {
namespace {

using ::testing::HasSubstr;

class Classify : public ProgramTest {
 protected:
  ~Classify() override {
    if (server_ > 0) stop(SIGKILL);
  }
  /// Starts the server on plans/, and waits until it says where it is.
  void serve() {
    server_ = fork();
    if (server_ == 0) {
      const int out = open(path("server.out").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      if (out >= 0 && dup2(out, STDOUT_FILENO) >= 0 && dup2(out, STDERR_FILENO) >= 0 && chdir(folder_.c_str()) == 0) {
        execl(OBSCURA_BINARY_DIR "/obscura-server", "obscura-server", "serve", "plans", "--port", "0", nullptr);
      }
      _exit(127);
    }
    for (int k = 0; k < 600 && url_.empty(); ++k) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      const std::string said = slurp(path("server.out"));
      const std::size_t at = said.find("http://"), end = said.find(" serves");
      if (at != std::string::npos && end != std::string::npos) url_ = said.substr(at, end - at);
    }
    ASSERT_FALSE(url_.empty()) << slurp(path("server.out"));
  }
  int stop(int signal) {
    kill(server_, signal);
    int status = 0;
    waitpid(server_, &status, 0);
    server_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  /// The small network, served; its test images say what it is to answer.
  void serve_network() {
    write_data_set();
    write_network();
    std::filesystem::create_directory(path("plans"));
    good({"compile", "net.onnx", "--batch", "8", "-o", "plans/net.plan"});
    serve();
  }
  std::vector<std::string> classify(std::vector<std::string> more) const {
    std::vector<std::string> all{"classify", "--server", url_, "--keys", "client", "net"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  pid_t server_ = -1;
  std::string url_;
};

TEST_F(Classify, GivesTheLabelsOfTheFilesWay) {
  serve_network();
  const std::string images = "data/mnist/t10k-images-idx3-ubyte:0:3";
  const auto first = good(classify({images, "--json"})).json();
  EXPECT_TRUE(first.at("made_key"));
  EXPECT_EQ(first.at("images"), 3);
  good({"offer", "plans/net.plan", "-o", "o"});
  good({"keygen", "o", "--secret", "s", "--eval", "e"});
  good({"encrypt", "o", "--secret", "s", images, "-o", "in"});
  good({"run", "plans/net.plan", "--eval", "e", "in", "-o", "out"});
  const auto files = good({"decrypt", "o", "--secret", "s", "out", "--json"}).json();
  EXPECT_EQ(first.at("labels"), files.at("labels"));
  EXPECT_FALSE(good(classify({images, "--json"})).json().at("made_key"));
  refused({"classify", "--server", url_, "--keys", "client", "nets", images},
          {"no model of this name; there are: net"});
  refused({"classify", "--server", "ftp://a", "--keys", "client", "net", images}, {"http://HOST:PORT"});
  refused(classify({"absent.png"}), {"absent.png"});
  EXPECT_EQ(stop(SIGTERM), 0);
  EXPECT_THAT(slurp(path("server.out")), HasSubstr("ends after the answers that are under way"));
  refused(classify({images}), {"cannot be reached"});
}

TEST_F(Classify, ResizesAndConvertsPicturesOnRequestOnlyAndSaysSo) {
  serve_network();
  // Of twice the side: each pixel four times, so that the picture says the same.
  constexpr std::uint32_t kBig = 2 * kSide;
  std::vector<std::uint8_t> big(std::size_t{kBig} * kBig);
  for (std::uint32_t p = 0; p < big.size(); ++p) big[p] = image(1)[p / kBig / 2 * kSide + p % kBig / 2];
  std::vector<std::uint8_t> colour;
  for (int c = 0; c < 3; ++c) colour.insert(colour.end(), big.begin(), big.end());
  write("big.png", data::encode_png(big, 1, kBig, kBig));
  write("colour.png", data::encode_png(colour, 3, kBig, kBig));
  write_png("right.png", 2);
  refused(classify({"big.png"}), {"big.png", "12x12", "6x6", "--resize"});
  refused(classify({"right.png", "colour.png", "--resize"}), {"colour.png", "in colour", "grey", "--convert-colour"});
  const auto all = classify({"right.png", "big.png", "colour.png", "--resize", "--convert-colour"});
  const Outcome told = good(all);
  EXPECT_THAT(told.out, HasSubstr("big.png: resized from 12x12 to 6x6\n"));
  EXPECT_THAT(told.out, HasSubstr("colour.png: resized from 12x12 to 6x6, converted from colour to grey\n"));
  EXPECT_THAT(told.out, ::testing::Not(HasSubstr("right.png:")));
  auto with_json = all;
  with_json.emplace_back("--json");
  const auto json = good(with_json).json();
  EXPECT_EQ(json.at("labels"), (std::vector<int>{2, 1, 1}));
  EXPECT_EQ(json.at("changes").size(), 2U);
  EXPECT_EQ(json.at("changes")[0].at("images"), std::vector<int>{1});
  // Of many pictures one line.
  for (const char* name : {"folder/a.png", "folder/b.png", "folder/c.png"}) write_png(name, 0, kBig);
  EXPECT_THAT(good(classify({"folder", "--resize"})).out, HasSubstr("folder/a.png and 2 other pictures: resized from"));
  // Arrays are not pictures.
  write("wide.npy", data::write_npy(std::vector<float>(144, 0.5F), 12, 12));
  refused(classify({"wide.npy", "--resize"}), {"wide.npy", "12x12"});
}

TEST_F(Classify, SavesByTheEndOfTheName) {
  serve_network();
  write_png("a, b.png", 0);
  write_png("c.png", 1);
  const auto saved = [&](const std::string& file) { return classify({"a, b.png", "c.png", "--save", file, "--json"}); };
  const auto json = good(saved("out.csv")).json();
  const std::string csv = slurp(path("out.csv"));
  EXPECT_THAT(csv,
              ::testing::StartsWith("image,file,label,name,probability_0,probability_1,probability_2,logit_0,logit_1,"
                                    "logit_2\n0,\"a, b.png\",0,0,"));
  EXPECT_THAT(csv, HasSubstr("\n1,c.png,1,1,"));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 3);
  const double first = std::stod(csv.substr(csv.find(",0,0,") + 5));
  EXPECT_NEAR(first, json.at("probabilities")[0][0], 1e-5);
  EXPECT_EQ(std::filesystem::status(path("out.csv")).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  const auto again = good(saved("out.json")).json();
  EXPECT_EQ(nlohmann::json::parse(slurp(path("out.json"))), again);
  const auto logits = good(saved("out.npy")).json().at("logits").get<std::vector<std::vector<float>>>();
  const auto array = data::open_npy(path("out.npy"));
  ASSERT_TRUE(array.ok()) << array.error().message;
  EXPECT_EQ(array->shape, (std::vector<std::uint64_t>{2, 3}));
  std::vector<float> numbers(6);
  ASSERT_TRUE(array->storage.read(0, std::as_writable_bytes(std::span(numbers))).ok());
  EXPECT_EQ(std::vector<float>(numbers.begin() + 3, numbers.end()), logits[1]);
  refused(saved("out.txt"), {"--save out.txt", ".csv, .json or .npy"}, "out.txt");
  refused(saved("out.csv"), {"out.csv", "exists"});
  refused(saved("absent/out.csv"), {"--save absent/out.csv", "absent is not a folder"});
}

TEST_F(Classify, SealsItsKeyByAPassphrase) {
  serve_network();
  write_png("c.png", 1);
  write("words", "correct horse\n");
  write("others", "wrong\n");
  for (const char* file : {"words", "others"}) {
    std::filesystem::permissions(path(file), std::filesystem::perms::owner_read);
  }
  EXPECT_TRUE(good(classify({"c.png", "--passphrase-file", "words", "--json"})).json().at("made_key"));
  EXPECT_FALSE(good(classify({"c.png", "--passphrase-file", "words", "--json"})).json().at("made_key"));
  refused(classify({"c.png", "--passphrase-file", "others"}), {"passphrase"});
}

}  // namespace
}  // namespace obscura::cli
