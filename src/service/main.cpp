// SPDX-License-Identifier: Apache-2.0
/// obscura-server: the server's half alone. It is built from the folders that a server may know, so that what it links
/// can be checked: nothing in it can decrypt.
#include <fmt/format.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "http/certificate.h"
#include "server/server.h"
#include "service/configuration.h"
#include "service/page.h"
#include "service/verbs.h"
#include "worker/worker.h"

namespace {

using obscura::server::RunOptions;

using obscura::service::DatabaseWords;

struct ServeOptions {
  std::string folder;
  std::optional<std::uint16_t> port;
  std::optional<std::uint64_t> memory;
  std::string signing_key;
  std::string page;
  bool check = false;
};
constexpr int kWorkersChannel = 3;

int fail(const obscura::Error& error) {
  fmt::print(stderr, "obscura-server: {}\n", error.message);
  return 1;
}

int run(const std::string& plan, const std::string& eval, const std::string& in, const std::string& out,
        const RunOptions& options) {
  const auto report = obscura::server::run(plan, eval, in, out, options);
  if (!report) return fail(report.error());
  fmt::print(stderr, "{} images in {} batches: {:.2f} s\n", report->images, report->batches, report->run_seconds);
  return 0;
}

/// One line of JSON on standard error.
void log(const nlohmann::ordered_json& json) {
  // Without the braces: the pattern has them, with the time.
  const std::string text = json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  spdlog::info("{}", std::string_view(text).substr(1, text.size() - 2));
}

void log_event(const obscura::service::Event& event) {
  nlohmann::ordered_json json{{"tenant", event.tenant}, {"action", event.action}, {"model", event.model}};
  json["plan"] = event.plan;
  json["key"] = event.key;
  json["images"] = event.images;
  json["bytes_in"] = event.bytes_in;
  json["bytes_out"] = event.bytes_out;
  json["seconds"] = event.seconds;
  json["outcome"] = event.outcome;
  log(json);
}

void log_request(const obscura::http::Served& served) {
  const nlohmann::ordered_json json{{"request", served.request},
                                    {"method", served.method},
                                    {"path", served.path},
                                    {"status", served.status},
                                    {"seconds", served.seconds}};
  log(json);
}

/// PGPASSWORD, which the worker, a process that others' ciphertexts might take over, does not inherit.
std::string take_password() {
  const char* told = std::getenv("PGPASSWORD");
  std::string password = told == nullptr ? "" : told;
  ::unsetenv("PGPASSWORD");
  return password;
}

int serve(ServeOptions options, const DatabaseWords& database) {
  // Blocked before any thread is made, so that all inherit it and this one waits for them.
  sigset_t ends;
  sigemptyset(&ends);
  for (const int signal : {SIGINT, SIGTERM}) sigaddset(&ends, signal);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  // Whoever read what it prints may be gone: no reason to leave jobs where they are.
  std::signal(SIGPIPE, SIG_IGN);
  auto read = obscura::service::read_configuration(options.folder);
  if (!read) return fail(read.error());
  obscura::service::Configuration& told = *read;
  if (options.port) told.http.port = *options.port;
  if (options.memory) told.service.memory = *options.memory;
  if (!options.signing_key.empty()) told.service.signing_key = options.signing_key;
  if (!database.url.empty()) told.service.database.postgresql.url = database.url;
  if (!database.password.empty()) told.service.database.postgresql.password = database.password;
  if (told.http.tls) {
    if (const auto dates = obscura::http::check_dates(told.http.tls->certificate); !dates) return fail(dates.error());
  }
  if (options.check) {
    fmt::print("{}/server.toml can be served by\n", options.folder);
    return 0;
  }
  spdlog::set_default_logger(spdlog::stderr_logger_mt("server"));
  spdlog::set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})", spdlog::pattern_time_type::utc);
  told.service.watch = log_event;
  told.http.served = log_request;
  told.service.worker = std::filesystem::canonical("/proc/self/exe");
  const auto service = obscura::service::Service::open(options.folder, told.service);
  if (!service) return fail(service.error());
  std::optional<obscura::service::Page> page;
  if (!options.page.empty()) {
    auto opened = obscura::service::Page::open(options.page, service->models());
    if (!opened) return fail(opened.error());
    page = std::move(opened).value();
  }
  const auto server = obscura::http::Server::start(told.http, page ? page->route(service->route()) : service->route());
  if (!server) return fail(server.error());
  const bool six = told.http.address.find(':') != std::string::npos;
  fmt::print("obscura-server: {}://{}:{} serves {}\n", told.http.tls ? "https" : "http",
             six ? "[" + told.http.address + "]" : told.http.address, server->port(),
             fmt::join(service->models(), ", "));
  if (page) fmt::print("obscura-server: the page for browsers is there too\n");
  std::fflush(stdout);
  int signal = 0;
  sigwait(&ends, &signal);
  fmt::print("obscura-server: ends after the answers that are under way\n");
  std::fflush(stdout);
  return 0;
}

CLI::App* add_run(CLI::App& app, std::string (&files)[4], RunOptions& options, bool& resume, bool& restart) {
  CLI::App* verb = app.add_subcommand("run", "Example: obscura-server run net.plan --eval client.eval in.ct -o out.ct");
  verb->add_option("PLAN", files[0], "The compiled network")->required();
  verb->add_option("INPUTS", files[2], "Encrypted images from the client")->required();
  verb->add_option("--eval", files[1], "The client's evaluation keys")->required();
  verb->add_option("-o,--out", files[3], "Encrypted answers, for the client")->required();
  verb->add_option("--memory", options.memory, "Memory that ciphertexts, keys and weights may take, as 8GB")
      ->transform(CLI::AsSizeValue(true));
  verb->add_option("--sign", options.signing_key, "Sign the answer with this key (obscura signkey)");
  CLI::Option* go_on = verb->add_flag("--resume", resume, "Go on after the batches of a run that did not end");
  verb->add_flag("--restart", restart, "Begin again where such a run left its batches")->excludes(go_on);
  return verb;
}

CLI::App* add_serve(CLI::App& app, ServeOptions& options, DatabaseWords& database) {
  CLI::App* verb = app.add_subcommand(
      "serve",
      "Serves the plans of a folder to clients (`obscura classify`), by the Open Inference Protocol, version 2, as\n"
      "DIR/server.toml says (`obscura-server init`); without that file, this machine alone. Ctrl-C and SIGTERM end it\n"
      "after the answers that clients wait for; other jobs go on when it is started again. With a database of\n"
      "PostgreSQL any number of servers share one folder behind a load balancer, and take up each other's jobs\n"
      "(docs/SERVICE.md, \"Several replicas\").\n"
      "Example: obscura-server serve plans --port 8080");
  verb->add_option("DIR", options.folder, "NAME.plan in it is the model NAME; DIR/state keeps keys, jobs and tokens")
      ->required();
  verb->add_option("--port", options.port, "In place of http.port; 0: any that is free");
  verb->add_option("--memory", options.memory, "In place of limits.memory_gb, as 8GB")
      ->transform(CLI::AsSizeValue(true));
  verb->add_option("--sign", options.signing_key, "In place of signing.key (obscura signkey)");
  obscura::service::add_database(*verb, database);
  verb->add_option("--page", options.page, "Folder of the page for browsers (docs/BROWSER.md), to be served at /");
  verb->add_flag("--check-config", options.check, "Only read DIR/server.toml, and say what is wrong with it");
  return verb;
}

CLI::App* add_worker(CLI::App& app, obscura::worker::Options& options) {
  CLI::App* verb = app.add_subcommand("worker", "The process of `serve` that computes");
  verb->group("");  // nobody starts it by hand
  verb->add_option("--memory", options.memory);
  verb->add_option("--sign", options.signing_key);
  return verb;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    CLI::App app("The server's half of Obscura: runs plans on encrypted images. It has no code that decrypts.");
    app.require_subcommand(1);
    std::string files[4];
    RunOptions options;
    bool resume = false, restart = false;
    ServeOptions serving;
    CLI::App* run_verb = add_run(app, files, options, resume, restart);
    DatabaseWords database{"", take_password()};
    CLI::App* serve_verb = add_serve(app, serving, database);
    obscura::worker::Options working;
    CLI::App* worker_verb = add_worker(app, working);
    const auto verbs = obscura::service::add_verbs(app, database);
    CLI11_PARSE(app, argc, argv);
    if (serve_verb->parsed()) return serve(serving, database);
    if (worker_verb->parsed()) return obscura::worker::serve(kWorkersChannel, working);
    for (const auto& [verb, perform] : verbs) {
      if (!verb->parsed()) continue;
      const auto performed = perform();
      return performed ? 0 : fail(performed.error());
    }
    if (!run_verb->parsed()) return 2;
    if (resume) options.unfinished = RunOptions::Unfinished::resume;
    if (restart) options.unfinished = RunOptions::Unfinished::restart;
    return run(files[0], files[1], files[2], files[3], options);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "obscura-server: internal error: %s\n", e.what());
    return 1;
  }
}
