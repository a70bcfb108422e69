// SPDX-License-Identifier: Apache-2.0
/// The client's side: keys, images in, logits out. Works from an offer; knows nothing of layers and weights.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "ckks/context.h"
#include "ckks/values.h"
#include "client/secret_file.h"
#include "plan/keys.h"
#include "secret/eval_keys.h"
#include "wire/frames.h"

namespace obscura::client {

/// (value - mean[c]) / deviation[c]: what the network is fed. `values`: images of C*H*W numbers in units of pixel /
/// 255, 0 to 1, one after the other.
std::vector<float> normalise(const plan::InputSpec& input, std::span<const float> values);

/// Where a secret key is, and how its passphrase is asked for.
struct SecretSource {
  SecretSource(std::filesystem::path file, PassphraseSource source = {})
      : path(std::move(file)), passphrase(std::move(source)) {}
  std::filesystem::path path;
  PassphraseSource passphrase;
  /// Besides what the key's file says: whose offers and answers alone are taken.
  std::optional<base::VerifyKey> trust = {};
};

/// A secret key, and an offer that it is for.
class Client {
 public:
  /// A fresh key. errors: wrong_params where the offer's parameters are refused
  static Result<Client> generate(const plan::Offer& offer,
                                 std::shared_ptr<ckks::Resources> resources = ckks::Resources::make());
  /// The key of a file. errors: io, bad_format, wrong_params: a key for other parameters, or an offer that is not of
  /// whom it trusts
  static Result<Client> load(const plan::Offer& offer, const SecretSource& secret,
                             std::shared_ptr<ckks::Resources> resources = ckks::Resources::make());

  /// The key of a file that was read (read_secret), wherever from; `name` stands in messages. errors: wrong_params, as
  /// of load
  static Result<Client> of_secret(const plan::Offer& offer, SecretFile file, const std::string& name,
                                  std::shared_ptr<ckks::Resources> resources = ckks::Resources::make());

  /// What ties everything that this client makes to its plan and key.
  const wire::Binding& binding() const { return binding_; }
  /// What ties its keys to their parameters.
  const wire::KeyName& key_name() const { return name_; }
  /// Whose offers and answers alone are taken.
  const std::optional<base::VerifyKey>& trust() const { return trust_; }
  const plan::Offer& offer() const { return offer_; }
  std::shared_ptr<const ckks::Context> context() const { return context_; }
  std::size_t slots() const { return context_->params().slots(); }
  /// Images that one batch of ciphertexts holds.
  std::size_t images_at_once() const { return offer_.images_at_once(); }

  /// Every key that the offer asks for. errors: as plan::make_bootstrapper
  Result<ckks::KeyNeeds> key_needs() const;
  /// They, for the server: one whenever it is asked, in the order of a file of them. Client and needs must outlive it.
  secret::EvalKeyMaker key_maker(const ckks::KeyNeeds& needs) const;
  /// All of them in memory. errors: ContractError where the offer's bootstrapping is refused
  ckks::EvalKeys make_eval_keys() const;
  /// The secret key's frame. Whoever has it, and its passphrase where there is one, decrypts everything.
  Result<base::Bytes> secret_frame(const std::optional<base::VerifyKey>& trust,
                                   const base::LockedBytes* passphrase) const;

  /// A name for a request of so many images: half of it is random, the other half marks it as this key's, so that no
  /// answer to what another key asked, or nobody, is taken for one.
  /// The mark says, to this key alone, whether every second of the images is the one before it, mirrored.
  wire::Nonce make_request(std::uint64_t images, bool mirrored = false) const;
  bool made_request(const wire::Nonce& request, std::uint64_t images, bool mirrored = false) const;

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
         const wire::KeyName& name, std::optional<base::VerifyKey> trust);
  std::array<std::uint8_t, 16> request_mark(std::span<const std::uint8_t> random, std::uint64_t images,
                                            bool mirrored) const;
  /// What one ciphertext of a batch encrypts.
  std::vector<double> slots_of(std::span<const float> images, std::span<const base::Spread> spreads,
                               std::size_t ciphertext) const;
  plan::Offer offer_;
  plan::Packing packing_;
  std::shared_ptr<const ckks::Context> context_;
  secret::SecretKey secret_;
  wire::KeyName name_;
  wire::Binding binding_;
  std::optional<base::VerifyKey> trust_;
};

/// Names, in hexadecimal, all offers that ask for the same keys under the same parameters: under which keys are kept.
std::string name_of_keys(const plan::Offer& offer);

/// What an offer asks of its client, known before the first key.
struct KeyCost {
  std::uint64_t keys = 0;
  std::uint64_t file_bytes = 0;    ///< of the evaluation keys
  std::uint64_t memory_bytes = 0;  ///< at the peak
  double core_seconds = 0;         ///< about: a machine may be twice as fast or slow
};
/// cost    microseconds.
/// errors  as ckks::BootstrapParams::make
Result<KeyCost> cost_of_keys(const plan::Offer& offer);

/// errors  infeasible: the keys of an offer take more than `allowed` bytes; those of cost_of_keys
Result<void> refuse_costly(const plan::Offer& offer, std::uint64_t allowed);

struct KeygenOptions {
  bool overwrite = false;
  base::Progress progress = {};  ///< counts evaluation keys, and is called for an end in between
  /// Of the evaluation keys' file.
  std::uint64_t max_bytes = std::uint64_t{4'000'000'000};
  /// Whose offers and answers alone the key takes from now on; the offer must be theirs.
  std::optional<base::VerifyKey> trust = {};
  PassphraseSource passphrase = {};  ///< asked where there is one
  std::shared_ptr<ckks::Resources> resources = ckks::Resources::make();
};
/// Makes a key pair of files: the secret key (mode 0600), and the evaluation keys for the server. Both or none; the
/// secret is written last, and no part of it is in any file before. Holds one key at a time.
/// errors  io: a path exists already (unless overwrite), cannot be written; wrong_params: refused parameters, or an
///         offer of somebody else than is trusted; infeasible: more bytes than are allowed; cancelled
Result<void> keygen(const plan::Offer& offer, const std::filesystem::path& secret, const std::filesystem::path& eval,
                    const KeygenOptions& options = {});

/// The file of a client's evaluation keys, a piece whenever it is asked: for who sends them as they are made. The
/// client must outlive it.
class KeyPieces {
 public:
  /// errors  as Client::key_needs
  static Result<KeyPieces> of(const Client& client);
  /// The header first, then one key each; empty after the last. memory: one key
  base::Bytes next();
  std::size_t made() const { return maker_->made(); }
  std::size_t keys() const { return maker_->keys(); }

 private:
  KeyPieces(const Client& client, std::unique_ptr<const ckks::KeyNeeds> needs);
  const Client* client_;
  std::unique_ptr<const ckks::KeyNeeds> needs_;
  std::unique_ptr<secret::EvalKeyMaker> maker_;
  bool begun_ = false;
};
/// The evaluation keys of a client, each written as soon as it is made. Progress counts keys. errors: io; cancelled
Result<void> write_keys(const Client& client, base::OutputFile& out, const base::Progress& progress = {});
/// The secret key of a client, in a file of mode 0600. errors: io: it exists already (unless overwrite)
Result<void> write_secret_file(const Client& client, const std::filesystem::path& path, bool overwrite,
                               const std::optional<base::VerifyKey>& trust = {},
                               const base::LockedBytes* passphrase = nullptr);

/// Images that are fetched when their batch is due.
struct ImageSource {
  std::uint64_t count = 0;
  /// Images [first, first + count), C*H*W values each, as for normalise.
  std::function<Result<std::vector<float>>(std::uint64_t first, std::size_t count)> read;
  /// Each image takes two places of a batch, as it is and mirrored left to right, and its answer is the mean of both:
  /// more often right, at twice the price. The server sees so many images, not what they are.
  bool mirrored = false;
};

/// Encrypts images into a file of ceil(images / images_at_once) batches: holds the values of one batch and a few
/// ciphertexts at a time. Progress counts ciphertexts.
/// errors  as Client::load, Client::encrypt and the source; io; cancelled. Nothing stays of the file then.
Result<void> encrypt(const plan::Offer& offer, const SecretSource& secret, const ImageSource& images,
                     const std::filesystem::path& out, bool overwrite = false, const base::Progress& progress = {});
/// What names encrypted images that were sent, so that an answer is known to be theirs.
struct Sent {
  std::uint64_t images = 0;  ///< of mirrored ones both
  wire::Nonce request{};
  wire::Digest inputs{};
};
/// The same of a client whose key is loaded, into a file that is open or a sink.
Result<Sent> encrypt(const Client& client, const ImageSource& images, base::OutputFile out,
                     const base::Progress& progress = {});
/// Bytes that so many images take, encrypted.
std::uint64_t encrypted_bytes(const Client& client, std::uint64_t images);
/// The source of images in memory, one after the other, which must outlive it. errors: wrong_params: no image, or not
/// whole ones
Result<ImageSource> images_in(std::span<const float> values, const plan::InputSpec& input);
/// The same of images in memory, one after the other.
Result<void> encrypt(const plan::Offer& offer, const SecretSource& secret, std::span<const float> values,
                     const std::filesystem::path& out, bool overwrite = false, const base::Progress& progress = {});

struct Logits {
  std::size_t images = 0;
  std::size_t classes = 0;
  std::vector<float> values;  ///< images x classes, row-major
  wire::Nonce request{};      ///< that they answer
  wire::KeyId key{};          ///< that they were encrypted under
  bool mirrored = false;      ///< each is the mean of an image's and its mirrored one's
};

struct DecryptOptions {
  base::Progress progress = {};  ///< counts batches
  /// The encrypted images that were sent: the answer must be theirs. Without them it must be that of a request that
  /// this key made, whichever.
  std::filesystem::path request = {};
  std::optional<Sent> sent = {};  ///< in place of `request`, where they are in no file
};
/// Decrypts a server's answer.
/// errors  io, bad_format, wrong_params: made for another plan, with another key, for another request, by another
///         server than is trusted, or values that overflowed; cancelled
Result<Logits> decrypt(const plan::Offer& offer, const SecretSource& secret, const std::filesystem::path& in,
                       const DecryptOptions& options = {});
/// The same of a client whose key is loaded.
Result<Logits> decrypt(const Client& client, base::InputFile in, const DecryptOptions& options = {});

}  // namespace obscura::client
