// SPDX-License-Identifier: Apache-2.0
/// Tables of TOML read key by key, with what is wrong told by file, line, key and allowed value.
#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"

namespace obscura::config {

/// errors  bad_format, with file and line
Result<toml::table> parse(const std::string& text, const std::string& name);

/// One table. A key that is absent leaves its variable as it is; the first mistake is kept, and told by finish().
class Fields {
 public:
  /// `path`: of the file; `name`: of the table in messages ("training"), empty at the top.
  Fields(const toml::table& table, std::string path, std::string name);

  bool has(const std::string& key) const { return table_->contains(key); }
  /// "file:line" of the key; of the table where the key is absent.
  std::string place(const std::string& key) const;

  void number(const std::string& key, double& out, double low, double high);
  void whole(const std::string& key, std::int64_t& out, std::int64_t low, std::int64_t high);
  void flag(const std::string& key, bool& out);
  void text(const std::string& key, std::string& out);
  /// A list of `least` to `most` numbers.
  void numbers(const std::string& key, std::vector<double>& out, std::size_t least, std::size_t most, double low,
               double high);
  template <class Enum>
  void choice(const std::string& key, Enum& out, const std::vector<std::pair<const char*, Enum>>& allowed) {
    std::vector<std::string> names;
    for (const auto& [name, value] : allowed) names.emplace_back(name);
    const std::optional<std::size_t> index = chosen(key, names);
    if (index) out = allowed[*index].second;
  }
  /// The table under `key`; an empty one where it is absent.
  Fields table(const std::string& key);
  /// The list of tables under `key`.
  std::vector<Fields> tables(const std::string& key);

  /// "file:line: key <message>"
  void refuse(const std::string& key, const std::string& message);
  /// Keys that were not asked for are refused; then the first mistake of this table and of all that came from it.
  Result<void> finish();

 private:
  const toml::node* take(const std::string& key);
  void wrong_type(const std::string& key, const toml::node& node, const std::string& wanted);
  std::optional<std::size_t> chosen(const std::string& key, const std::vector<std::string>& names);
  std::string full_name(const std::string& key) const { return name_.empty() ? key : name_ + "." + key; }
  std::string place_of(const toml::node& node) const;

  const toml::table* table_;
  std::string path_;
  std::string name_;
  std::set<std::string> known_;
  std::shared_ptr<std::optional<Error>> problem_ = std::make_shared<std::optional<Error>>();
};

}  // namespace obscura::config
