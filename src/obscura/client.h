// SPDX-License-Identifier: Apache-2.0
/// The client's side: whoever has images that nobody else may see. It knows nothing of layers and weights.
///
///   offer (of the server) -> keys -> encrypted images -> (server) -> encrypted logits -> labels
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "obscura/io.h"

namespace obscura {

/// What a server says of one of its networks: what a client needs to make keys and encrypt.
class OBSCURA_API Offer {
 public:
  /// errors  io; bad_format: damaged; wrong_params: parameters below 128 bits of security
  static Result<Offer> read(const Source& source);

  const std::string& network() const;
  std::size_t channels() const;
  std::size_t height() const;
  std::size_t width() const;
  /// Numbers of one image, C*H*W.
  std::size_t image_size() const { return channels() * height() * width(); }
  std::size_t classes() const;
  /// The name of a class; its number where it has none.
  std::string class_name(std::uint32_t label) const;
  /// What the outputs say of an image: "one" label, "several" labels, a "binary" one, or "values".
  std::string answer() const;
  /// B: images that one batch of ciphertexts holds.
  std::size_t images_at_once() const;
  /// The predicted standard deviation of a logit's error by encryption.
  double logit_error() const;
  /// What the offer asks for: bytes of the evaluation keys, known before the first one is made.
  std::uint64_t key_bytes() const;
  /// The file that read() takes, without a signature.
  Bytes bytes() const;

 private:
  friend class Client;
  struct Internal;
  explicit Offer(std::shared_ptr<const Internal> internal) : internal_(std::move(internal)) {}
  std::shared_ptr<const Internal> internal_;
};

/// Decrypted logits and what they say.
struct Answer {
  std::size_t images = 0;
  std::size_t classes = 0;
  std::vector<float> logits;  ///< images x classes, row-major
  /// Of each image the labels that its logits choose: one; of an answer of several labels any number.
  std::vector<std::vector<std::uint32_t>> labels;
  /// Of each image how likely each class is; none where the outputs are plain values.
  std::vector<std::vector<double>> probabilities;
  /// The label of one image; ContractError where there is other than one.
  OBSCURA_API std::uint32_t label(std::size_t image) const;
};

/// A secret key for one offer, and what is done with it.
/// threads: all cores, through threads of the C++ runtime
class OBSCURA_API Client {
 public:
  /// A fresh key. errors: wrong_params where the offer's parameters are refused
  static Result<Client> generate(const Offer& offer);
  /// The key of a file that save() wrote. errors: io, bad_format, wrong_params: a key for another plan
  static Result<Client> load(const Offer& offer, const std::filesystem::path& secret);
  /// Writes the secret key to a file that only its owner may read. Whoever has it decrypts everything.
  Result<void> save(const std::filesystem::path& secret, bool overwrite = false) const;

  const Offer& offer() const { return offer_; }
  /// The evaluation keys, for the server: made and written one at a time. Progress counts keys.
  /// errors  infeasible: the offer asks for more than `max_bytes` of keys; io; cancelled
  Result<void> write_keys(const Sink& sink, const Progress& progress = {},
                          std::uint64_t max_bytes = 4'000'000'000) const;
  /// Images of C*H*W values in units of pixel / 255, 0 to 1, one after the other: whole batches and a last one that may
  /// be partly empty. Progress counts ciphertexts. errors: wrong_params: no image, or not whole images; io, cancelled
  Result<void> encrypt(std::span<const float> images, const Sink& sink, const Progress& progress = {}) const;
  /// The server's answer. Progress counts batches.
  /// errors  io, bad_format, wrong_params: made for another plan or key, or values that overflowed; cancelled
  Result<Answer> decrypt(const Source& source, const Progress& progress = {}) const;

 private:
  struct Internal;
  Client(Offer offer, std::shared_ptr<const Internal> internal)
      : offer_(std::move(offer)), internal_(std::move(internal)) {}
  Offer offer_;
  std::shared_ptr<const Internal> internal_;
};

}  // namespace obscura
