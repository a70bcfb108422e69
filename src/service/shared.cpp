// SPDX-License-Identifier: Apache-2.0
#include "service/shared.h"

#include <chrono>
#include <thread>

namespace obscura::service {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxName = 64;
/// Another replica, whose start is the first, writes the folder's name after the database has it.
constexpr std::chrono::seconds kPatience{5};
constexpr std::chrono::milliseconds kLookAgain{100};

/// "" where it has none.
std::string name_of(const Place& place) {
  const auto bytes = base::read_file(place.shared(), kMaxName);
  if (!bytes) return "";
  return {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
}

Error another(const Place& place) {
  return error(Code::wrong_params,
               "{}: this folder goes with another database of PostgreSQL, or with none any more; name that one "
               "(database.url), or remove the file to lose the jobs and keys of the folder",
               place.shared().string());
}

/// The first start: both get a name.
Result<std::string> bind(const Store& store, const Place& place) {
  if (!name_of(place).empty()) return another(place);
  if (fs::exists(place.database())) {
    return error(Code::wrong_params,
                 "{}: tokens, keys and jobs of SQLite are here, and the database of PostgreSQL is empty: "
                 "`obscura-server migrate` takes them over, or remove the file",
                 place.database().string());
  }
  const std::string fresh = fresh_name();
  OBSCURA_TRY(const std::string name, store.folder(fresh));
  if (name == fresh) {
    OBSCURA_TRY_VOID(base::write_file(place.shared(), base::as_bytes(name), {.overwrite = false, .secret = true}));
  }
  return name;
}

Result<void> require_folder_of(const Store& store, const Place& place) {
  OBSCURA_TRY(std::string name, store.folder(""));
  if (name.empty()) {
    OBSCURA_TRY(name, bind(store, place));
  }
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (name_of(place).empty() && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(kLookAgain);
  if (name_of(place) == name) return {};
  if (!name_of(place).empty()) return another(place);
  return error(Code::wrong_params,
               "{}: absent: the database's replicas share another folder, which has {} in this file; all of them need "
               "that one",
               place.shared().string(), name);
}

}  // namespace

Result<base::OutputFile> lock_alone(const fs::path& folder, const Place& place) {
  auto lock =
      base::OutputFile::create(place.lock(), {.overwrite = true, .secret = true, .resumable = true, .restart = true});
  if (lock) return lock;
  const bool busy = lock.error().code == Code::busy;
  return error(lock.error().code, "{}: {}", folder.string(), busy ? "another process serves it" : lock.error().message);
}

Result<Store> open_store(const Place& place, const DatabaseOptions& database) {
  if (!database.shared()) {
    if (fs::exists(place.shared())) return another(place);
    return Store::open(place.database());
  }
  OBSCURA_TRY(Store store, Store::connect(database.postgresql));
  OBSCURA_TRY_VOID(require_folder_of(store, place));
  return store;
}

Result<std::int64_t> migrate(const fs::path& folder, const DatabaseOptions& database) {
  if (!database.shared()) {
    return error(Code::wrong_params, "{}: no database to migrate to: database.url, or --database", folder.string());
  }
  OBSCURA_TRY_VOID(require_folder(folder));
  OBSCURA_TRY(const Place place, Place::open(folder / "state"));
  OBSCURA_TRY(const base::OutputFile lock, lock_alone(folder, place));
  if (!fs::exists(place.database())) {
    return error(Code::wrong_params, "{}: absent: there is nothing to migrate", place.database().string());
  }
  std::int64_t rows = 0;
  {
    OBSCURA_TRY(const Store own, Store::open(place.database()));
    OBSCURA_TRY(const Store shared, Store::connect(database.postgresql));
    OBSCURA_TRY(const std::string name, shared.folder(""));
    if (!name.empty()) return error(Code::wrong_params, "the database of PostgreSQL is in use: it must be empty");
    OBSCURA_TRY(rows, shared.take_all(own));
  }
  std::error_code failed;
  fs::rename(place.database(), place.database().string() + ".migrated", failed);
  if (failed) return error(Code::io, "{}: {}", place.database().string(), failed.message());
  OBSCURA_TRY(const Store bound, open_store(place, database));
  return rows;
}

}  // namespace obscura::service
