// SPDX-License-Identifier: Apache-2.0
#include "service/verbs.h"

#include <nlohmann/json.hpp>
#include <sstream>

#include "http/certificate.h"
#include "protocol/protocol.h"
#include "service/configuration.h"

namespace obscura::service {

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kCertificateDays = 365;

std::string time_text(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

Result<void> make_folder(const fs::path& folder) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed) return error(Code::io, "{}: {}", folder.string(), failed.message());
  return {};
}

Result<void> init(const fs::path& folder, std::vector<std::string> names) {
  OBSCURA_TRY_VOID(make_folder(folder / "tls"));
  const base::OutputFile::Options plain{.overwrite = false, .secret = false},
      secret{.overwrite = false, .secret = true};
  OBSCURA_TRY_VOID(base::write_file(folder / "server.toml", base::as_bytes(first_configuration()), plain));
  if (names.empty()) names = {"localhost", "127.0.0.1", "::1"};
  OBSCURA_TRY(const http::Certificate made, http::make_certificate(names, kCertificateDays));
  OBSCURA_TRY_VOID(base::write_file(folder / "tls/key.pem", base::as_bytes(made.key), secret));
  OBSCURA_TRY_VOID(base::write_file(folder / "tls/certificate.pem", base::as_bytes(made.certificate), plain));
  fmt::print(
      "{0}/server.toml: what it serves by; edit it\n"
      "{0}/tls/certificate.pem: for {1}, {2} days; clients take it with --ca\n"
      "next: copy plans to {0}, `obscura-server token add {0} NAME`, `obscura-server serve {0}`\n",
      folder.string(), fmt::join(names, ", "), kCertificateDays);
  return {};
}

Result<Store> store_of(const fs::path& folder, const DatabaseWords& words) {
  OBSCURA_TRY(const DatabaseOptions database, database_of(folder, words));
  return open_store(folder, database);
}

Result<void> add_token(const fs::path& folder, const DatabaseWords& database, const std::string& tenant,
                       std::int64_t days) {
  if (!protocol::is_name(tenant)) {
    return error(Code::wrong_params, "{}: a tenant's name has 1 to 64 letters, digits, '.', '-' and '_'", tenant);
  }
  OBSCURA_TRY(const Store store, store_of(folder, database));
  OBSCURA_TRY(const std::string token, store.add_token(tenant, days));
  fmt::print("{}\n", token);
  return {};
}

Result<void> list_tokens(const fs::path& folder, const DatabaseWords& database) {
  OBSCURA_TRY(const Store store, store_of(folder, database));
  OBSCURA_TRY(const auto tokens, store.tokens());
  fmt::print("{:<18}{:<26}{:<22}{}\n", "token", "tenant", "made", "until");
  for (const Token& token : tokens) {
    const std::string until = token.revoked ? "revoked" : token.expires == 0 ? "-" : time_text(token.expires);
    fmt::print("{:<18}{:<26}{:<22}{}\n", token.id, token.tenant, time_text(token.made), until);
  }
  return {};
}

Result<void> revoke_token(const fs::path& folder, const DatabaseWords& database, const std::string& id) {
  OBSCURA_TRY(const Store store, store_of(folder, database));
  OBSCURA_TRY(const bool found, store.revoke(id));
  if (!found) return error(Code::wrong_params, "{}: no such token; `obscura-server token list` has their names", id);
  return {};
}

Result<void> audit(const fs::path& folder, const DatabaseWords& database, std::int64_t count, bool json) {
  OBSCURA_TRY(const Store store, store_of(folder, database));
  OBSCURA_TRY(const auto events, store.events(count));
  for (const auto& event : events) {
    nlohmann::ordered_json object;
    std::string line;
    for (std::size_t i = 0; i < event.size(); ++i) {
      const char* name = event_columns()[i];
      nlohmann::json value;
      if (i == 0) {
        value = time_text(number(event[i]));
      } else {
        std::visit([&](const auto& v) { value = v; }, event[i]);
      }
      object[name] = value;
      line += (i > 0 ? "  " : "") + (value.is_string() ? value.get<std::string>() : value.dump());
    }
    fmt::print("{}\n", json ? object.dump() : line);
  }
  return {};
}

Result<void> take_over(const fs::path& folder, const DatabaseWords& words) {
  OBSCURA_TRY(const DatabaseOptions database, database_of(folder, words));
  OBSCURA_TRY(const std::int64_t rows, migrate(folder, database));
  fmt::print("{} tokens, keys, jobs and events are in PostgreSQL; {}/state/service.db.migrated is not used any more\n",
             rows, folder.string());
  return {};
}

struct Words {
  std::string folder, name;
  std::vector<std::string> names;
  std::int64_t days = 0, count = 100;
  bool json = false;
};

void add_folder(CLI::App& verb, Words& words) {
  verb.add_option("DIR", words.folder, "The folder that is served")->required();
}

void add_folder(CLI::App& verb, Words& words, DatabaseWords& database) {
  add_folder(verb, words);
  add_database(verb, database);
}

}  // namespace

Result<DatabaseOptions> database_of(const fs::path& folder, const DatabaseWords& words) {
  OBSCURA_TRY(const Configuration told, read_configuration(folder));
  DatabaseOptions database = told.service.database;
  if (!words.url.empty()) database.postgresql.url = words.url;
  if (!words.password.empty()) database.postgresql.password = words.password;
  return database;
}

void add_database(CLI::App& verb, DatabaseWords& words) {
  verb.add_option("--database", words.url,
                  "In place of database.url: postgresql://USER@HOST:PORT/NAME, with the password in PGPASSWORD,\n"
                  "PGPASSFILE or database.password_file");
}

std::vector<std::pair<CLI::App*, Verb>> add_verbs(CLI::App& app, DatabaseWords& database) {
  const auto words = std::make_shared<Words>();
  std::vector<std::pair<CLI::App*, Verb>> verbs;
  CLI::App* init_verb = app.add_subcommand(
      "init",
      "Makes a folder to serve: server.toml, which says each key's meaning, and a certificate that it signed itself.\n"
      "Example: obscura-server init plans --name imaging.hospital.example");
  add_folder(*init_verb, *words);
  init_verb->add_option("--name", words->names, "Names and addresses that clients call it by (default: this machine)");
  verbs.emplace_back(init_verb, [words] { return init(words->folder, words->names); });
  CLI::App* token = app.add_subcommand("token", "Tokens of tenants, also while the server runs");
  token->require_subcommand(1);
  CLI::App* add = token->add_subcommand("add",
                                        "Prints a new token, once: only its digest is kept.\n"
                                        "Example: obscura-server token add plans radiology > token");
  add_folder(*add, *words, database);
  add->add_option("TENANT", words->name, "Whose keys, jobs and results are its own")->required();
  add->add_option("--days", words->days, "It expires after so many; 0: never")->check(CLI::Range(0, 36500));
  verbs.emplace_back(add, [words, &database] { return add_token(words->folder, database, words->name, words->days); });
  CLI::App* list = token->add_subcommand("list", "Names of the tokens, their tenants and until when");
  add_folder(*list, *words, database);
  verbs.emplace_back(list, [words, &database] { return list_tokens(words->folder, database); });
  CLI::App* revoke = token->add_subcommand("revoke", "Refused from now on. Example: ... revoke plans obscura_1a2b3c4d");
  add_folder(*revoke, *words, database);
  revoke->add_option("TOKEN", words->name, "Its name, as list prints it")->required();
  verbs.emplace_back(revoke, [words, &database] { return revoke_token(words->folder, database, words->name); });
  CLI::App* log = app.add_subcommand("audit",
                                     "Who asked for what: time, tenant, action, model, plan, key, images, bytes in and "
                                     "out, seconds, outcome; never content.");
  add_folder(*log, *words, database);
  log->add_option("--last", words->count, "So many events")->capture_default_str();
  log->add_flag("--json", words->json, "A JSON object each line");
  verbs.emplace_back(log, [words, &database] { return audit(words->folder, database, words->count, words->json); });
  CLI::App* migrate_verb =
      app.add_subcommand("migrate",
                         "Takes tokens, keys, jobs and the audit log of a folder over from SQLite to an empty database "
                         "of PostgreSQL, which\n"
                         "replicas share (docs/SERVICE.md, \"Several replicas\"). The server is stopped meanwhile.\n"
                         "Example: obscura-server migrate plans --database postgresql://obscura@db.example/obscura");
  add_folder(*migrate_verb, *words, database);
  verbs.emplace_back(migrate_verb, [words, &database] { return take_over(words->folder, database); });
  return verbs;
}

}  // namespace obscura::service
