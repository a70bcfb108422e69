// SPDX-License-Identifier: Apache-2.0
/// What was published under a key: all of it together has to leave the bits that were promised.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

#include "client/publish.h"
#include "wire/frames.h"

namespace obscura::client {

/// The ledger that belongs to a secret key's file.
std::filesystem::path ledger_of(const std::filesystem::path& secret);

/// One line of text for each publication, held by one process at a time.
class Ledger {
 public:
  /// Makes it where there is none.
  /// errors  io; bad_format: a line that is none of a ledger; wrong_params: of another key; busy: another process holds
  ///         it
  static Result<Ledger> open(const std::filesystem::path& path, const wire::KeyId& key);
  Ledger(Ledger&& other) noexcept;
  Ledger& operator=(Ledger&& other) noexcept;
  ~Ledger();

  /// The sum of 12 k s^2 / sigma^2 over all publications: k numbers with encryption noise s under noise sigma. 2^-b of
  /// it is what b bits allow.
  const Earlier& earlier() const { return earlier_; }
  /// Brings a publication to disk.
  /// errors  io
  Result<void> add(const wire::Nonce& request, std::size_t numbers, double spent);

 private:
  Ledger() = default;
  Result<void> read(const wire::KeyId& key);
  Result<void> append(const std::string& line) const;
  std::filesystem::path path_;
  int descriptor_ = -1;
  Earlier earlier_;
};

/// What may be shown of an answer.
struct Publication {
  Published published;
  std::size_t publications = 0;        ///< of this key, with it
  std::optional<std::size_t> changed;  ///< images whose labels are other than the exact ones; of values nothing
};

/// Publishes and enters it in the ledger, so that what is given counts whether it is shown or not.
/// errors  those of publish and Ledger
Result<Publication> publish_once(const Logits& exact, const plan::OutputSpec& output,
                                 const std::filesystem::path& ledger, int bits);

}  // namespace obscura::client
