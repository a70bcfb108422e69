// SPDX-License-Identifier: Apache-2.0
#include "service/place.h"

namespace obscura::service {

namespace fs = std::filesystem;

namespace {

Result<void> make_private(const fs::path& folder) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (!failed) fs::permissions(folder, fs::perms::owner_all, failed);
  if (failed) return error(Code::io, "{}: {}", folder.string(), failed.message());
  return {};
}

}  // namespace

std::string without(std::string message, const fs::path& path, const std::string& instead) {
  const std::string name = path.string();
  for (std::size_t at = 0; (at = message.find(name, at)) != std::string::npos; at += instead.size()) {
    message.replace(at, name.size(), instead);
  }
  return message;
}

Result<void> require_folder(const fs::path& folder) {
  if (fs::is_directory(folder)) return {};
  return error(Code::io, "{}: no such folder; `obscura-server init` makes one to serve", folder.string());
}

Result<Place> Place::open(const fs::path& folder) {
  Place place;
  place.folder_ = folder;
  for (const char* name : {"", "keys", "jobs", "incoming"}) OBSCURA_TRY_VOID(make_private(folder / name));
  return place;
}

void Place::clear() const {
  std::error_code ignored;
  for (const auto& file : fs::directory_iterator(folder_ / "incoming", ignored)) fs::remove(file.path(), ignored);
}

Result<fs::path> Place::key_to_be(const std::string& tenant, const std::string& id) const {
  OBSCURA_TRY_VOID(make_private(folder_ / "keys" / tenant));
  return key(tenant, id);
}

fs::path Place::fresh() const { return folder_ / "incoming" / std::to_string((*next_)++); }

}  // namespace obscura::service
