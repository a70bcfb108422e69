// SPDX-License-Identifier: Apache-2.0
/// Options that several verbs have.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "api/images.h"
#include "api/settings.h"
#include "nn/onnx.h"

namespace obscura::cli {

/// --output, --input and --shape: what an ONNX file leaves open.
void add_read_options(CLI::App& command, nn::ReadOptions& options);

/// --mean and --std.
void add_normalization(CLI::App& command, api::Normalization& normalization);
/// --bgr, of what runs networks in floating point.
void add_bgr(CLI::App& command, api::Normalization& normalization);

/// "8GB", "3.6 GB", "512MiB", "4096": bytes. errors (wrong_params): anything else
Result<std::uint64_t> parse_size(const std::string& text);
/// The option takes such a size.
void as_size(CLI::Option& option);
/// --memory, of what is run.
void add_memory(CLI::App& command, std::uint64_t& bytes);

/// --answer.
void add_answer(CLI::App& command, api::Settings& settings);
/// --max-error, --headroom, --answer and --class-names.
void add_settings(CLI::App& command, api::Settings& settings);

/// --dataset, --images, --labels, --split, --limit, --first, --data. The names of a positional argument for the files
/// may stand before --images: "IMAGES,--images".
void add_selection(CLI::App& command, api::Selection& selection, const std::string& images = "--images");
/// What names images for calibration, one a time: a data set, whose training images are taken, or files and folders.
CLI::Option* add_calibrate(CLI::App& command, std::vector<std::string>& names, const std::string& help);
/// Those of --calibrate, else the training images of the data set that is selected, if one is.
api::TrainingData training_of(const std::vector<std::string>& calibrate, const api::Selection& selection);

}  // namespace obscura::cli
