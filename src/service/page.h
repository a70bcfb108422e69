// SPDX-License-Identifier: Apache-2.0
/// A page for browsers, served beside the protocol: the files of a folder, under a policy that lets no other origin in.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "http/server.h"

namespace obscura::service {

class Page {
 public:
  /// Reads FOLDER/index.html and what lies beside and under it; `models` become /models.json.
  /// errors  io: no index.html; wrong_params: a file of no kind that a page has, or more than kMaxBytes of them
  static Result<Page> open(const std::filesystem::path& folder, const std::vector<std::string>& models);
  /// "/" and the page's files, to everybody; all else is `rest`. The page outlives the route.
  http::Route route(http::Route rest) const;

  static constexpr std::uint64_t kMaxBytes = std::uint64_t{64} << 20;

 private:
  Page() = default;
  struct File {
    std::string type;
    base::Bytes bytes;
  };
  Result<void> add(const std::filesystem::path& file, const std::string& path);
  std::map<std::string, File> files_;  ///< by path, "/assets/page.js"
  std::uint64_t bytes_ = 0;
};

}  // namespace obscura::service
