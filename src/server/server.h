// SPDX-License-Identifier: Apache-2.0
/// The server's side: a plan, somebody's evaluation keys, ciphertexts in, ciphertexts out. It links nothing
/// that could decrypt (tests/server holds the program to that).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/parallel.h"
#include "base/signing.h"
#include "ckks/context.h"
#include "ckks/values.h"
#include "plan/keys.h"
#include "run/engine.h"
#include "run/ranks.h"
#include "wire/plan_frame.h"

namespace obscura::server {

/// The order of a plan's work that keeps to a limit, and the memory that it takes.
struct Allotment {
  plan::Schedule schedule;
  std::uint64_t bytes = 0;  ///< of all at once
  std::uint64_t kept = 0;   ///< of them, for encoded diagonals
};

/// Batches that a session is made for.
enum class Batches {
  one,  ///< encoded diagonals are used once, so that none are kept
  many
};

/// `memory`: bytes that ciphertexts, keys, weights and encoded diagonals may take together; 0 = as the plan says. Where
/// that is less than the plan says, fewer diagonals are kept, and where that is not enough tasks are smaller, which
/// many cores share less well.
/// errors  infeasible: too little memory, with what is needed, for which step, and what else to do
Result<Allotment> allot(const plan::Plan& plan, std::uint64_t memory, Batches batches = Batches::many);

/// How a session is made, but for the plan and the keys.
struct SessionOptions {
  std::uint64_t memory = 0;  ///< see allot()
  Batches batches = Batches::many;
  run::MakeEngine engine = run::ckks_engine;  ///< chooses the backend
  std::shared_ptr<ckks::Resources> resources = ckks::Resources::make();
};

/// A plan and a client's keys, ready for batches on a backend.
class Session {
 public:
  /// errors  wrong_params: parameters are refused; missing_key: the plan needs a key that is not there; infeasible: too
  ///         little memory, with what is needed; those of options.engine
  static Result<Session> make(wire::NamedPlan plan, ckks::EvalKeys keys, const SessionOptions& options = {});
  /// With the plan's context and what plan::key_needs says of it, where the keys were read with them.
  static Result<Session> make(wire::NamedPlan plan, std::shared_ptr<const ckks::Context> context,
                              const ckks::KeyNeeds& needs, ckks::EvalKeys keys, const SessionOptions& options);

  /// The same plan for another client: tables, weights and encoded diagonals are shared.
  /// errors  missing_key
  Result<Session> with(ckks::EvalKeys keys) const;

  const plan::Plan& plan() const { return parts_.program->plan; }
  const plan::Schedule& schedule() const { return parts_.program->schedule; }
  std::shared_ptr<const ckks::Context> context() const { return parts_.context; }
  /// The keys that a client of the plan has.
  ckks::KeyNeeds key_needs() const;
  /// What ciphertexts, keys, weights and diagonals take at most while a batch runs.
  std::uint64_t memory() const { return memory_; }
  /// Of them, the keys: what one more client of this plan takes.
  std::uint64_t key_bytes() const;

  /// On the same backend and with the same keys, another order of work of this network: that of a rank's share.
  /// errors  those of the backend
  Result<std::shared_ptr<const run::Engine>> engine_for(plan::Plan plan, plan::Schedule schedule) const;
  /// Of memory(), what is not values: keys and weights.
  std::uint64_t fixed_bytes() const;

  /// One batch: the plan's input elements in, its logits out. Progress counts predicted work.
  /// errors  cancelled; those of saving.save. ContractError where the inputs or what was saved are not the plan's
  Result<std::vector<ckks::Ciphertext>> run_batch(std::vector<ckks::Ciphertext> inputs,
                                                  const base::Progress& progress = {}, run::Trace* trace = nullptr,
                                                  run::Saving<ckks::Ciphertext> saving = {}) const;
  /// The same for fresh ciphertexts; each seed is expanded.
  Result<std::vector<ckks::Ciphertext>> run_batch(std::vector<ckks::SeededCiphertext> inputs,
                                                  const base::Progress& progress = {},
                                                  run::Trace* trace = nullptr) const;

 private:
  Session(run::EngineParts parts, run::MakeEngine make_engine, std::shared_ptr<const run::Engine> engine,
          std::uint64_t memory)
      : parts_(std::move(parts)), make_engine_(std::move(make_engine)), engine_(std::move(engine)), memory_(memory) {}
  run::EngineParts parts_;
  run::MakeEngine make_engine_;
  std::shared_ptr<const run::Engine> engine_;
  std::uint64_t memory_ = 0;
};

/// A session with the keys of one client, read from a file or memory.
struct ClientSession {
  Session session;
  wire::Binding binding;  ///< of the plan and the client's key
};
/// errors  those of wire::read_eval_keys and Session::make
Result<ClientSession> make_session(const wire::NamedPlan& plan, base::InputFile& keys,
                                   const SessionOptions& options = {});

/// For another client of the same plan (Session::with). errors: those of wire::read_eval_keys and Session::with
Result<ClientSession> make_session(const ClientSession& of_the_plan, base::InputFile& keys);

/// For many users: what it leaves with the last of them goes back to the system (ckks::Resources::trim), also where
/// other sessions of the same resources go on.
std::shared_ptr<const ClientSession> share(ClientSession session);

/// Runs it on encrypted images, batch by batch, from and to files that are open, memory or a sink; nothing is kept for
/// a resume. Progress counts predicted work of all batches. With a signing key the answer is signed.
/// errors  io, bad_format, wrong_params: images of another plan or key; cancelled
Result<void> run(const ClientSession& client, base::InputFile in, base::OutputFile out,
                 const base::Progress& progress = {}, const base::SigningKey* signing = nullptr);

/// What lies before a run whose files have all passed their checks.
struct Outlook {
  std::uint64_t images = 0;
  std::uint64_t batches = 0;
  std::uint64_t done = 0;          ///< of the batches: finished by an earlier run
  std::size_t done_steps = 0;      ///< of the plan's steps in the next batch
  std::size_t steps = 0;           ///< of the plan
  std::uint64_t memory_bytes = 0;  ///< Session::memory(): it does not grow with the number of batches
};

struct Report {
  std::uint64_t images = 0;
  std::uint64_t batches = 0;
  std::uint64_t resumed_batches = 0;  ///< of them, finished by an earlier run
  std::size_t resumed_steps = 0;      ///< steps of the next batch that it finished
  std::uint64_t run_images = 0;       ///< images of the other batches: what the times are of
  std::uint64_t memory_bytes = 0;     ///< see Outlook
  double load_seconds = 0;            ///< plan, keys, tables, weights
  double read_seconds = 0;            ///< ciphertexts in: reading, checking, expanding
  double run_seconds = 0;             ///< the network
  double write_seconds = 0;           ///< ciphertexts out
  run::Trace trace;                   ///< by step, all batches together
};

/// Where ranks (run::Ranks) share a run, all of them call run() with the same arguments. Rank 0 alone reads the plan
/// and the keys, which it sends to the others, and writes the output; each rank reads its own part of the input. As
/// long as there are as many batches as ranks, each takes a whole one; then the ranks are dealt to the batches that are
/// left, and those of one batch share it (plan::Distribution) in the batch layout. In the image layout the first of
/// them runs it, and the others wait. Any number of ranks goes on with what any number left, and the answer is, byte
/// for byte, that of one. Rank 0's report is of the run; those of others have their own times. An error of one rank is
/// returned there alone: its caller must end the others.
struct RunOptions {
  bool overwrite = false;                     ///< of the output file
  std::uint64_t memory = 0;                   ///< see allot()
  base::Progress progress;                    ///< of the batches that are left
  run::MakeEngine engine = run::ckks_engine;  ///< chooses the backend
  /// Image layout: at least so long between two saves of the state of the batch that is run.
  double save_seconds = 2;
  /// What to do with the files of an earlier run that did not end (base::partial_of the output, state_of it).
  enum class Unfinished { refuse, resume, restart } unfinished = Unfinished::refuse;
  std::filesystem::path signing_key = {};           ///< signs the answer; none: it is not signed
  std::function<void(const Outlook&)> before = {};  ///< called once, before the first batch
  std::shared_ptr<ckks::Resources> resources = ckks::Resources::make();
  run::Ranks* ranks = nullptr;  ///< that share the run; none: this process is alone
};

/// Where the state of an unfinished run to `out` stands: out.state. Image layout only.
std::filesystem::path state_of(const std::filesystem::path& out);

/// Runs a plan on a file of encrypted images, one batch at a time. Everything that can be refused is refused
/// before the first batch: an existing output, keys or ciphertexts of another plan, ciphertexts of another key, sizes,
/// too little memory.
///
/// Each batch that is finished is on disk, in the partial file, before the next one begins; at the end that file
/// becomes the output. Where this is stopped or killed between, a run with Unfinished::resume continues after those
/// batches (and begins with the first where there are none). It answers byte for byte as one run would have: the server
/// draws no randomness.
///
/// In the image layout the batch that is run, a few images, is saved on the way too: what later steps read is on disk,
/// in the state file, after some of its steps (plan::save_points), at least save_seconds apart and below a twentieth of
/// the time. A resumed run continues after those steps. In the batch layout that would be gigabytes (docs/FORMATS.md).
///
/// errors  io, bad_format, wrong_params, missing_key, infeasible, busy, cancelled. Before a batch is finished or its
///         state saved, nothing stays of the output file then; after it, these files do, and the message says so.
Result<Report> run(const std::filesystem::path& plan, const std::filesystem::path& eval,
                   const std::filesystem::path& in, const std::filesystem::path& out, const RunOptions& options = {});
/// The same with a session that is loaded already; options.memory and options.engine are that session's.
Result<Report> run(const ClientSession& client, const std::filesystem::path& in, const std::filesystem::path& out,
                   const RunOptions& options);

}  // namespace obscura::server
