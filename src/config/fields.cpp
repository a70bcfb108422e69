// SPDX-License-Identifier: Apache-2.0
#include "config/fields.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace obscura::config {

namespace {

const toml::table& nothing() {
  static const toml::table empty;
  return empty;
}

const char* describe(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::string:
      return "a text";
    case toml::node_type::integer:
      return "a whole number";
    case toml::node_type::floating_point:
      return "a number";
    case toml::node_type::boolean:
      return "true or false";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::table:
      return "a table";
    default:
      return "a date or time";
  }
}

/// Letters to insert, leave out or change (Levenshtein).
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

std::string nearest(const std::string& key, const std::set<std::string>& known) {
  const auto closer = [&](const std::string& a, const std::string& b) { return distance(key, a) < distance(key, b); };
  return *std::min_element(known.begin(), known.end(), closer);
}

}  // namespace

Result<toml::table> parse(const std::string& text, const std::string& name) {
  toml::parse_result parsed = toml::parse(text, name);
  if (parsed) return std::move(parsed).table();
  const toml::parse_error& problem = parsed.error();
  return error(Code::bad_format, "{}:{}: not TOML: {}", name, problem.source().begin.line, problem.description());
}

Fields::Fields(const toml::table& table, std::string path, std::string name)
    : table_(&table), path_(std::move(path)), name_(std::move(name)) {}

std::string Fields::place_of(const toml::node& node) const {
  const toml::source_region& source = node.source();
  const std::string& file = source.path ? *source.path : path_;
  return source.begin.line == 0 ? file : fmt::format("{}:{}", file, source.begin.line);
}

std::string Fields::place(const std::string& key) const {
  const toml::node* node = table_->get(key);
  return place_of(node != nullptr ? *node : *table_);
}

void Fields::refuse(const std::string& key, const std::string& message) {
  if (*problem_) return;
  *problem_ = error(Code::unsupported, "{}: {} {}", place(key), full_name(key), message);
}

const toml::node* Fields::take(const std::string& key) {
  known_.insert(key);
  return table_->get(key);
}

void Fields::wrong_type(const std::string& key, const toml::node& node, const std::string& wanted) {
  refuse(key, fmt::format("is {}; it must be {}", describe(node), wanted));
}

void Fields::number(const std::string& key, double& out, double low, double high) {
  const toml::node* node = take(key);
  if (node == nullptr) return;
  const std::optional<double> value = node->is_number() ? node->value<double>() : std::nullopt;
  if (!value) return wrong_type(key, *node, fmt::format("a number from {} to {}", low, high));
  // Written so that NaN is refused.
  if (!(*value >= low && *value <= high))
    return refuse(key, fmt::format("is {}; it must be {} to {}", *value, low, high));
  out = *value;
}

void Fields::whole(const std::string& key, std::int64_t& out, std::int64_t low, std::int64_t high) {
  const toml::node* node = take(key);
  if (node == nullptr) return;
  if (!node->is_integer()) return wrong_type(key, *node, fmt::format("a whole number from {} to {}", low, high));
  const std::int64_t value = **node->as_integer();
  if (value < low || value > high) return refuse(key, fmt::format("is {}; it must be {} to {}", value, low, high));
  out = value;
}

void Fields::flag(const std::string& key, bool& out) {
  const toml::node* node = take(key);
  if (node == nullptr) return;
  if (!node->is_boolean()) return wrong_type(key, *node, "true or false");
  out = **node->as_boolean();
}

void Fields::text(const std::string& key, std::string& out) {
  const toml::node* node = take(key);
  if (node == nullptr) return;
  if (!node->is_string()) return wrong_type(key, *node, "a text");
  out = **node->as_string();
}

void Fields::numbers(const std::string& key, std::vector<double>& out, std::size_t least, std::size_t most, double low,
                     double high) {
  const toml::node* node = take(key);
  if (node == nullptr) return;
  const std::string wanted = least == most ? fmt::format("a list of {} numbers", least)
                                           : fmt::format("a list of {} to {} numbers", least, most);
  const toml::array* list = node->as_array();
  if (list == nullptr) return wrong_type(key, *node, wanted);
  if (list->size() < least || list->size() > most) {
    return refuse(key, fmt::format("has {} entries; it must be {}", list->size(), wanted));
  }
  std::vector<double> values;
  for (const toml::node& entry : *list) {
    if (!entry.is_number()) return wrong_type(key, entry, wanted);
    const double value = entry.value<double>().value_or(std::nan(""));
    if (!(value >= low && value <= high)) {
      return refuse(key, fmt::format("holds {}; its numbers must be {} to {}", value, low, high));
    }
    values.push_back(value);
  }
  out = std::move(values);
}

std::optional<std::size_t> Fields::chosen(const std::string& key, const std::vector<std::string>& names) {
  const toml::node* node = take(key);
  if (node == nullptr) return std::nullopt;
  if (!node->is_string()) {
    wrong_type(key, *node, fmt::format("one of {}", fmt::join(names, ", ")));
    return std::nullopt;
  }
  const std::string value = **node->as_string();
  const auto found = std::find(names.begin(), names.end(), value);
  if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  refuse(key, fmt::format("is '{}'; it must be one of {}", value, fmt::join(names, ", ")));
  return std::nullopt;
}

Fields Fields::table(const std::string& key) {
  const toml::node* node = take(key);
  if (node != nullptr && !node->is_table()) wrong_type(key, *node, "a table");
  const toml::table* inner = node != nullptr ? node->as_table() : nullptr;
  Fields out(inner != nullptr ? *inner : nothing(), path_, full_name(key));
  out.problem_ = problem_;
  return out;
}

std::vector<Fields> Fields::tables(const std::string& key) {
  std::vector<Fields> out;
  const toml::node* node = take(key);
  if (node == nullptr) return out;
  const toml::array* list = node->as_array();
  if (list == nullptr) {
    wrong_type(key, *node, "a list of tables");
    return out;
  }
  for (const toml::node& entry : *list) {
    if (!entry.is_table()) {
      wrong_type(key, entry, "a list of tables");
      return out;
    }
    out.emplace_back(*entry.as_table(), path_, fmt::format("{}[{}]", full_name(key), out.size() + 1));
    out.back().problem_ = problem_;
  }
  return out;
}

Result<void> Fields::finish() {
  for (const auto& [key, node] : *table_) {
    const std::string name(key.str());
    if (*problem_ || known_.contains(name)) continue;
    const std::string whose = name_.empty() ? std::string("a recipe") : name_;
    *problem_ = error(Code::unsupported, "{}: unknown key '{}'; the nearest key of {} is '{}' (it has {})",
                      place_of(node), name, whose, nearest(name, known_), fmt::join(known_, ", "));
  }
  if (*problem_) return **problem_;
  return {};
}

}  // namespace obscura::config
