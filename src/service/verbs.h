// SPDX-License-Identifier: Apache-2.0
/// The verbs of obscura-server that prepare and look after a service.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "base/check.h"

namespace obscura::service {

using Verb = std::function<Result<void>()>;

/// init, token and audit, with what each does when it was asked for.
std::vector<std::pair<CLI::App*, Verb>> add_verbs(CLI::App& app);

}  // namespace obscura::service
