// SPDX-License-Identifier: Apache-2.0
/// Runs build/<preset>/obscura, and makes what it needs: a folder, a small network, a small data set.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/files.h"
#include "data/png.h"
#include "nn/onnx.h"

namespace obscura::cli {

struct Outcome {
  int status = -1;  ///< exit status; -1 where a signal ended it
  std::string out;
  std::string err;

  /// The last line of standard output.
  nlohmann::json json() const {
    std::string text = out;
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return nlohmann::json::parse(text.substr(text.rfind('\n') + 1), nullptr, false);
  }
};

/// A folder that lives as long as its test; the program runs in it.
class ProgramTest : public ::testing::Test {
 protected:
  ProgramTest() {
    std::string name = (std::filesystem::temp_directory_path() / "obscura-cli-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~ProgramTest() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  Outcome run(std::vector<std::string> arguments, const std::string& program = OBSCURA_BINARY_DIR "/obscura") const {
    arguments.insert(arguments.begin(), program);
    std::fflush(nullptr);  // or the child would print our buffers too
    const pid_t child = fork();
    if (child == 0) {
      std::vector<char*> pointers;
      for (std::string& argument : arguments) pointers.push_back(argument.data());
      pointers.push_back(nullptr);
      const bool ready = chdir(folder_.c_str()) == 0 && std::freopen(path(".out").c_str(), "w", stdout) != nullptr &&
                         std::freopen(path(".err").c_str(), "w", stderr) != nullptr;
      if (ready) {
        unsetenv("OBSCURA_DATA");
        execv(pointers.front(), pointers.data());
      }
      _exit(127);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, slurp(path(".out")), slurp(path(".err"))};
  }

  /// Runs what must succeed.
  Outcome good(const std::vector<std::string>& arguments) const {
    Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome;
  }

  /// Runs what must be refused with one sentence that has all `words`, and must not make the file `absent`.
  void refused(const std::vector<std::string>& arguments, const std::vector<std::string>& words,
               const std::string& absent = "") const {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.status, 1) << outcome.out << outcome.err;
    EXPECT_THAT(outcome.err, ::testing::StartsWith("obscura: "));
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_THAT(outcome.err, ::testing::Not(::testing::HasSubstr("bug"))) << outcome.err;
    for (const std::string& word : words) EXPECT_THAT(outcome.err, ::testing::HasSubstr(word));
    if (!absent.empty()) {
      EXPECT_FALSE(std::filesystem::exists(folder_ / absent)) << absent;
    }
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      EXPECT_THAT(entry.path().string(), ::testing::Not(::testing::HasSubstr(".partial-")));
    }
  }

  static std::string slurp(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

  void write(const std::string& name, base::ByteView bytes) const {
    std::filesystem::create_directories((folder_ / name).parent_path());
    ASSERT_TRUE(base::write_file(folder_ / name, bytes, {.overwrite = true, .secret = false}).ok());
  }
  void write(const std::string& name, const std::string& text) const { write(name, base::as_bytes(text)); }

  static constexpr std::uint32_t kSide = 6;
  static constexpr std::uint32_t kArea = kSide * kSide;
  static constexpr std::uint32_t kClasses = 3;
  static constexpr std::uint32_t kImages = 40;

  /// Image i of the small data set: a bright bar in its upper, middle or lower third by its label i % 3, on a texture.
  static std::vector<std::uint8_t> image(std::uint32_t i) {
    std::vector<std::uint8_t> pixels(kArea);
    for (std::uint32_t p = 0; p < kArea; ++p) {
      const bool bar = p / kSide / 2 == i % kClasses;
      pixels[p] = static_cast<std::uint8_t>((bar ? 180 : 0) + (p * 7 + i * 13) % 60);
    }
    return pixels;
  }

  static void big_endian(base::Bytes& out, std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::byte>(value >> shift & 0xFF));
  }

  /// data/mnist: both splits hold the same kImages small images.
  void write_data_set() const {
    base::Bytes images;
    base::Bytes labels;
    for (const std::uint32_t word : {0x803U, kImages, kSide, kSide}) big_endian(images, word);
    for (const std::uint32_t word : {0x801U, kImages}) big_endian(labels, word);
    for (std::uint32_t i = 0; i < kImages; ++i) {
      for (const std::uint8_t pixel : image(i)) images.push_back(std::byte{pixel});
      labels.push_back(static_cast<std::byte>(i % kClasses));
    }
    for (const char* split : {"train", "t10k"}) {
      write(std::string("data/mnist/") + split + "-images-idx3-ubyte", images);
      write(std::string("data/mnist/") + split + "-labels-idx1-ubyte", labels);
    }
  }

  void write_png(const std::string& name, std::uint32_t i, std::uint32_t side = kSide) const {
    std::vector<std::uint8_t> pixels = image(i);
    pixels.resize(std::size_t{side} * side);
    write(name, data::encode_png(pixels, 1, side, side));
  }

  /// net.onnx: flatten, dense to the sums of the thirds, square, dense by `spread`, a number for each third and output.
  /// As it is usually, right on all images of the data set.
  void write_network(const std::string& name = "net.onnx",
                     const std::vector<float>& spread = {4, -1, -1, -1, 4, -1, -1, -1, 4}) const {
    const auto outputs = static_cast<std::int64_t>(spread.size() / kClasses);
    nn::Graph graph;
    graph.name = "thirds";
    const auto value = [&](const std::string& what, nn::Shape shape) {
      graph.values.push_back({what, std::move(shape), std::nullopt});
      return static_cast<nn::ValueId>(graph.values.size() - 1);
    };
    const auto constant = [&](const std::string& what, const nn::Shape& shape, std::vector<float> data) {
      graph.values.push_back({what, shape, nn::Tensor{shape, std::move(data)}});
      return static_cast<nn::ValueId>(graph.values.size() - 1);
    };
    std::vector<float> sums(std::size_t{kArea} * kClasses, 0.0F);
    for (std::uint32_t p = 0; p < kArea; ++p) sums[p * kClasses + p / kSide / 2] = 1.0F / 12;
    graph.input = value("image", {1, kSide, kSide});
    const auto flat = value("flat", {kArea});
    const auto thirds = value("thirds", {kClasses});
    const auto squared = value("squared", {kClasses});
    graph.output = value("logits", {outputs});
    const auto w0 = constant("w0", {kArea, kClasses}, sums);
    const auto w1 = constant("w1", {kClasses, outputs}, spread);
    graph.nodes.push_back({nn::Op::reshape, "flatten", {graph.input}, flat, {.shape = {kArea}}});
    graph.nodes.push_back({nn::Op::gemm, "sums", {flat, w0}, thirds, {}});
    graph.nodes.push_back({nn::Op::mul, "square", {thirds, thirds}, squared, {}});
    graph.nodes.push_back({nn::Op::gemm, "spread", {squared, w1}, graph.output, {}});
    write(name, nn::write_onnx(graph));
  }

  std::filesystem::path folder_;
};

}  // namespace obscura::cli
