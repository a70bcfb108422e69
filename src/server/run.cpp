// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <optional>
#include <utility>

#include "server/server.h"
#include "wire/ciphertexts.h"
#include "wire/eval_keys.h"

namespace obscura::server {

namespace {

/// Adds the time of its scope to a number.
class Stopwatch {
 public:
  explicit Stopwatch(double& seconds) : seconds_(seconds) {}
  ~Stopwatch() { seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  double& seconds_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// A session and its two files, all checked against each other.
struct Job {
  Session session;
  wire::CiphertextReader reader;
  wire::CiphertextWriter writer;
};

wire::CiphertextHeader expected_input(const plan::Plan& plan, const wire::Binding& binding) {
  wire::CiphertextHeader header;
  header.binding = binding;
  header.log2_degree = static_cast<std::uint32_t>(plan.params.log2_degree);
  header.elements = plan.input.elements();
  header.limbs = plan.input.limbs;
  header.seeded = true;
  header.scale = plan.input.scale;
  return header;
}

wire::CiphertextHeader output_header(const plan::Plan& plan, const wire::CiphertextHeader& input) {
  const plan::ValueInfo last = plan.value(static_cast<plan::ValueId>(plan.steps.size()));
  wire::CiphertextHeader header = input;
  header.elements = last.elements;
  header.limbs = last.limbs;
  header.parts = last.parts;
  header.seeded = false;
  header.scale = last.scale;
  return header;
}

Result<Job> prepare(const std::filesystem::path& plan_path, const std::filesystem::path& eval_path,
                    const std::filesystem::path& in, const std::filesystem::path& out, const RunOptions& options) {
  OBSCURA_TRY(wire::NamedPlan named, wire::read_plan_file(plan_path));
  OBSCURA_TRY(const ckks::Params params, ckks::Params::make(named.plan.params));
  const auto tables = ckks::Context::make(params);
  OBSCURA_TRY(wire::NamedEvalKeys keys, wire::read_eval_keys_file(*tables, named.plan.keys, named.digest, eval_path));
  OBSCURA_TRY(auto reader, wire::CiphertextReader::open(in, wire::Kind::inputs));
  wire::CiphertextHeader expected = expected_input(named.plan, keys.binding);
  expected.images = reader.header().images;
  OBSCURA_TRY_VOID(reader.expect(tables, expected));
  const wire::CiphertextHeader header = output_header(named.plan, expected);
  OBSCURA_TRY(auto writer, wire::CiphertextWriter::create(out, wire::Kind::outputs, tables, header, options.overwrite));
  OBSCURA_TRY(Session session, Session::make(std::move(named), std::move(keys.keys), options.memory));
  return Job{std::move(session), std::move(reader), std::move(writer)};
}

Result<void> run_one(Job& job, Report& report, const base::Progress& progress) {
  std::vector<ckks::Ciphertext> inputs;
  {
    const Stopwatch watch(report.read_seconds);
    OBSCURA_TRY(inputs, job.reader.read(job.reader.header().elements));
  }
  std::vector<ckks::Ciphertext> outputs;
  {
    const Stopwatch watch(report.run_seconds);
    OBSCURA_TRY(outputs, job.session.run_batch(std::move(inputs), progress, &report.trace));
  }
  const Stopwatch watch(report.write_seconds);
  return job.writer.write(outputs);
}

}  // namespace

Result<Report> run(const std::filesystem::path& plan, const std::filesystem::path& eval,
                   const std::filesystem::path& in, const std::filesystem::path& out, const RunOptions& options) {
  Report report;
  std::optional<Job> job;
  {
    const Stopwatch watch(report.load_seconds);
    OBSCURA_TRY(job, prepare(plan, eval, in, out, options));
  }
  report.images = job->reader.header().images;
  report.batches = job->reader.header().batches();
  for (std::uint64_t batch = 0; batch < report.batches; ++batch) {
    const base::Progress overall = [&](std::size_t done, std::size_t total) {
      return !options.progress || options.progress(batch * total + done, report.batches * total);
    };
    OBSCURA_TRY_VOID(run_one(*job, report, overall));
  }
  OBSCURA_TRY_VOID(job->writer.commit());
  return report;
}

}  // namespace obscura::server
