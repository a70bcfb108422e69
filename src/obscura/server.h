// SPDX-License-Identifier: Apache-2.0
/// The server's side: a plan, clients' evaluation keys, encrypted images in, encrypted logits out. Nothing here can
/// decrypt.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "obscura/io.h"

namespace obscura {

/// One client's evaluation keys, read and ready. Copies share them.
class OBSCURA_API EvaluationKeys {
 public:
  /// Bytes that the plan's weights, these keys and a batch's ciphertexts take at most while it runs.
  std::uint64_t memory() const;

 private:
  friend class Server;
  struct Internal;
  explicit EvaluationKeys(std::shared_ptr<const Internal> internal) : internal_(std::move(internal)) {}
  std::shared_ptr<const Internal> internal_;
};

/// A compiled network.
class OBSCURA_API Server {
 public:
  struct Options {
    /// Bytes that ciphertexts, keys, weights and encoded diagonals may take together; 0: as the plan says.
    std::uint64_t memory = 0;
  };
  /// errors  io; bad_format, unsupported, wrong_params: what plan::verify says
  static Result<Server> open(const Source& plan, const Options& options);
  static Result<Server> open(const Source& plan) { return open(plan, {}); }

  const std::string& network() const;
  std::size_t images_at_once() const;
  /// Predicted time of one batch on one core of the machine that compiled.
  double predicted_seconds() const;
  /// The offer: what clients need, without weights and layers.
  Bytes offer() const;

  /// errors  io; bad_format; wrong_params: keys of another plan; missing_key; infeasible: too little memory
  Result<EvaluationKeys> read_keys(const Source& source) const;
  /// Encrypted images to encrypted logits, batch by batch. Progress counts predicted work of all batches.
  /// errors  io; bad_format; wrong_params: of another plan or key; cancelled
  Result<void> run(const EvaluationKeys& keys, const Source& images, const Sink& logits,
                   const Progress& progress = {}) const;

 private:
  struct Internal;
  explicit Server(std::shared_ptr<const Internal> internal) : internal_(std::move(internal)) {}
  std::shared_ptr<const Internal> internal_;
};

}  // namespace obscura
