// SPDX-License-Identifier: Apache-2.0
/// Words of messages.
#pragma once

#include <cstddef>
#include <string>

namespace obscura::api {

/// "8192 images", "1 batch", "2 batches": what a person reads.
std::string plural(std::size_t count, const std::string& noun);

/// Who gave the options that a message names.
enum class Caller { program, command_line };
/// "CompileOptions::class_names" or "--class-names"; `name` as the latter.
std::string option_name(Caller caller, std::string name);

}  // namespace obscura::api
