// SPDX-License-Identifier: Apache-2.0
/// What several verbs need: paths, normalisation, figures.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"
#include "compile/compile.h"
#include "data/dataset.h"
#include "nn/graph.h"
#include "nn/onnx.h"
#include "plan/plan.h"

namespace obscura::cli {

/// --data, else $OBSCURA_DATA, else ./data.
std::filesystem::path data_folder(const std::string& option);

/// --output, --input and --shape: what an ONNX file leaves open.
void add_read_options(CLI::App& command, nn::ReadOptions& options);

/// Error where something stands at `path` already: asked before long work; the writer asks again.
Result<void> refuse_existing(const std::filesystem::path& path);

/// Whether a file begins as Obscura's own do (wire/frames.h). errors: absent, unreadable.
Result<bool> is_frame(const std::filesystem::path& path);

/// Largest resident memory of this process so far.
std::uint64_t peak_memory_bytes();

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// (value - mean) / deviation of values in units of pixel / 255, one number a channel in the order that the network
/// takes; empty: mean 0, deviation 1.
struct Normalization {
  std::vector<double> mean;
  std::vector<double> deviation;
  bool bgr = false;  ///< the network takes blue, green, red
};
void add_normalization(CLI::App& command, Normalization& normalization);
/// --bgr, of what runs networks in floating point.
void add_bgr(CLI::App& command, Normalization& normalization);

/// --headroom, of what is compiled.
void add_headroom(CLI::App& command, std::optional<int>& headroom);

/// "8GB", "3.6 GB", "512MiB", "4096": bytes. errors (wrong_params): anything else
Result<std::uint64_t> parse_size(const std::string& text);
/// The option takes such a size.
void as_size(CLI::Option& option);
/// What a plan's server may take where nobody says: three quarters of this machine's memory.
std::uint64_t server_memory_bytes();
/// --memory, of what is run.
void add_memory(CLI::App& command, std::uint64_t& bytes);

/// errors: other than one mean (deviation) a channel, not finite, or a deviation of 0; bgr of other than 3 channels.
Result<void> check_normalization(const Normalization& normalization, std::size_t channels);

/// Plans have no order of channels. errors: bgr.
Result<void> refuse_bgr(const Normalization& normalization);

/// All the images (planes of red, green, blue) as normalised floats, image after image.
std::vector<float> normalise(const data::Dataset& images, const Normalization& normalization);

/// Where the training images of a network come from.
struct TrainingData {
  std::vector<std::string> names;  ///< a data set, or files and folders; see Images::of_training
  std::filesystem::path folder;    ///< of data sets
  Normalization normalization;
};

/// `count` training images (unless said: `usual` of them, or all where there are fewer), normalised: the first of a
/// data set; of files and folders, which may be sorted by class, every so-manieth. errors: those of
/// Images::of_training; fewer images; a normalisation that does not fit the network; count 0.
Result<std::vector<float>> calibration_images(const nn::Graph& graph, const TrainingData& training,
                                              std::optional<std::size_t> count, std::size_t usual);
inline constexpr std::size_t kCalibrationImages = 256;

/// compile::require_ready, whose refusals name the file too.
Result<void> require_ready(const std::string& path, const nn::Graph& graph, compile::LayoutChoice layout,
                           bool approximated);
/// compile::compile, likewise.
Result<plan::Plan> compile_network(const std::string& path, const nn::Graph& graph, const compile::Options& options);

/// The one way from JSON to text: names of files need not be UTF-8, but JSON is, so what is not becomes U+FFFD.
std::string json_text(const nlohmann::ordered_json& json, int indent = -1);

/// "8192 images", "1 batch", "2 batches": what a person reads.
std::string plural(std::size_t count, const std::string& noun);
/// "713 kB"
std::string bytes_text(std::uint64_t bytes);
/// "needs about 1.2 GB of memory of the 8 GB allowed", or of no limit where `allowed` is 0.
std::string memory_text(std::uint64_t needed, std::uint64_t allowed);
/// Size of a file; 0 where it is absent.
std::uint64_t file_bytes(const std::filesystem::path& path);

}  // namespace obscura::cli
