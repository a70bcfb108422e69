// SPDX-License-Identifier: Apache-2.0
/// obscura-server: the server's half alone. It is built from the folders that a server may know, so that what it links
/// can be checked: nothing in it can decrypt.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "server/server.h"

namespace {

using obscura::server::RunOptions;

int run(const std::string& plan, const std::string& eval, const std::string& in, const std::string& out,
        const RunOptions& options) {
  const auto report = obscura::server::run(plan, eval, in, out, options);
  if (!report) {
    fmt::print(stderr, "obscura-server: {}\n", report.error().message);
    return 1;
  }
  fmt::print(stderr, "{} images in {} batches: {:.2f} s\n", report->images, report->batches, report->run_seconds);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    CLI::App app("The server's half of Obscura: runs a plan on encrypted images. It has no code that decrypts.");
    app.require_subcommand(1);
    std::string plan, eval, in, out;
    CLI::App* verb =
        app.add_subcommand("run", "Example: obscura-server run net.plan --eval client.eval in.ct -o out.ct");
    verb->add_option("PLAN", plan, "The compiled network")->required();
    verb->add_option("INPUTS", in, "Encrypted images from the client")->required();
    verb->add_option("--eval", eval, "The client's evaluation keys")->required();
    verb->add_option("-o,--out", out, "Encrypted answers, for the client")->required();
    RunOptions options;
    verb->add_option("--memory", options.memory, "Memory that ciphertexts, keys and weights may take, as 8GB")
        ->transform(CLI::AsSizeValue(true));
    verb->add_option("--sign", options.signing_key, "Sign the answer with this key (obscura signkey)");
    bool resume = false, restart = false;
    CLI::Option* go_on = verb->add_flag("--resume", resume, "Go on after the batches of a run that did not end");
    verb->add_flag("--restart", restart, "Begin again where such a run left its batches")->excludes(go_on);
    CLI11_PARSE(app, argc, argv);
    if (resume) options.unfinished = RunOptions::Unfinished::resume;
    if (restart) options.unfinished = RunOptions::Unfinished::restart;
    return run(plan, eval, in, out, options);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "obscura-server: internal error: %s\n", e.what());
    return 1;
  }
}
