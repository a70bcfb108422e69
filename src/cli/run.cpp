// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <new>

#include "cli/options.h"
#include "cli/progress.h"
#include "cli/support.h"
#include "cli/verb.h"
#include "mpi/world.h"
#include "server/server.h"

namespace obscura::cli {
namespace {

struct RunOptions {
  std::string plan;
  std::string eval;
  std::string input;
  std::string output;
  bool trace = false;
  std::uint64_t memory = 0;
  bool resume = false;
  bool restart = false;
  std::string sign;
  bool mpi = false;
};

/// What a person wants to know before a long run.
std::string outlook_text(const server::Outlook& outlook, std::uint64_t allowed) {
  std::string text = fmt::format("{} in {}: {}", api::plural(outlook.images, "image"),
                                 api::plural(outlook.batches, "batch"), memory_text(outlook.memory_bytes, allowed));
  if (outlook.done > 0) text += fmt::format("; resumes after {} that are finished", api::plural(outlook.done, "batch"));
  if (outlook.done_steps > 0) {
    text += fmt::format("{} {} of {} of the {}", outlook.done > 0 ? " and" : "; resumes after", outlook.done_steps,
                        api::plural(outlook.steps, "step"), outlook.done > 0 ? "next" : "first");
  }
  return text;
}

Result<server::Report> run(const RunOptions& options, const server::RunOptions& how) {
  OBSCURA_TRY_VOID(refuse_existing(options.output));
  return server::run(options.plan, options.eval, options.input, options.output, how);
}

/// Where a rank fails, it says so and ends all of them: the others would wait for it.
Result<server::Report> run_on_ranks(mpi::World& world, const RunOptions& options, server::RunOptions how) {
  how.ranks = &world;
  if (world.rank() != 0) {
    how.before = {};
    how.progress = [](std::size_t, std::size_t) { return !interrupted(); };
  }
  std::string failure;
  try {
    Result<server::Report> ran = run(options, how);
    if (ran) return ran;
    failure = ran.error().message;
  } catch (const std::bad_alloc&) {
    failure = "out of memory; --memory, or more ranks for a batch, need less";
  } catch (const std::exception& e) {
    failure = fmt::format("this is a bug in obscura, please report it: {}", e.what());
  }
  std::fputs(
      fmt::format("obscura: rank {} of {} on {}: {}\n", world.rank(), world.count(), world.host(), failure).c_str(),
      stderr);
  world.abort(1);
  return error(Code::cancelled, "{}", failure);
}

Result<Answer> perform(const RunOptions& options, const Common& common) {
  const api::Stopwatch watch;
  std::unique_ptr<mpi::World> world;
  if (options.mpi) {
    OBSCURA_TRY(world, mpi::start());
  }
  server::RunOptions how;
  how.memory = options.memory;
  how.resources = common.resources();
  how.signing_key = options.sign;
  if (options.resume) how.unfinished = server::RunOptions::Unfinished::resume;
  if (options.restart) how.unfinished = server::RunOptions::Unfinished::restart;
  how.before = [&](const server::Outlook& outlook) { note(outlook_text(outlook, options.memory), common.json); };
  server::Report report;
  {
    ProgressBar bar("run");
    how.progress = bar.callback();
    OBSCURA_TRY(report, world ? run_on_ranks(*world, options, how) : run(options, how));
  }
  if (world && world->rank() != 0) return Answer{};
  // Nothing was run where an earlier run ended just before its last file operation.
  const double milliseconds =
      1000 * report.run_seconds / static_cast<double>(std::max<std::uint64_t>(report.run_images, 1));
  Answer answer;
  answer.json = {{"output", options.output},
                 {"images", report.images},
                 {"batches", report.batches},
                 {"resumed_batches", report.resumed_batches},
                 {"resumed_steps", report.resumed_steps},
                 {"seconds", watch.seconds()},
                 {"load_seconds", report.load_seconds},
                 {"read_seconds", report.read_seconds},
                 {"run_seconds", report.run_seconds},
                 {"write_seconds", report.write_seconds},
                 {"milliseconds_per_image", milliseconds},
                 {"bytes", file_bytes(options.output)},
                 {"predicted_memory_bytes", report.memory_bytes},
                 {"peak_memory_bytes", peak_memory_bytes()}};
  if (world) answer.json["ranks"] = world->count();
  answer.text = fmt::format(
      "{}: answers for {}, {}\n"
      "load {:.2f} s, read {:.2f} s, run {:.2f} s ({:.3f} ms per image), write {:.2f} s; peak memory {}",
      options.output, api::plural(report.images, "image"), bytes_text(file_bytes(options.output)), report.load_seconds,
      report.read_seconds, report.run_seconds, milliseconds, report.write_seconds, bytes_text(peak_memory_bytes()));
  if (!options.trace) return answer;
  for (const run::StepTime& step : report.trace.steps) {
    const double predicted = step.predicted * static_cast<double>(report.batches);
    answer.json["steps"].push_back({{"operation", step.operation},
                                    {"origin", step.origin},
                                    {"seconds", step.seconds},
                                    {"predicted_core_seconds", predicted},
                                    {"limbs", step.limbs},
                                    {"log2_scale", std::log2(step.scale)}});
    const std::string beside = predicted > 0 ? fmt::format(" ({:.3f} core-seconds predicted)", predicted) : "";
    answer.text += fmt::format("\n{:9.3f} s{}  {:2} limbs  2^{:<5.1f} {:12} {}", step.seconds, beside, step.limbs,
                               std::log2(step.scale), step.operation, step.origin);
  }
  return answer;
}

}  // namespace

Action define_run(CLI::App& command, const Common& common) {
  teach(
      command,
      "The server's work: executes the plan on encrypted images, batch by batch, on all cores. It never sees the "
      "secret\n"
      "key; what is not for this plan and this key is refused before the work starts.\n"
      "Finished batches stand in OUT.partial until the last one is there. Where a run is stopped or killed, the same\n"
      "command with --resume continues after them; a batch that was not finished is run again. Of a plan for single\n"
      "images (compile --layout image) what was computed of an image stands in OUT.state, every few seconds, and\n"
      "--resume continues in the middle of it.\n"
      "On many machines: mpirun -n RANKS obscura run --mpi ..., or srun; each rank takes a batch at a time, and the "
      "last\n"
      "batches are shared by several. All see PLAN, E, IN and OUT; rank 0 writes. --resume takes any number of ranks.\n"
      "`obscura inspect PLAN --ranks 64` says how long it will take (docs/SCALING.md).",
      "obscura run swish4.plan --eval my.eval images.enc -o answer.enc",
      "The answer goes back to the client. Only who holds the secret key can read it: not the server.");
  auto options = std::make_shared<RunOptions>();
  command.add_option("PLAN", options->plan, "The plan")->required();
  command.add_option("IN", options->input, "Encrypted images (obscura encrypt)")->required();
  command.add_option("--eval", options->eval, "The client's evaluation keys (obscura keygen)")->required();
  command.add_option("-o,--out", options->output, "The encrypted answer to write")->required();
  add_memory(command, options->memory);
  command.add_option("--sign", options->sign, "Sign the answer with this key (obscura signkey)");
  command.add_flag("--trace", options->trace, "Print the time of every step (with --mpi: of rank 0)");
  command.add_flag("--mpi", options->mpi, "One of the ranks that mpirun or srun started");
  CLI::Option* resume =
      command.add_flag("--resume", options->resume, "Go on after the finished batches of a run that did not end");
  command.add_flag("--restart", options->restart, "Begin again where such a run left finished batches")
      ->excludes(resume);
  return [options, &common] { return perform(*options, common); };
}

}  // namespace obscura::cli
