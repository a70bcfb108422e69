// SPDX-License-Identifier: Apache-2.0
/// The ranks of a run (RunOptions::ranks), from the view of one of them.
#pragma once

#include <optional>

#include "plan/share.h"
#include "run/ranks.h"
#include "server/server.h"
#include "wire/ciphertexts.h"

namespace obscura::server {

/// Rank 0's file, on every rank. errors (io), on rank 0: those of base::read_file
Result<base::Bytes> read_on_rank_0(run::Ranks& ranks, const std::filesystem::path& path);

class Crew {
 public:
  /// `ranks` outlive this.
  Crew(run::Ranks& ranks, Session session);

  /// What one rank does in a round: a batch, alone or with the others of [first, end).
  struct Part {
    std::uint64_t batch = 0;
    std::size_t first = 0;
    std::size_t end = 1;
    bool operator==(const Part&) const = default;
  };
  /// Batches that all ranks together take next, of so many that are left: one each, or all of them.
  std::uint64_t round(std::uint64_t left) const;
  /// Of the round that begins with batch `next`; rank 0 has batch `next`.
  Part part(std::uint64_t next, std::uint64_t left) const;
  /// The rank that gets the outputs of the batch k of a round, counted from 0.
  std::size_t leader(std::uint64_t left, std::uint64_t k) const;
  bool leads(const Part& part) const { return part.first == ranks_->rank(); }

  /// This rank's inputs of its part; the others' elements are absent. errors: those of the reader
  Result<std::vector<ckks::Ciphertext>> read(wire::CiphertextReader& reader, const Part& part);
  /// The outputs, where this rank leads the part. `saving` is of a batch that this rank runs alone.
  Result<std::vector<ckks::Ciphertext>> run(const Part& part, std::vector<ckks::Ciphertext> inputs,
                                            const base::Progress& progress, run::Trace* trace,
                                            run::Saving<ckks::Ciphertext> saving);
  /// Outputs of a part, to rank 0; and on rank 0, from the rank that leads it.
  void give(std::span<const ckks::Ciphertext> outputs);
  Result<std::vector<ckks::Ciphertext>> take(std::size_t from);

  /// What a rank has in memory at most, in a round with so many batches left.
  Result<std::uint64_t> memory(std::uint64_t left);

 private:
  struct Shared {
    std::size_t ranks = 0;
    std::size_t index = 0;  ///< of this rank, among them
    std::uint64_t bytes = 0;
    plan::Share share;
    std::shared_ptr<const run::Engine> engine;
  };
  bool shares(const Part& part) const;
  Result<const Shared*> shared(const Part& part);
  std::uint32_t tag(plan::Element at) const;
  base::Bytes pack(const ckks::Ciphertext& x) const;
  Result<ckks::Ciphertext> unpack(plan::ValueId id, base::ByteView bytes, std::size_t from) const;
  Result<std::vector<ckks::Ciphertext>> receive(std::span<const plan::Transfer> wanted, std::size_t first);
  run::Ranks* ranks_;
  Session session_;
  std::optional<Shared> shared_;  ///< of the last part that is shared
};

}  // namespace obscura::server
