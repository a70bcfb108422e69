// SPDX-License-Identifier: Apache-2.0
#include "client/client.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "client/secret_file.h"
#include "secret/crypt.h"

namespace obscura::client {

namespace {

/// A table of what each of 256 pixels becomes in one channel.
std::array<double, 256> normalised_pixels(const plan::InputSpec& input, std::size_t channel) {
  std::array<double, 256> table;
  for (std::size_t p = 0; p < table.size(); ++p) {
    table[p] = (static_cast<double>(p) / 255 - input.mean[channel]) / input.deviation[channel];
  }
  return table;
}

std::size_t plane(const plan::InputSpec& input) { return std::size_t{input.height} * input.width; }

wire::KeyId fresh_key_id() {
  const base::Seed seed = base::random_seed();
  wire::KeyId id;
  std::copy_n(seed.begin(), id.size(), id.begin());
  return id;
}

Result<std::shared_ptr<const ckks::Context>> context_of(const plan::Offer& offer) {
  OBSCURA_TRY(const ckks::Params params, ckks::Params::make(offer.params));
  return ckks::Context::make(params);
}

}  // namespace

std::vector<float> normalise(const plan::InputSpec& input, std::span<const std::uint8_t> pixels) {
  const std::size_t elements = input.elements();
  OBSCURA_CHECK(elements > 0 && pixels.size() % elements == 0, "{} pixels for images of {}", pixels.size(), elements);
  std::vector<float> out(pixels.size());
  for (std::size_t c = 0; c < input.channels; ++c) {
    const auto table = normalised_pixels(input, c);
    for (std::size_t image = 0; image < pixels.size(); image += elements) {
      const std::size_t first = image + c * plane(input);
      for (std::size_t i = first; i < first + plane(input); ++i) out[i] = static_cast<float>(table[pixels[i]]);
    }
  }
  return out;
}

Client::Client(plan::Offer offer, std::shared_ptr<const ckks::Context> context, secret::SecretKey secret,
               const wire::KeyId& key)
    : offer_(std::move(offer)),
      context_(std::move(context)),
      secret_(std::move(secret)),
      binding_{offer_.plan_digest, key} {}

Result<Client> Client::generate(const plan::Offer& offer) {
  OBSCURA_TRY(auto context, context_of(offer));
  auto secret = secret::SecretKey::generate(*context);
  return Client(offer, std::move(context), std::move(secret), fresh_key_id());
}

Result<Client> Client::load(const plan::Offer& offer, const std::filesystem::path& path) {
  OBSCURA_TRY(SecretFile file, read_secret_file(path));
  if (file.binding.plan != offer.plan_digest) {
    return error(Code::wrong_params, "{}: a key for plan {}, but the offer is of plan {}", path.string(),
                 wire::short_name(file.binding.plan), wire::short_name(offer.plan_digest));
  }
  OBSCURA_TRY(auto context, context_of(offer));
  auto secret = secret::SecretKey::from_seed(*context, file.seed);
  base::zeroize(file.seed.data(), file.seed.size());
  return Client(offer, std::move(context), std::move(secret), file.binding.key);
}

ckks::EvalKeys Client::make_eval_keys() const {
  ckks::EvalKeys keys;
  if (offer_.keys.relinearization) {
    keys.relinearization.push_back(secret::make_relinearization_key(*context_, secret_));
  }
  return keys;
}

base::Bytes Client::secret_frame() const { return write_secret({secret_.secret_seed(), binding_}); }

std::vector<ckks::SeededCiphertext> Client::encrypt_elements(std::span<const std::uint8_t> pixels, std::size_t first,
                                                             std::size_t count) const {
  const plan::InputSpec& input = offer_.input;
  const std::size_t elements = input.elements();
  const std::size_t images = pixels.size() / elements;
  OBSCURA_CHECK(images <= slots() && first + count <= elements, "{} images, elements {} to {}", images, first,
                first + count);
  std::vector<ckks::SeededCiphertext> out(count);
  base::parallel_for(count, [&](std::size_t i) {
    const std::size_t e = first + i;
    const auto table = normalised_pixels(input, e / plane(input));
    std::vector<double> values(images);
    for (std::size_t j = 0; j < images; ++j) values[j] = table[pixels[j * elements + e]];
    out[i] = secret::encrypt(*context_, secret_, values, input.scale, input.limbs);
  });
  return out;
}

Result<std::vector<ckks::SeededCiphertext>> Client::encrypt(std::span<const std::uint8_t> pixels,
                                                            const base::Progress& progress) const {
  const std::size_t elements = offer_.input.elements();
  if (pixels.empty() || pixels.size() % elements != 0 || pixels.size() / elements > slots()) {
    return error(Code::wrong_params, "{} bytes of pixels; a batch is 1 to {} images of {} bytes", pixels.size(),
                 slots(), elements);
  }
  std::vector<ckks::SeededCiphertext> out;
  const std::size_t at_once = 4 * base::thread_count();
  for (std::size_t first = 0; first < elements; first += at_once) {
    auto some = encrypt_elements(pixels, first, std::min(at_once, elements - first));
    std::move(some.begin(), some.end(), std::back_inserter(out));
    if (progress && !progress(out.size(), elements)) return error(Code::cancelled, "encryption was stopped");
  }
  return out;
}

std::vector<float> Client::decrypt(std::span<const ckks::Ciphertext> outputs, std::size_t images) const {
  const std::size_t classes = offer_.output.classes;
  OBSCURA_CHECK(outputs.size() == classes && images <= slots(), "{} outputs of {} images; the offer has {} and {}",
                outputs.size(), images, classes, slots());
  std::vector<float> logits(images * classes);
  base::parallel_for(classes, [&](std::size_t c) {
    const std::vector<double> values = secret::decrypt(*context_, secret_, outputs[c]);
    for (std::size_t j = 0; j < images; ++j) logits[j * classes + c] = static_cast<float>(values[j]);
  });
  return logits;
}

}  // namespace obscura::client
