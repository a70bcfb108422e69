// SPDX-License-Identifier: Apache-2.0
#include "client/client.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/normalise.h"
#include "base/random.h"
#include "secret/crypt.h"
#include "wire/binding.h"
#include "wire/plan_frame.h"
#include "wire/signature.h"

namespace obscura::client {

namespace {

wire::KeyId fresh_key_id() {
  wire::KeyId id;
  base::fill_random(id);
  return id;
}

Result<std::shared_ptr<const ckks::Context>> context_of(const plan::Offer& offer,
                                                        std::shared_ptr<ckks::Resources> resources) {
  OBSCURA_TRY(const ckks::Params params, ckks::Params::make(offer.params));
  return ckks::Context::make(params, std::move(resources));
}

/// Whether a ciphertext's slots are those of a polynomial with coefficients anywhere modulo q, as what was above q / 2
/// on the way leaves it: their root mean square is then q / sqrt(12); where nothing overflowed it is far less, since
/// plans leave room above the largest value. By Parseval, slots have sqrt(N / 2) times that in their real parts.
bool overflowed(std::span<const double> slots, double scale, double log2_modulus) {
  constexpr double kShare = 0.2;
  double squares = 0;
  for (const double v : slots) squares += v * v;
  return std::sqrt(squares) / static_cast<double>(slots.size()) > kShare * std::exp2(log2_modulus) / scale;
}

}  // namespace

std::vector<float> normalise(const plan::InputSpec& input, std::span<const float> values) {
  return base::normalise(values, input.normaliser());
}

Client::Client(plan::Offer offer, std::shared_ptr<const ckks::Context> context, secret::SecretKey secret,
               const wire::KeyName& name, std::optional<base::VerifyKey> trust)
    : offer_(std::move(offer)),
      packing_(offer_.input.layout, context->params().slots()),
      context_(std::move(context)),
      secret_(std::move(secret)),
      name_(name),
      binding_{offer_.plan_digest, name.key},
      trust_(trust) {}

std::string name_of_keys(const plan::Offer& offer) {
  plan::Offer bare;
  bare.params = offer.params;
  bare.keys = offer.keys;
  bare.bootstrap = offer.bootstrap;
  const auto digest = base::digest(wire::write_offer(bare));
  return wire::hex(std::span(digest).first(16));
}

Result<Client> Client::generate(const plan::Offer& offer, std::shared_ptr<ckks::Resources> resources) {
  OBSCURA_TRY(auto context, context_of(offer, std::move(resources)));
  auto secret = secret::SecretKey::generate(*context);
  const wire::KeyName name{wire::name_of_params(offer.params), fresh_key_id()};
  return Client(offer, std::move(context), std::move(secret), name, std::nullopt);
}

Result<Client> Client::load(const plan::Offer& offer, const SecretSource& source,
                            std::shared_ptr<ckks::Resources> resources) {
  OBSCURA_TRY(SecretFile file, read_secret_file(source.path, source.passphrase));
  const std::string name = source.path.string();
  if (source.trust && file.trust && *source.trust != *file.trust) {
    return error(Code::wrong_params, "{}: a key that trusts {}, and not {}", name, wire::short_name(*file.trust),
                 wire::short_name(*source.trust));
  }
  if (source.trust) file.trust = source.trust;
  return of_secret(offer, std::move(file), name, std::move(resources));
}

Result<Client> Client::of_secret(const plan::Offer& offer, SecretFile file, const std::string& name,
                                 std::shared_ptr<ckks::Resources> resources) {
  if (const wire::Digest params = wire::name_of_params(offer.params); file.name.params != params) {
    return error(Code::wrong_params,
                 "{}: a key for parameters {}, but the offer has parameters {}: make a key for it (obscura keygen)",
                 name, wire::short_name(file.name.params), wire::short_name(params));
  }
  if (file.trust) OBSCURA_TRY_VOID(wire::require_signer(offer.signer, *file.trust, "the offer"));
  OBSCURA_TRY(auto context, context_of(offer, std::move(resources)));
  auto secret = secret::SecretKey::from_seed(*context, std::move(file.seed));
  return Client(offer, std::move(context), std::move(secret), file.name, file.trust);
}

Result<ckks::KeyNeeds> Client::key_needs() const {
  OBSCURA_TRY(auto bootstrapper, plan::make_bootstrapper(offer_.bootstrap, context_->resources()));
  return plan::key_needs(*context_, offer_.keys, std::move(bootstrapper));
}

secret::EvalKeyMaker Client::key_maker(const ckks::KeyNeeds& needs) const { return {*context_, secret_, needs}; }

ckks::EvalKeys Client::make_eval_keys() const {
  return secret::make_eval_keys(*context_, secret_, key_needs().value());
}

Result<base::Bytes> Client::secret_frame(const std::optional<base::VerifyKey>& trust,
                                         const base::LockedBytes* passphrase) const {
  SecretFile file{name_, trust, {}};
  *file.seed = secret_.secret_seed();
  return write_secret(file, passphrase);
}

std::array<std::uint8_t, 16> Client::request_mark(std::span<const std::uint8_t> random, std::uint64_t images,
                                                  bool mirrored) const {
  base::Writer w;
  w.text(mirrored ? "obscura mirrored request" : "obscura request");
  wire::write_binding(w, binding_);
  w.u64(images);
  w.raw(std::as_bytes(random));
  return secret_.mark(w.bytes());
}

wire::Nonce Client::make_request(std::uint64_t images, bool mirrored) const {
  wire::Nonce request{};
  const auto random = std::span(request).first<16>();
  base::fill_random(random);
  const auto mark = request_mark(random, images, mirrored);
  std::copy(mark.begin(), mark.end(), request.begin() + 16);
  return request;
}

bool Client::made_request(const wire::Nonce& request, std::uint64_t images, bool mirrored) const {
  const auto halves = std::span(request);
  return base::equal_secrets(request_mark(halves.first<16>(), images, mirrored), halves.last<16>());
}

std::vector<double> Client::slots_of(std::span<const float> images, std::span<const base::Spread> spreads,
                                     std::size_t ciphertext) const {
  const base::Normaliser normaliser = offer_.input.normaliser();
  const std::size_t elements = offer_.input.elements();
  return packing_.pack(static_cast<std::uint32_t>(ciphertext), spreads.size(),
                       [&](std::size_t element, std::size_t image) {
                         return normaliser(element, images[image * elements + element], spreads[image]);
                       });
}

std::vector<ckks::SeededCiphertext> Client::encrypt_elements(std::span<const float> values, std::size_t first,
                                                             std::size_t count) const {
  const plan::InputSpec& input = offer_.input;
  const std::size_t images = values.size() / input.elements();
  OBSCURA_CHECK(images <= images_at_once() && first + count <= input.ciphertexts(), "{} images, elements {} to {}",
                images, first, first + count);
  std::vector<base::Spread> spreads(images);
  base::parallel_for(images, [&](std::size_t i) {
    spreads[i] = input.normaliser().spread(values.subspan(i * input.elements(), input.elements()));
  });
  std::vector<ckks::SeededCiphertext> out(count);
  base::parallel_for(count, [&](std::size_t i) {
    out[i] = secret::encrypt(*context_, secret_, slots_of(values, spreads, first + i), input.scale, input.limbs);
  });
  return out;
}

Result<std::vector<ckks::SeededCiphertext>> Client::encrypt(std::span<const float> values,
                                                            const base::Progress& progress) const {
  const std::size_t image = offer_.input.elements();
  const std::size_t elements = offer_.input.ciphertexts();
  if (values.empty() || values.size() % image != 0 || values.size() / image > images_at_once()) {
    return error(Code::wrong_params, "{} values; a batch is 1 to {} images of {} values", values.size(),
                 images_at_once(), image);
  }
  std::vector<ckks::SeededCiphertext> out;
  const std::size_t at_once = 4 * base::thread_count();
  for (std::size_t first = 0; first < elements; first += at_once) {
    auto some = encrypt_elements(values, first, std::min(at_once, elements - first));
    std::move(some.begin(), some.end(), std::back_inserter(out));
    if (progress && !progress(out.size(), elements)) return error(Code::cancelled, "encryption was stopped");
  }
  return out;
}

std::vector<float> Client::decrypt(std::span<const ckks::Ciphertext> outputs, std::size_t images) const {
  const plan::OutputSpec& spec = offer_.output;
  const std::size_t classes = spec.classes;
  OBSCURA_CHECK(outputs.size() == spec.ciphertexts() && images <= images_at_once(),
                "{} outputs of {} images; the offer has {} and {}", outputs.size(), images, spec.ciphertexts(),
                images_at_once());
  std::vector<std::vector<double>> values(outputs.size());
  base::parallel_for(outputs.size(),
                     [&](std::size_t i) { values[i] = secret::decrypt(*context_, secret_, outputs[i]); });
  double log2_modulus = 0;
  for (std::uint32_t i = 0; i < spec.limbs; ++i) {
    log2_modulus += std::log2(static_cast<double>(offer_.params.chain[i]));
  }
  for (std::vector<double>& slots : values) {
    if (overflowed(slots, spec.scale, log2_modulus)) slots.assign(slots.size(), std::nan(""));
  }
  std::vector<float> logits(images * classes);
  for (std::uint32_t c = 0; c < classes; ++c) {
    const plan::Place at = spec.layout.place(c);
    for (std::size_t j = 0; j < images; ++j) {
      const auto slot = static_cast<std::size_t>(spec.layout.sharing.slot(at.position, j));
      logits[j * classes + c] = static_cast<float>(values[at.ciphertext][slot]);
    }
  }
  for (std::vector<double>& slots : values) base::zeroize(slots.data(), slots.size() * sizeof(double));
  return logits;
}

}  // namespace obscura::client
