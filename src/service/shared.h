// SPDX-License-Identifier: Apache-2.0
/// Which database keeps what a folder's files do not: its own, which one process holds, or one that replicas share.
#pragma once

#include "base/files.h"
#include "service/place.h"
#include "service/store.h"

namespace obscura::service {

struct DatabaseOptions {
  PostgresqlAddress postgresql = {};  ///< without a URL: the file service.db of the folder
  bool shared() const { return !postgresql.url.empty(); }
};

/// Holds the folder for this process alone, which serves it. errors: io; busy: another process does
Result<base::OutputFile> lock_alone(const std::filesystem::path& folder, const Place& place);

/// A shared database and its folder know each other by name: jobs and keys are halves in both.
/// errors  those of Store::open and Store::connect; wrong_params: the folder is another database's, or the database
///         another folder's
Result<Store> open_store(const Place& place, const DatabaseOptions& database);

/// What the folder's own database has, of which no process is, becomes the shared one's, which is empty; the file is
/// service.db.migrated then. Returns how many rows were taken.
/// errors  io; busy: a process serves the folder; wrong_params: nothing to take, or the shared one is not empty
Result<std::int64_t> migrate(const std::filesystem::path& folder, const DatabaseOptions& database);

}  // namespace obscura::service
