// SPDX-License-Identifier: Apache-2.0
/// What is said about a trained network: a card for people, and JSON.
#pragma once

#include <nlohmann/json.hpp>

#include "train/train.h"

namespace obscura::train {

nlohmann::json to_json(const Recipe& recipe, const Outcome& outcome);

/// Markdown. `command` is the command line that trains the same network again, `model` the name of its file.
std::string to_card(const Recipe& recipe, const Outcome& outcome, const std::string& model, const std::string& command);

}  // namespace obscura::train
