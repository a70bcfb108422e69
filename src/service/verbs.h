// SPDX-License-Identifier: Apache-2.0
/// The verbs of obscura-server that prepare and look after a service.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "base/check.h"
#include "service/shared.h"

namespace obscura::service {

using Verb = std::function<Result<void>()>;

/// What the words and the environment say of the database, where that is not what server.toml says.
struct DatabaseWords {
  std::string url;
  std::string password;  ///< of the environment
};
/// server.toml's database, or that of the words. errors: those of read_configuration()
Result<DatabaseOptions> database_of(const std::filesystem::path& folder, const DatabaseWords& words);
/// The option --database of a verb.
void add_database(CLI::App& verb, DatabaseWords& words);

/// init, token, audit and migrate, with what each does when it was asked for. `database` outlives them.
std::vector<std::pair<CLI::App*, Verb>> add_verbs(CLI::App& app, DatabaseWords& database);

}  // namespace obscura::service
