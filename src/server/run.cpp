// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "server/crew.h"
#include "server/headers.h"
#include "server/saver.h"
#include "server/server.h"
#include "wire/ciphertexts.h"
#include "wire/eval_keys.h"
#include "wire/signature.h"

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
  std::filesystem::path out;
  std::optional<Crew> crew;                      ///< with ranks
  std::optional<wire::CiphertextWriter> writer;  ///< but on ranks other than 0
  std::optional<Saver> saver;                    ///< likewise, in the image layout
  std::uint64_t done = 0;                        ///< batches that an earlier run finished
};

bool is_there(const std::filesystem::path& path) {
  return std::filesystem::exists(std::filesystem::symlink_status(path));
}

constexpr base::OutputFile::Options output_options(const RunOptions& options) {
  return {.overwrite = options.overwrite,
          .resumable = true,
          .restart = options.unfinished == RunOptions::Unfinished::restart};
}

/// The output, to be written from its first batch or after what an earlier run finished.
Result<wire::CiphertextWriter> open_output(const std::filesystem::path& out,
                                           const std::shared_ptr<const ckks::Context>& context,
                                           const wire::CiphertextHeader& header, const RunOptions& options) {
  using Unfinished = RunOptions::Unfinished;
  const std::filesystem::path partial = base::partial_of(out);
  const bool there = is_there(partial);
  const bool saved = is_there(state_of(out));
  if ((there || saved) && options.unfinished == Unfinished::refuse) {
    return error(Code::io, "{}: an earlier run to {} did not end; --resume goes on with it, --restart begins again",
                 (there ? partial : state_of(out)).string(), out.string());
  }
  if (!there || options.unfinished == Unfinished::restart) {
    return wire::CiphertextWriter::create(out, wire::Kind::outputs, context, header, output_options(options));
  }
  auto writer = wire::CiphertextWriter::resume(out, wire::Kind::outputs, context, header, output_options(options));
  if (writer || writer.error().code == Code::io || writer.error().code == Code::busy) return writer;
  return error(writer.error().code, "{}; --resume cannot go on with it, --restart begins again",
               writer.error().message);
}

/// Where the batch after those that are written is saved, with what an earlier run saved of it.
Result<Saver> open_state(const Session& session, const std::filesystem::path& out, const wire::CiphertextHeader& header,
                         wire::CiphertextWriter& writer, const RunOptions& options) {
  Saver saver(session, out, header.binding, header.inputs, options.save_seconds);
  if (options.unfinished == RunOptions::Unfinished::restart) saver.drop();
  if (const auto loaded = saver.load(writer.batches()); !loaded) {
    return error(loaded.error().code,
                 "{}; without it --resume continues after {} finished batches, --restart begins again",
                 loaded.error().message, writer.batches());
  }
  if (saver.steps() > 0) OBSCURA_TRY_VOID(writer.keep());
  return saver;
}

/// The inputs, held to a plan and a client's key.
Result<wire::CiphertextReader> open_input(const std::filesystem::path& in, const plan::Plan& plan,
                                          const wire::Binding& binding,
                                          const std::shared_ptr<const ckks::Context>& context) {
  OBSCURA_TRY(auto reader, wire::CiphertextReader::open(in, wire::Kind::inputs));
  wire::CiphertextHeader expected = expected_input(plan, binding);
  expected.images = reader.header().images;
  expected.request = reader.header().request;
  OBSCURA_TRY_VOID(reader.expect(context, expected));
  return reader;
}

/// All ranks read one file, and know how much of it is done.
Result<void> agree(Job& job, run::Ranks& ranks) {
  const base::Bytes own = wire::write_header(wire::Kind::inputs, job.reader.header());
  base::Writer said;
  said.u64(job.done);
  said.raw(own);
  base::Bytes bytes = said.take();
  ranks.broadcast(bytes);
  base::Reader r(bytes);
  job.done = r.u64();
  if (const base::ByteView first = r.raw(r.remaining());
      !std::equal(first.begin(), first.end(), own.begin(), own.end())) {
    return error(Code::wrong_params, "{}: another file here than on rank 0; all ranks need to see one file",
                 job.reader.name());
  }
  return {};
}

Result<Job> prepare(Session session, wire::CiphertextReader reader, const std::filesystem::path& out,
                    const RunOptions& options) {
  Job job{std::move(session), std::move(reader), out, {}, {}, {}, 0};
  if (options.ranks == nullptr || options.ranks->rank() == 0) {
    wire::CiphertextHeader header = output_header(job.session.plan(), job.reader.header());
    OBSCURA_TRY(header.inputs, job.reader.digest());
    OBSCURA_TRY(job.writer, open_output(out, job.session.context(), header, options));
    job.done = job.writer->batches();
    if (!plan::is_batch(job.session.plan())) {
      OBSCURA_TRY(job.saver, open_state(job.session, out, header, *job.writer, options));
    }
  }
  if (options.ranks != nullptr) {
    OBSCURA_TRY_VOID(agree(job, *options.ranks));
    job.crew.emplace(*options.ranks, job.session);
  }
  OBSCURA_TRY_VOID(job.reader.seek_batch(job.done));
  return job;
}

Result<wire::NamedPlan> read_plan(const std::filesystem::path& path, run::Ranks* ranks) {
  if (ranks == nullptr) return wire::read_plan_file(path);
  OBSCURA_TRY(const base::Bytes bytes, read_on_rank_0(*ranks, path));
  return wire::read_plan(bytes, path.string());
}

Result<wire::NamedEvalKeys> read_keys(const ckks::Context& context, const ckks::KeyNeeds& needs,
                                      const std::filesystem::path& path, run::Ranks* ranks) {
  if (ranks == nullptr) return wire::read_eval_keys_file(context, needs, path);
  OBSCURA_TRY(const base::Bytes bytes, read_on_rank_0(*ranks, path));
  base::InputFile file = base::InputFile::of_memory(bytes, path.string());
  return wire::read_eval_keys(context, needs, file);
}

Result<Job> prepare(const std::filesystem::path& plan_path, const std::filesystem::path& eval_path,
                    const std::filesystem::path& in, const std::filesystem::path& out, const RunOptions& options) {
  OBSCURA_TRY(wire::NamedPlan named, read_plan(plan_path, options.ranks));
  OBSCURA_TRY(const auto bootstrapper, plan::make_bootstrapper(named.plan.bootstrap, options.resources));
  OBSCURA_TRY(const auto tables, plan::make_context(named.plan.params, bootstrapper, options.resources));
  const ckks::KeyNeeds needs = plan::key_needs(*tables, named.plan.keys, bootstrapper);
  OBSCURA_TRY(wire::NamedEvalKeys keys, read_keys(*tables, needs, eval_path, options.ranks));
  OBSCURA_TRY(auto reader, open_input(in, named.plan, {named.digest, keys.name.key}, tables));
  const Batches batches = reader.header().batches() > 1 ? Batches::many : Batches::one;
  OBSCURA_TRY(Session session, Session::make(std::move(named), tables, needs, std::move(keys.keys),
                                             {options.memory, batches, options.engine}));
  return prepare(std::move(session), std::move(reader), out, options);
}

/// The next batch, or with ranks this rank's part of the next round.
Result<std::vector<ckks::Ciphertext>> run_part(Job& job, Report& report, const base::Progress& progress,
                                               const Crew::Part& part) {
  std::vector<ckks::Ciphertext> inputs;
  {
    const Stopwatch watch(report.read_seconds);
    if (job.crew) {
      OBSCURA_TRY(inputs, job.crew->read(job.reader, part));
    } else {
      OBSCURA_TRY(inputs, job.reader.read(job.reader.header().elements));
    }
  }
  const Stopwatch watch(report.run_seconds);
  run::Saving<ckks::Ciphertext> saving;
  if (job.saver) saving = job.saver->saving(part.batch, [&] { return job.writer->keep(); });
  if (job.crew) return job.crew->run(part, std::move(inputs), progress, &report.trace, std::move(saving));
  return job.session.run_batch(std::move(inputs), progress, &report.trace, std::move(saving));
}

Result<void> write_batch(Job& job, Report& report, std::span<const ckks::Ciphertext> outputs) {
  const Stopwatch watch(report.write_seconds);
  OBSCURA_TRY_VOID(job.writer->write(outputs));
  OBSCURA_TRY_VOID(job.writer->keep());
  if (job.saver) job.saver->drop();
  return {};
}

/// All batches that are left; counts those that are on disk in `finished`.
Result<void> run_batches(Job& job, Report& report, const base::Progress& progress, std::uint64_t& finished) {
  const std::uint64_t all = report.batches - finished;
  const std::uint64_t before = job.saver ? job.saver->loaded_work() : 0;
  while (finished < report.batches) {
    const std::uint64_t next = finished, left = report.batches - next;
    const std::uint64_t round = job.crew ? job.crew->round(left) : 1;
    const base::Progress overall = [&](std::size_t done, std::size_t total) {
      return !progress || progress((all - left) * total + round * done - before, all * total - before);
    };
    const Crew::Part part = job.crew ? job.crew->part(next, left) : Crew::Part{next};
    OBSCURA_TRY(std::vector<ckks::Ciphertext> outputs, run_part(job, report, overall, part));
    for (std::uint64_t k = 0; k < round; ++k) {
      if (k > 0) {
        const Stopwatch watch(report.run_seconds);
        OBSCURA_TRY(outputs, job.crew->take(job.crew->leader(left, k)));
      }
      OBSCURA_TRY_VOID(write_batch(job, report, outputs));
      ++finished;
    }
  }
  return {};
}

/// On a rank other than 0: its parts of all rounds.
Result<Report> follow(Job& job, Report report, const base::Progress& progress) {
  for (std::uint64_t next = job.done; next < report.batches;) {
    const std::uint64_t left = report.batches - next;
    const Crew::Part part = job.crew->part(next, left);
    OBSCURA_TRY(const std::vector<ckks::Ciphertext> outputs, run_part(job, report, progress, part));
    if (job.crew->leads(part)) job.crew->give(outputs);
    next += job.crew->round(left);
  }
  return report;
}

/// The batches of a job that is ready; `report` may have times already.
Result<Report> run(Job& job, Report report, const RunOptions& options, const base::SigningKey* signing) {
  const wire::CiphertextHeader& header = job.reader.header();
  report.images = header.images;
  report.batches = header.batches();
  report.resumed_batches = job.done;
  report.run_images = header.images - std::min(header.images, report.resumed_batches * header.images_at_once);
  report.memory_bytes = job.session.memory();
  if (job.crew && job.done < report.batches) {
    OBSCURA_TRY(report.memory_bytes, job.crew->memory(report.batches - job.done));
  }
  if (!job.writer) return follow(job, std::move(report), options.progress);
  report.resumed_steps = job.saver ? job.saver->steps() : 0;
  if (options.before) {
    options.before({report.images, report.batches, report.resumed_batches, report.resumed_steps,
                    job.session.plan().steps.size(), report.memory_bytes});
  }
  std::uint64_t finished = report.resumed_batches;
  if (const auto ran = run_batches(job, report, options.progress, finished); !ran) {
    const std::size_t steps = job.saver ? job.saver->steps() : 0;
    if (finished == 0 && steps == 0) return ran.error();
    const std::string next =
        steps == 0 ? "" : fmt::format(" and {} of {} steps of the next", steps, job.session.plan().steps.size());
    const std::string also = steps == 0 ? "" : " and " + state_of(job.out).string();
    return error(ran.error().code,
                 "{}; {} of {} batches{} are finished and stay in {}{}: --resume continues after them",
                 ran.error().message, finished, report.batches, next, base::partial_of(job.out).string(), also);
  }
  if (job.saver) job.saver->drop();
  OBSCURA_TRY_VOID(job.writer->commit(signing));
  return report;
}

Result<std::optional<base::SigningKey>> signing_key(const RunOptions& options) {
  if (options.signing_key.empty()) return std::optional<base::SigningKey>();
  OBSCURA_TRY(base::SigningKey key, wire::read_signing_key_file(options.signing_key));
  return std::optional<base::SigningKey>(std::move(key));
}

}  // namespace

Result<Report> run(const std::filesystem::path& plan, const std::filesystem::path& eval,
                   const std::filesystem::path& in, const std::filesystem::path& out, const RunOptions& options) {
  Report report;
  std::optional<base::SigningKey> signing;
  std::optional<Job> job;
  {
    const Stopwatch watch(report.load_seconds);
    OBSCURA_TRY(signing, signing_key(options));
    OBSCURA_TRY(job, prepare(plan, eval, in, out, options));
  }
  return run(*job, std::move(report), options, signing ? &*signing : nullptr);
}

Result<Report> run(const ClientSession& client, const std::filesystem::path& in, const std::filesystem::path& out,
                   const RunOptions& options) {
  const Session& session = client.session;
  OBSCURA_TRY(const std::optional<base::SigningKey> signing, signing_key(options));
  OBSCURA_TRY(auto reader, open_input(in, session.plan(), client.binding, session.context()));
  OBSCURA_TRY(Job job, prepare(session, std::move(reader), out, options));
  return run(job, {}, options, signing ? &*signing : nullptr);
}

}  // namespace obscura::server
