// SPDX-License-Identifier: Apache-2.0
/// What figures were measured on.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "kernels/kernels.h"

namespace obscura::cli {

/// "processor", "cores", "memory_bytes", "system", "kernels" (their name), "threads", "compiler",
/// "version", "date" (UTC). Names are null where the system does not tell.
nlohmann::ordered_json describe_machine(const kernels::Kernels& kernels);

/// The same in two lines.
std::string machine_text(const nlohmann::ordered_json& machine);

/// From now on peak_memory_bytes() counts from what is held now. Without effect where the system does not allow it.
void forget_peak_memory();

}  // namespace obscura::cli
