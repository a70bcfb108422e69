// SPDX-License-Identifier: Apache-2.0
/// What a network is fed, compiled and answered with: what the caller says, and else the network's file.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "api/words.h"
#include "base/check.h"
#include "compile/compile.h"
#include "data/dataset.h"
#include "nn/graph.h"

namespace obscura::api {

/// (value - mean) / std of values in units of pixel / 255, one number per channel in the order that the network
/// takes; empty: mean 0, standard deviation 1.
struct Normalization {
  std::vector<double> mean;
  std::vector<double> std;
  bool bgr = false;                                       ///< the network takes blue, green, red
  std::optional<base::Standardisation> standardise = {};  ///< nothing: as the network's file says, else not
};

/// errors: other than one mean (standard deviation) per channel, not finite, or a standard deviation of 0; bgr of other
/// than 3 channels.
Result<void> check_normalization(const Normalization& normalization, std::size_t channels,
                                 Caller caller = Caller::command_line);

/// Plans have no order of channels. errors: bgr.
Result<void> refuse_bgr(const Normalization& normalization);

/// Images (planes of red, green, blue) in units of pixel / 255 as normalised floats, image after image.
std::vector<float> normalise(std::span<const float> images, const data::ImageShape& shape,
                             const Normalization& normalization);

struct Settings {
  Normalization normalization;
  std::vector<std::string> class_names;  ///< of the client's labels
  std::optional<int> headroom;           ///< compile::Options::headroom_bits
  std::optional<double> max_error;       ///< compile::Options::max_error_std
  std::optional<plan::AnswerKind> answer;
  /// Which of them were found in the file: "mean", "std", "standardise", "class_names", "headroom", "max_error".
  std::vector<std::string> from_file;
  Caller caller = Caller::command_line;
};

/// The normalisation that the caller leaves open, from what the file says of itself (nn::Metadata). Then it is as
/// check_normalization() wants it. `network`: what messages call it.
/// errors: wrong_params: other than one mean or standard deviation per channel of the network, or such that are not
/// allowed, naming the file's key or the option.
Result<void> take_normalization(Settings& settings, const nn::Graph& graph, const std::string& network);

/// The same of all settings. errors also: class names in the file that are other than one an output.
Result<void> take_metadata(Settings& settings, const nn::Graph& graph, const std::string& network);

/// They, for the compiler.
void apply(const Settings& settings, compile::Options& options);

}  // namespace obscura::api
