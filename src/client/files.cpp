// SPDX-License-Identifier: Apache-2.0
/// keygen, encrypt and decrypt through files.
#include <algorithm>
#include <cmath>
#include <system_error>
#include <utility>

#include "client/client.h"
#include "wire/ciphertexts.h"
#include "wire/eval_keys.h"

namespace obscura::client {

namespace {

/// The evaluation keys, each written as soon as it is made.
Result<void> write_keys(const Client& client, base::OutputFile& out, const base::Progress& progress) {
  const ckks::Context& context = *client.context();
  OBSCURA_TRY(const ckks::KeyNeeds needs, client.key_needs());
  const wire::EvalKeysHeader header = wire::header_of(context, needs, client.binding());
  OBSCURA_TRY_VOID(out.write(wire::write_keys_header(header)));
  std::size_t done = 0;
  return client.make_eval_keys(needs, [&](const ckks::NeededKey& place, const ckks::SwitchKey& key) -> Result<void> {
    OBSCURA_TRY_VOID(out.write(wire::write_key(ckks::context_of(context, needs, place), done, key)));
    ++done;
    if (progress && !progress(done, header.keys())) return error(Code::cancelled, "the making of keys was stopped");
    return {};
  });
}

}  // namespace

Result<void> keygen(const plan::Offer& offer, const std::filesystem::path& secret, const std::filesystem::path& eval,
                    bool overwrite, const base::Progress& progress) {
  if (secret.lexically_normal() == eval.lexically_normal()) {
    return error(Code::io, "{}: the secret key and the evaluation keys need two different files", secret.string());
  }
  OBSCURA_TRY(base::OutputFile secret_out, base::OutputFile::create(secret, {.overwrite = overwrite, .secret = true}));
  OBSCURA_TRY(base::OutputFile eval_out, base::OutputFile::create(eval, {.overwrite = overwrite, .secret = false}));
  OBSCURA_TRY(const Client client, Client::generate(offer));
  base::Bytes frame = client.secret_frame();
  const auto secret_written = secret_out.write(frame);
  base::zeroize(frame.data(), frame.size());
  if (!secret_written) return secret_written.error();
  OBSCURA_TRY_VOID(write_keys(client, eval_out, progress));
  OBSCURA_TRY_VOID(eval_out.commit());
  if (const auto committed = secret_out.commit(); !committed) {
    std::error_code ignored;
    std::filesystem::remove(eval, ignored);
    return committed.error();
  }
  return {};
}

Result<void> encrypt(const plan::Offer& offer, const std::filesystem::path& secret, const ImageSource& images,
                     const std::filesystem::path& out, bool overwrite, const base::Progress& progress) {
  if (images.count == 0 || images.count > wire::kMaxImages) {
    return error(Code::wrong_params, "{} images; one file holds 1 to {}", images.count, wire::kMaxImages);
  }
  OBSCURA_TRY(const Client client, Client::load(offer, secret));
  const std::size_t image = offer.input.elements();
  const std::size_t elements = offer.input.ciphertexts();
  wire::CiphertextHeader header;
  header.binding = client.binding();
  header.images = images.count;
  header.images_at_once = offer.images_at_once();
  header.log2_degree = static_cast<std::uint32_t>(offer.params.log2_degree);
  header.elements = static_cast<std::uint32_t>(elements);
  header.limbs = offer.input.limbs;
  header.seeded = true;
  header.scale = offer.input.scale;
  OBSCURA_TRY(auto writer, wire::CiphertextWriter::create(out, wire::Kind::inputs, client.context(), header,
                                                          {.overwrite = overwrite}));
  const std::size_t at_once = 4 * base::thread_count();
  std::size_t done = 0;
  for (std::size_t batch = 0; batch < header.batches(); ++batch) {
    const std::uint64_t first = batch * client.images_at_once();
    const std::size_t count = std::min<std::uint64_t>(client.images_at_once(), header.images - first);
    OBSCURA_TRY(const std::vector<float> values, images.read(first, count));
    OBSCURA_CHECK(values.size() == count * image, "{} values for {} images of {}", values.size(), count, image);
    for (std::size_t e = 0; e < elements; e += at_once) {
      const auto some = client.encrypt_elements(values, e, std::min(at_once, elements - e));
      OBSCURA_TRY_VOID(writer.write(some));
      done += some.size();
      if (progress && !progress(done, header.records())) return error(Code::cancelled, "encryption was stopped");
    }
  }
  return writer.commit();
}

Result<void> encrypt(const plan::Offer& offer, const std::filesystem::path& secret, std::span<const float> values,
                     const std::filesystem::path& out, bool overwrite, const base::Progress& progress) {
  const std::size_t image = offer.input.elements();
  if (values.empty() || values.size() % image != 0) {
    return error(Code::wrong_params, "{} values are not one or more images of {}", values.size(), image);
  }
  const auto read = [&](std::uint64_t first, std::size_t count) -> Result<std::vector<float>> {
    const auto these = values.subspan(first * image, count * image);
    return std::vector<float>(these.begin(), these.end());
  };
  return encrypt(offer, secret, ImageSource{values.size() / image, read}, out, overwrite, progress);
}

Result<Logits> decrypt(const plan::Offer& offer, const std::filesystem::path& secret, const std::filesystem::path& in,
                       const base::Progress& progress) {
  OBSCURA_TRY(const Client client, Client::load(offer, secret));
  OBSCURA_TRY(auto reader, wire::CiphertextReader::open(in, wire::Kind::outputs));
  wire::CiphertextHeader expected = reader.header();
  expected.binding = client.binding();
  expected.log2_degree = static_cast<std::uint32_t>(offer.params.log2_degree);
  expected.elements = offer.output.ciphertexts();
  expected.images_at_once = offer.images_at_once();
  expected.limbs = offer.output.limbs;
  expected.seeded = false;
  expected.scale = offer.output.scale;
  OBSCURA_TRY_VOID(reader.expect(client.context(), expected));
  Logits logits{static_cast<std::size_t>(reader.header().images), offer.output.classes, {}};
  const std::size_t batches = reader.header().batches();
  for (std::size_t batch = 0; batch < batches; ++batch) {
    OBSCURA_TRY(const auto outputs, reader.read(offer.output.ciphertexts()));
    const std::size_t images = std::min(client.images_at_once(), logits.images - batch * client.images_at_once());
    const std::vector<float> some = client.decrypt(outputs, images);
    if (std::any_of(some.begin(), some.end(), [](float logit) { return std::isnan(logit); })) {
      return error(
          Code::wrong_params,
          "{}: values of batch {} of {} overflowed while the server computed, and its answers are lost: an image "
          "is unlike those that the plan was calibrated with. Leave it out, or have the server compile with more "
          "--headroom or --calibration-images",
          in.string(), batch + 1, batches);
    }
    logits.values.insert(logits.values.end(), some.begin(), some.end());
    if (progress && !progress(batch + 1, batches)) return error(Code::cancelled, "decryption was stopped");
  }
  return logits;
}

}  // namespace obscura::client
