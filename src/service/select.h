// SPDX-License-Identifier: Apache-2.0
/// Statements of a store, with their rows read.
#pragma once

#include <optional>

#include "service/database.h"

namespace obscura::service {

inline Result<void> change(const Database& database, const std::string& sql, const std::vector<Database::Value>& values,
                           Database::Counts counts = Database::Counts::on_disk) {
  const auto ran = database.run(sql, values, counts);
  if (!ran) return ran.error();
  return {};
}

/// The rows of a query, each as `read` has it.
template <class Read>
auto select(const Database& database, const std::string& sql, const std::vector<Database::Value>& values, Read read,
            Database::Counts counts = Database::Counts::at_once)
    -> Result<std::vector<decltype(read(Database::Row()))>> {
  OBSCURA_TRY(const auto rows, database.run(sql, values, counts));
  std::vector<decltype(read(Database::Row()))> out;
  out.reserve(rows.size());
  for (const Database::Row& row : rows) out.push_back(read(row));
  return out;
}

/// Of a query that gives one row or none.
template <class Read>
auto select_one(const Database& database, const std::string& sql, const std::vector<Database::Value>& values, Read read,
                Database::Counts counts = Database::Counts::at_once)
    -> Result<std::optional<decltype(read(Database::Row()))>> {
  OBSCURA_TRY(auto found, select(database, sql, values, read, counts));
  std::optional<decltype(read(Database::Row()))> one;
  if (!found.empty()) one = std::move(found.front());
  return one;
}

/// A query that counts or adds.
inline Result<std::int64_t> sum(const Database& database, const std::string& sql,
                                const std::vector<Database::Value>& values) {
  OBSCURA_TRY(const auto found,
              select_one(database, sql, values, [](const Database::Row& row) { return number(row[0]); }));
  return found.value_or(0);
}

}  // namespace obscura::service
