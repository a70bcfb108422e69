// SPDX-License-Identifier: Apache-2.0
#include "service/configuration.h"

#include "config/fields.h"

namespace obscura::service {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxFile = 1 << 20;
constexpr std::uint64_t kMaxPassword = 4096;

/// What the file says, in its own units; the values here are those where it says nothing.
struct Settings {
  std::string address = "127.0.0.1";
  std::int64_t port = 8080, connections = 256, idle_seconds = 30;
  std::string certificate, private_key, client_ca, signing_key;
  bool tokens = false;
  double memory = 0, request_keys = 8, request_images = 2, keys = 0;
  std::int64_t queued_jobs = 16, images_per_hour = 0, keep_keys = 30;
  double deadline = 24, keep_answers = 24;
  std::int64_t attempts = 3;
  std::string database, password_file;
  double lease = 10;
};

enum class Kind { text, whole, real, flag };
struct Setting {
  const char *table, *key;
  Kind kind;
  /// The member of Settings.
  std::string Settings::*text = nullptr;
  std::int64_t Settings::*whole = nullptr;
  double Settings::*real = nullptr;
  bool Settings::*flag = nullptr;
  double low = 0, high = 0;
  const char* meaning = "";
  const char* first = nullptr;  ///< in the file of `init`, where that is not the default
};

Setting text(const char* table, const char* key, std::string Settings::*at, const char* meaning,
             const char* first = nullptr) {
  return {table, key, Kind::text, at, nullptr, nullptr, nullptr, 0, 0, meaning, first};
}
Setting whole(const char* table, const char* key, std::int64_t Settings::*at, double low, double high,
              const char* meaning) {
  return {table, key, Kind::whole, nullptr, at, nullptr, nullptr, low, high, meaning, nullptr};
}
Setting real(const char* table, const char* key, double Settings::*at, double low, double high, const char* meaning) {
  return {table, key, Kind::real, nullptr, nullptr, at, nullptr, low, high, meaning, nullptr};
}

const std::vector<Setting>& settings() {
  using S = Settings;
  static const std::vector<Setting> all{
      text("http", "address", &S::address, "where it listens; others than 127.0.0.1 and ::1 need TLS and tokens"),
      whole("http", "port", &S::port, 0, 65535, "0: any that is free"),
      whole("http", "connections", &S::connections, 1, 100000, "at a time"),
      whole("http", "idle_seconds", &S::idle_seconds, 1, 3600, "a connection that sends nothing for so long is ended"),
      text("tls", "certificate", &S::certificate,
           "PEM file: the server's certificate and those between it and its root", "tls/certificate.pem"),
      text("tls", "key", &S::private_key, "PEM file: its private key", "tls/key.pem"),
      text("tls", "client_ca", &S::client_ca,
           "PEM file: clients need a certificate of this authority; its common name is the tenant"),
      {"tenants", "tokens", Kind::flag, nullptr, nullptr, nullptr, &S::tokens, 0, 0,
       "only who has a token is served (obscura-server token add)", "true"},
      real("tenants", "keys_gb", &S::keys, 0, 1e6, "GB of evaluation keys of one tenant; 0: any"),
      whole("tenants", "queued_jobs", &S::queued_jobs, 1, 100000, "of one tenant, those that run included"),
      whole("tenants", "images_per_hour", &S::images_per_hour, 0, 1e12, "of one tenant; 0: any"),
      real("limits", "memory_gb", &S::memory, 0, 1e5, "GB that keys, weights and ciphertexts take together; 0: any"),
      real("limits", "request_keys_gb", &S::request_keys, 1e-3, 1e4, "GB of the largest evaluation keys"),
      real("limits", "request_images_gb", &S::request_images, 1e-6, 4, "GB of the largest request of encrypted images"),
      real("jobs", "deadline_hours", &S::deadline, 1e-3, 1e4, "a job that takes longer fails"),
      real("jobs", "keep_answers_hours", &S::keep_answers, 1e-3, 1e4, "that nobody fetched"),
      whole("jobs", "attempts", &S::attempts, 1, 100, "processes, a worker's or a server's, that may end on one job"),
      whole("jobs", "keep_keys_days", &S::keep_keys, 1, 36500, "that nobody uses"),
      text("database", "url", &S::database,
           "PostgreSQL's, which replicas share: postgresql://USER@HOST/NAME, without the password; else SQLite"),
      text("database", "password_file", &S::password_file, "file with the password alone, that no other user reads"),
      real("database", "lease_seconds", &S::lease, 0.5, 600,
           "a replica that the database has not heard of for so long loses its job to another"),
      text("signing", "key", &S::signing_key, "file of `obscura signkey`: signs offers and answers"),
  };
  return all;
}

std::string default_of(const Setting& setting, const Settings& values) {
  switch (setting.kind) {
    case Kind::text:
      return "\"" + values.*setting.text + "\"";
    case Kind::whole:
      return std::to_string(values.*setting.whole);
    case Kind::real:
      return fmt::format("{}", values.*setting.real);
    case Kind::flag:
      return values.*setting.flag ? "true" : "false";
  }
  return "";
}

std::uint64_t bytes_of(double gigabytes) { return static_cast<std::uint64_t>(gigabytes * 1e9); }

/// The first line of a file.
Result<std::string> read_password(const fs::path& file) {
  OBSCURA_TRY(base::InputFile input, base::InputFile::open(file));
  OBSCURA_TRY_VOID(input.require_private());
  OBSCURA_TRY(const base::Bytes bytes, base::read_file(file, kMaxPassword));
  const std::string content(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return content.substr(0, content.find_first_of("\r\n"));
}

std::chrono::seconds seconds_of(double hours) { return std::chrono::seconds(static_cast<std::int64_t>(hours * 3600)); }

Result<Settings> read_settings(const fs::path& file) {
  OBSCURA_TRY(const base::Bytes bytes, base::read_file(file, kMaxFile));
  const std::string content(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  OBSCURA_TRY(const toml::table table, config::parse(content, file.string()));
  Settings values;
  config::Fields top(table, file.string(), "");
  std::map<std::string, config::Fields> tables;
  for (const Setting& setting : settings()) {
    if (!tables.contains(setting.table)) tables.emplace(setting.table, top.table(setting.table));
    config::Fields& fields = tables.at(setting.table);
    switch (setting.kind) {
      case Kind::text:
        fields.text(setting.key, values.*setting.text);
        break;
      case Kind::whole:
        fields.whole(setting.key, values.*setting.whole, static_cast<std::int64_t>(setting.low),
                     static_cast<std::int64_t>(setting.high));
        break;
      case Kind::real:
        fields.number(setting.key, values.*setting.real, setting.low, setting.high);
        break;
      case Kind::flag:
        fields.flag(setting.key, values.*setting.flag);
        break;
    }
  }
  for (auto& [name, fields] : tables) static_cast<void>(fields.finish());  // what they are told, the whole tells
  OBSCURA_TRY_VOID(top.finish());
  return values;
}

}  // namespace

Result<Configuration> read_configuration(const fs::path& folder) {
  OBSCURA_TRY_VOID(require_folder(folder));
  const fs::path file = folder / "server.toml";
  Settings values;
  if (fs::exists(file)) {
    OBSCURA_TRY(values, read_settings(file));
  }
  const auto beside = [&](const std::string& name) { return name.empty() ? fs::path() : folder / name; };
  const bool local = values.address == "127.0.0.1" || values.address == "::1";
  const bool encrypted = !values.certificate.empty();
  const bool known = values.tokens || !values.client_ca.empty();
  if (!local && !(encrypted && known)) {
    return error(Code::wrong_params,
                 "{}: http.address is {}, which other machines reach: that needs tls.certificate and tls.key, and "
                 "tenants.tokens = true or tls.client_ca",
                 file.string(), values.address);
  }
  if (values.certificate.empty() != values.private_key.empty()) {
    return error(Code::wrong_params, "{}: tls.certificate and tls.key need each other", file.string());
  }
  Configuration out;
  out.http.address = values.address;
  out.http.port = static_cast<std::uint16_t>(values.port);
  out.http.connections = static_cast<std::size_t>(values.connections);
  out.http.idle = std::chrono::seconds(values.idle_seconds);
  if (encrypted) {
    out.http.tls = http::ServerTls{beside(values.certificate), beside(values.private_key), beside(values.client_ca)};
  }
  ServiceOptions& service = out.service;
  service.memory = bytes_of(values.memory);
  service.max_keys = bytes_of(values.request_keys);
  service.max_images = bytes_of(values.request_images);
  service.signing_key = beside(values.signing_key);
  service.tokens = values.tokens;
  service.key_quota = bytes_of(values.keys);
  service.keep_keys = std::chrono::seconds(values.keep_keys * 86400);
  service.jobs.queued = values.queued_jobs;
  service.jobs.images_per_hour = values.images_per_hour;
  service.jobs.deadline = seconds_of(values.deadline);
  service.jobs.keep_answers = seconds_of(values.keep_answers);
  service.jobs.attempts = values.attempts;
  service.jobs.lease = std::chrono::milliseconds(static_cast<std::int64_t>(values.lease * 1000));
  service.database.postgresql.url = values.database;
  if (!values.password_file.empty()) {
    OBSCURA_TRY(service.database.postgresql.password, read_password(beside(values.password_file)));
  }
  return out;
}

std::string first_configuration() {
  std::string out = "# What obscura-server serve reads; paths are relative to this file's folder.\n";
  const Settings defaults;
  std::string table;
  for (const Setting& setting : settings()) {
    if (setting.table != table) {
      table = setting.table;
      out += "\n[" + table + "]\n";
    }
    const std::string value = default_of(setting, defaults);
    std::string first = value;
    if (setting.first != nullptr)
      first = setting.kind == Kind::text ? fmt::format("\"{}\"", setting.first) : setting.first;
    out += fmt::format("{} = {}  # {}\n", setting.key, first, setting.meaning);
  }
  return out;
}

std::string configuration_reference() {
  std::string out = "| key | default | meaning |\n|---|---|---|\n";
  const Settings defaults;
  for (const Setting& setting : settings()) {
    out += fmt::format("| `{}.{}` | `{}` | {} |\n", setting.table, setting.key, default_of(setting, defaults),
                       setting.meaning);
  }
  return out;
}

}  // namespace obscura::service
