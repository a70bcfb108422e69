// SPDX-License-Identifier: Apache-2.0
/// The state of a run in the middle of a batch, as a file: a header frame, then one record frame for each live
/// ciphertext (plan::Replay). Arrow: server::run -> server::run.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "ckks/context.h"
#include "ckks/values.h"
#include "plan/schedule.h"
#include "wire/frames.h"

namespace obscura::wire {

/// What stands in front of the records.
struct StateHeader {
  struct Live {
    plan::Element at;
    double scale = 0;  ///< as it was, not as the plan states it
    bool operator==(const Live&) const = default;
  };
  Binding binding;
  Digest inputs{};          ///< CiphertextReader::digest() of the inputs that the run answers
  std::uint64_t batch = 0;  ///< the one that the run is in, counted from 0
  std::uint64_t tasks = 0;  ///< of its schedule that are done
  std::vector<Live> live;   ///< ascending
  bool operator==(const StateHeader&) const = default;
};

/// The header frame, and back. errors: bad_format: a count outside of its bounds, elements out of order, no scale
base::Bytes write_state_header(const StateHeader& header);
Result<StateHeader> read_state_header(base::ByteView frame, const std::string& name);

/// Replaces the file, whole or not at all: it is written as base::partial_of(path) and renamed. `live` are as the
/// header says. threads: packs on all cores
/// errors  io; busy: another process writes it
Result<void> write_state_file(const std::filesystem::path& path, const ckks::Context& context,
                              const StateHeader& header, std::span<const ckks::Ciphertext* const> live);

/// Reads a file whose records are checked one by one, after its header and size were.
class StateReader {
 public:
  /// Reads the header. errors: bad_format, io
  static Result<StateReader> open(const std::filesystem::path& path);
  const StateHeader& header() const { return header_; }
  /// The live ciphertexts, each with the limbs and parts of its value in the plan, whose values the header names.
  /// threads: unpacks on all cores
  /// errors  bad_format: truncated, oversized, a damaged record, a residue that is not below its prime; io
  Result<std::vector<ckks::Ciphertext>> read(const ckks::Context& context, const plan::Plan& plan);

 private:
  StateReader(base::InputFile file, StateHeader header) : file_(std::move(file)), header_(std::move(header)) {}
  base::InputFile file_;
  StateHeader header_;
};

}  // namespace obscura::wire
