// SPDX-License-Identifier: Apache-2.0
/// obscura-server: the server's half alone. It is built from the folders that a server may know, so that what it links
/// can be checked: nothing in it can decrypt.
#include <fmt/format.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "server/server.h"
#include "service/service.h"

namespace {

using obscura::server::RunOptions;

struct ServeOptions {
  std::string folder;
  obscura::http::ServerOptions http;
  obscura::service::ServiceOptions service;
};

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

int serve(const ServeOptions& options) {
  // Blocked before any thread is made, so that all inherit it and this one waits for them.
  sigset_t ends;
  sigemptyset(&ends);
  for (const int signal : {SIGINT, SIGTERM}) sigaddset(&ends, signal);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  const auto service = obscura::service::Service::open(options.folder, options.service);
  if (!service) return fail(service.error());
  const auto server = obscura::http::Server::start(options.http, service->route());
  if (!server) return fail(server.error());
  fmt::print("obscura-server: http://{}:{} serves {}\n", options.http.address, server->port(),
             fmt::join(service->models(), ", "));
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

CLI::App* add_serve(CLI::App& app, ServeOptions& options) {
  CLI::App* verb = app.add_subcommand(
      "serve",
      "Serves the plans of a folder to clients of this machine (`obscura classify`), by the Open Inference Protocol,\n"
      "version 2. Ctrl-C and SIGTERM end it after the answers that are under way.\n"
      "Example: obscura-server serve plans --port 8080");
  verb->add_option("DIR", options.folder, "NAME.plan in it is the model NAME; DIR/state keeps the clients' keys")
      ->required();
  verb->add_option("--port", options.http.port, "0: any that is free")->capture_default_str();
  // Without TLS and tokens nobody else may reach it.
  verb->add_option("--address", options.http.address, "127.0.0.1 or ::1: a proxy in front has to bring TLS and tokens")
      ->check(CLI::IsMember({"127.0.0.1", "::1"}))
      ->capture_default_str();
  verb->add_option("--memory", options.service.memory,
                   "Memory that keys, weights and ciphertexts may take together, as 8GB (default: no limit)")
      ->transform(CLI::AsSizeValue(true));
  verb->add_option("--max-keys", options.service.max_keys, "Largest evaluation keys of a client")
      ->transform(CLI::AsSizeValue(true))
      ->default_str("8GB");
  verb->add_option("--max-images", options.service.max_images, "Largest request of encrypted images")
      ->transform(CLI::AsSizeValue(true))
      ->default_str("2GB");
  verb->add_option("--connections", options.http.connections, "Connections at a time")->capture_default_str();
  verb->add_option("--sign", options.service.signing_key, "Sign offers and answers with this key (obscura signkey)");
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
    CLI::App* serve_verb = add_serve(app, serving);
    CLI11_PARSE(app, argc, argv);
    if (serve_verb->parsed()) return serve(serving);
    if (!run_verb->parsed()) return 2;
    if (resume) options.unfinished = RunOptions::Unfinished::resume;
    if (restart) options.unfinished = RunOptions::Unfinished::restart;
    return run(files[0], files[1], files[2], files[3], options);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "obscura-server: internal error: %s\n", e.what());
    return 1;
  }
}
