// SPDX-License-Identifier: Apache-2.0
/// The client's side: keys, images in, logits out. Works from an offer; knows nothing of layers and weights.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/parallel.h"
#include "ckks/context.h"
#include "ckks/values.h"
#include "plan/keys.h"
#include "secret/eval_keys.h"
#include "wire/frames.h"

namespace obscura::client {

/// (value - mean[c]) / deviation[c]: what the network is fed. `values`: images of C*H*W numbers in units of pixel /
/// 255, 0 to 1, one after the other.
std::vector<float> normalise(const plan::InputSpec& input, std::span<const float> values);

/// A secret key for one offer.
class Client {
 public:
  /// A fresh key. errors: wrong_params where the offer's parameters are refused
  static Result<Client> generate(const plan::Offer& offer);
  /// The key of a file. errors: io, bad_format, wrong_params: a key for another plan
  static Result<Client> load(const plan::Offer& offer, const std::filesystem::path& secret);

  /// What ties everything that this client makes to its plan and key.
  const wire::Binding& binding() const { return binding_; }
  const plan::Offer& offer() const { return offer_; }
  std::shared_ptr<const ckks::Context> context() const { return context_; }
  std::size_t slots() const { return context_->params().slots(); }
  /// Images that one batch of ciphertexts holds.
  std::size_t images_at_once() const { return offer_.images_at_once(); }

  /// Every key that the offer asks for. errors: as plan::make_bootstrapper
  Result<ckks::KeyNeeds> key_needs() const;
  /// They, for the server: one after the other, in the order of a file of them. errors: the sink's
  Result<void> make_eval_keys(const ckks::KeyNeeds& needs, const secret::KeySink& sink) const;
  /// All of them in memory. errors: ContractError where the offer's bootstrapping is refused
  ckks::EvalKeys make_eval_keys() const;
  /// The secret key's frame: seed, key id, plan digest. Whoever has it decrypts everything.
  base::Bytes secret_frame() const;

  /// One batch: up to images_at_once() images of C*H*W values each, as for normalise, in the offer's layout.
  /// errors   wrong_params: no image, too many, or values that are not whole images; cancelled
  /// threads  all cores
  Result<std::vector<ckks::SeededCiphertext>> encrypt(std::span<const float> values,
                                                      const base::Progress& progress = {}) const;
  /// The ciphertexts [first, first + count) of such a batch.
  std::vector<ckks::SeededCiphertext> encrypt_elements(std::span<const float> values, std::size_t first,
                                                       std::size_t count) const;
  /// One batch back: images x classes logits, row-major; NaN where a value has overflowed on the way. Then every image
  /// of the batch has lost its logits of that class, even if one image alone was unlike those of the calibration.
  /// errors   ContractError where the ciphertexts are not the offer's output
  std::vector<float> decrypt(std::span<const ckks::Ciphertext> outputs, std::size_t images) const;

 private:
  Client(plan::Offer offer, std::shared_ptr<const ckks::Context> context, secret::SecretKey secret,
         const wire::KeyId& key);
  /// What one ciphertext of a batch encrypts.
  std::vector<double> slots_of(std::span<const float> images, std::size_t ciphertext) const;
  plan::Offer offer_;
  plan::Packing packing_;
  std::shared_ptr<const ckks::Context> context_;
  secret::SecretKey secret_;
  wire::Binding binding_;
};

/// Makes a key pair of files: the secret key (mode 0600), and the evaluation keys for the server. Both or none.
/// Holds one key at a time. Progress counts evaluation keys.
/// errors  io: a path exists already (unless overwrite), cannot be written; wrong_params; cancelled
Result<void> keygen(const plan::Offer& offer, const std::filesystem::path& secret, const std::filesystem::path& eval,
                    bool overwrite = false, const base::Progress& progress = {});

/// Images that are fetched when their batch is due.
struct ImageSource {
  std::uint64_t count = 0;
  /// Images [first, first + count), C*H*W values each, as for normalise.
  std::function<Result<std::vector<float>>(std::uint64_t first, std::size_t count)> read;
};

/// Encrypts images into a file of ceil(images / images_at_once) batches: holds the values of one batch and a few
/// ciphertexts at a time. Progress counts ciphertexts. errors  as Client::load, Client::encrypt and the source; io;
/// cancelled. Nothing stays of the file then.
Result<void> encrypt(const plan::Offer& offer, const std::filesystem::path& secret, const ImageSource& images,
                     const std::filesystem::path& out, bool overwrite = false, const base::Progress& progress = {});
/// The same of images in memory, one after the other.
Result<void> encrypt(const plan::Offer& offer, const std::filesystem::path& secret, std::span<const float> values,
                     const std::filesystem::path& out, bool overwrite = false, const base::Progress& progress = {});

struct Logits {
  std::size_t images = 0;
  std::size_t classes = 0;
  std::vector<float> values;  ///< images x classes, row-major
};

/// Decrypts a server's answer. Progress counts batches.
/// errors  io, bad_format, wrong_params: made for another plan or with another key, or values that overflowed
Result<Logits> decrypt(const plan::Offer& offer, const std::filesystem::path& secret, const std::filesystem::path& in,
                       const base::Progress& progress = {});

}  // namespace obscura::client
