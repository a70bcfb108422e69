// SPDX-License-Identifier: Apache-2.0
#include "service/place.h"

#include "base/random.h"

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

std::string fresh_name() {
  base::Seed random{};
  base::fill_random(random);
  std::string name;
  for (std::size_t i = 0; i < 16; ++i) name += fmt::format("{:02x}", random[i]);
  return name;
}

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
  place.replica_ = fresh_name();
  for (const char* name : {"", "keys", "jobs", "incoming"}) OBSCURA_TRY_VOID(make_private(folder / name));
  return place;
}

Place::Named Place::named(const char* folder) const {
  Named out;
  std::error_code ignored;
  for (const auto& file : fs::directory_iterator(folder_ / folder, ignored)) {
    const std::string name = file.path().filename().string();
    out.emplace_back(file.path(), name.substr(0, name.find('.')));
  }
  return out;
}

Result<fs::path> Place::key_to_be(const std::string& tenant, const std::string& id) const {
  OBSCURA_TRY_VOID(make_private(folder_ / "keys" / tenant));
  return key(tenant, id);
}

fs::path Place::fresh() const { return folder_ / "incoming" / fmt::format("{}.{}", replica_, (*next_)++); }

}  // namespace obscura::service
