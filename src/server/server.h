// SPDX-License-Identifier: Apache-2.0
/// The server's side: a plan, somebody's evaluation keys, ciphertexts in, ciphertexts out. It links nothing
/// that could decrypt (tests/server holds the program to that).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "base/parallel.h"
#include "ckks/context.h"
#include "ckks/values.h"
#include "run/execute.h"
#include "wire/plan_frame.h"

namespace obscura::server {

/// A plan and a client's keys, ready for batches.
class Session {
 public:
  /// `memory`: bytes that ciphertexts, keys and weights may take together; 0 = as the plan says. Less memory makes
  /// smaller tasks, which many cores share less well.
  /// errors  wrong_params: parameters are refused; missing_key: the plan needs a key that is not there; infeasible: too
  ///         little memory, with what is needed
  static Result<Session> make(wire::NamedPlan plan, ckks::EvalKeys keys, std::uint64_t memory = 0);

  const plan::Plan& plan() const { return model_->plan(); }
  std::shared_ptr<const ckks::Context> context() const { return context_; }

  /// One batch: the plan's input elements in, its logits out. Progress counts predicted work.
  /// errors  cancelled. ContractError where the inputs are not the plan's
  Result<std::vector<ckks::Ciphertext>> run_batch(std::vector<ckks::Ciphertext> inputs,
                                                  const base::Progress& progress = {},
                                                  run::Trace* trace = nullptr) const;
  /// The same for fresh ciphertexts; each seed is expanded.
  Result<std::vector<ckks::Ciphertext>> run_batch(std::vector<ckks::SeededCiphertext> inputs,
                                                  const base::Progress& progress = {},
                                                  run::Trace* trace = nullptr) const;

 private:
  Session(std::shared_ptr<const ckks::Context> context, run::EncodedModel model, ckks::EvalKeys keys);
  std::shared_ptr<const ckks::Context> context_;
  std::shared_ptr<const run::EncodedModel> model_;
  std::shared_ptr<const ckks::EvalKeys> keys_;
};

struct Report {
  std::uint64_t images = 0;
  std::uint64_t batches = 0;
  double load_seconds = 0;   ///< plan, keys, tables, weights
  double read_seconds = 0;   ///< ciphertexts in: reading, checking, expanding
  double run_seconds = 0;    ///< the network
  double write_seconds = 0;  ///< ciphertexts out
  run::Trace trace;          ///< by step, all batches together
};

struct RunOptions {
  bool overwrite = false;    ///< of the output file
  std::uint64_t memory = 0;  ///< see Session::make
  base::Progress progress;
};

/// Runs a plan on a file of encrypted images, one batch at a time. Everything that can be refused is refused
/// before the first batch: an existing output, keys or ciphertexts of another plan, ciphertexts of another key, sizes,
/// too little memory.
/// errors  io, bad_format, wrong_params, missing_key, infeasible, cancelled. Nothing stays of the output file then.
Result<Report> run(const std::filesystem::path& plan, const std::filesystem::path& eval,
                   const std::filesystem::path& in, const std::filesystem::path& out, const RunOptions& options = {});

}  // namespace obscura::server
