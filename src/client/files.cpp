// SPDX-License-Identifier: Apache-2.0
/// keygen, encrypt and decrypt through files.
#include <algorithm>
#include <cmath>
#include <optional>
#include <system_error>
#include <utility>

#include "base/random.h"
#include "client/client.h"
#include "wire/ciphertexts.h"
#include "wire/eval_keys.h"
#include "wire/signature.h"

namespace obscura::client {

KeyPieces::KeyPieces(const Client& client, std::unique_ptr<const ckks::KeyNeeds> needs)
    : client_(&client),
      needs_(std::move(needs)),
      maker_(std::make_unique<secret::EvalKeyMaker>(client.key_maker(*needs_))) {}

Result<KeyPieces> KeyPieces::of(const Client& client) {
  OBSCURA_TRY(ckks::KeyNeeds needs, client.key_needs());
  return KeyPieces(client, std::make_unique<const ckks::KeyNeeds>(std::move(needs)));
}

base::Bytes KeyPieces::next() {
  const ckks::Context& context = *client_->context();
  if (!std::exchange(begun_, true)) {
    return wire::write_keys_header(wire::header_of(context, *needs_, client_->key_name().key));
  }
  if (made() == keys()) return {};
  const std::size_t index = made();
  const ckks::Context& own = ckks::context_of(context, *needs_, maker_->place());
  return wire::write_key(own, index, maker_->next());
}

Result<void> write_keys(const Client& client, base::OutputFile& out, const base::Progress& progress) {
  OBSCURA_TRY(KeyPieces pieces, KeyPieces::of(client));
  for (base::Bytes piece = pieces.next(); !piece.empty(); piece = pieces.next()) {
    OBSCURA_TRY_VOID(out.write(piece));
    if (pieces.made() == 0 || !progress || progress(pieces.made(), pieces.keys())) continue;
    return error(Code::cancelled, "the making of keys was stopped");
  }
  return {};
}

Result<void> write_secret_file(const Client& client, const std::filesystem::path& path, bool overwrite,
                               const std::optional<base::VerifyKey>& trust, const base::LockedBytes* passphrase) {
  OBSCURA_TRY(base::Bytes frame, client.secret_frame(trust, passphrase));
  const auto written = base::write_file(path, frame, {.overwrite = overwrite, .secret = true});
  base::zeroize(frame.data(), frame.size());
  return written;
}

Result<void> refuse_costly(const plan::Offer& offer, std::uint64_t allowed) {
  OBSCURA_TRY(const KeyCost cost, cost_of_keys(offer));
  if (cost.file_bytes <= allowed) return {};
  return error(
      Code::infeasible,
      "the offer asks for {} keys of {:.1f} GB, {:.1f} GB of memory and about {:.0f} seconds of a core; {:.1f} "
      "GB of keys are allowed: allow more with --max-keys, or ask for a smaller network",
      cost.keys, 1e-9 * static_cast<double>(cost.file_bytes), 1e-9 * static_cast<double>(cost.memory_bytes),
      cost.core_seconds, 1e-9 * static_cast<double>(allowed));
}

Result<void> keygen(const plan::Offer& offer, const std::filesystem::path& secret, const std::filesystem::path& eval,
                    const KeygenOptions& options) {
  if (secret.lexically_normal() == eval.lexically_normal()) {
    return error(Code::io, "{}: the secret key and the evaluation keys need two different files", secret.string());
  }
  if (!options.overwrite && std::filesystem::exists(std::filesystem::symlink_status(secret))) {
    return error(Code::io, "{}: exists already; remove it or choose another name", secret.string());
  }
  if (options.trust) OBSCURA_TRY_VOID(wire::require_signer(offer.signer, *options.trust, "the offer"));
  OBSCURA_TRY_VOID(refuse_costly(offer, options.max_bytes));
  OBSCURA_TRY(base::OutputFile eval_out, base::OutputFile::create(eval, {.overwrite = options.overwrite}));
  std::optional<base::LockedBytes> passphrase;
  if (options.passphrase) {
    OBSCURA_TRY(passphrase, options.passphrase());
  }
  OBSCURA_TRY(const Client client, Client::generate(offer, options.resources));
  OBSCURA_TRY_VOID(write_keys(client, eval_out, options.progress));
  OBSCURA_TRY_VOID(eval_out.commit());
  // The file of the secret is opened, written and placed in one go, when all else is done: whatever ends this process
  // before, no file has a part of it.
  if (const auto written =
          write_secret_file(client, secret, options.overwrite, options.trust, passphrase ? &*passphrase : nullptr);
      !written) {
    std::error_code ignored;
    std::filesystem::remove(eval, ignored);
    return written.error();
  }
  return {};
}

Result<void> encrypt(const plan::Offer& offer, const SecretSource& secret, const ImageSource& images,
                     const std::filesystem::path& out, bool overwrite, const base::Progress& progress) {
  OBSCURA_TRY(const Client client, Client::load(offer, secret));
  OBSCURA_TRY(base::OutputFile file, base::OutputFile::create(out, {.overwrite = overwrite}));
  OBSCURA_TRY_VOID(encrypt(client, images, std::move(file), progress));
  return {};
}

namespace {

/// The header of a request, but for its name.
wire::CiphertextHeader request_header(const Client& client, std::uint64_t images) {
  const plan::Offer& offer = client.offer();
  wire::CiphertextHeader header;
  header.binding = client.binding();
  header.images = images;
  header.images_at_once = offer.images_at_once();
  header.log2_degree = static_cast<std::uint32_t>(offer.params.log2_degree);
  header.ring = offer.params.ring;
  header.elements = static_cast<std::uint32_t>(offer.input.ciphertexts());
  header.limbs = offer.input.limbs;
  header.seeded = true;
  header.scale = offer.input.scale;
  return header;
}

void mirror_rows(std::span<float> image, std::size_t width) {
  for (std::size_t row = 0; row < image.size(); row += width) {
    std::reverse(image.begin() + static_cast<std::ptrdiff_t>(row),
                 image.begin() + static_cast<std::ptrdiff_t>(row + width));
  }
}

/// What stands in places [first, first + count): images, or where each is mirrored too, image i in 2 i and its mirrored
/// one in 2 i + 1.
Result<std::vector<float>> read_places(const ImageSource& images, const plan::InputSpec& input, std::uint64_t first,
                                       std::size_t count) {
  if (!images.mirrored) return images.read(first, count);
  const std::uint64_t from = first / 2;
  const auto own = static_cast<std::size_t>((first + count + 1) / 2 - from);
  OBSCURA_TRY(const std::vector<float> values, images.read(from, own));
  const std::size_t elements = input.elements();
  OBSCURA_CHECK(values.size() == own * elements, "{} values for {} images of {}", values.size(), own, elements);
  std::vector<float> out(count * elements);
  for (std::size_t i = 0; i < count; ++i) {
    const auto one = std::span(values).subspan(static_cast<std::size_t>((first + i) / 2 - from) * elements, elements);
    const auto place = std::span(out).subspan(i * elements, elements);
    std::copy(one.begin(), one.end(), place.begin());
    if ((first + i) % 2 == 1) mirror_rows(place, input.width);
  }
  return out;
}

}  // namespace

std::uint64_t encrypted_bytes(const Client& client, std::uint64_t images) {
  const wire::CiphertextHeader header = request_header(client, images);
  return wire::write_header(wire::Kind::inputs, header).size() +
         header.records() * wire::record_bytes(*client.context(), header);
}

Result<Sent> encrypt(const Client& client, const ImageSource& images, base::OutputFile out,
                     const base::Progress& progress) {
  const std::uint64_t most = wire::kMaxImages / (images.mirrored ? 2 : 1);
  if (images.count == 0 || images.count > most) {
    return error(Code::wrong_params, "{} images{}; one file holds 1 to {}", images.count,
                 images.mirrored ? ", each mirrored too" : "", most);
  }
  const std::uint64_t places = images.count * (images.mirrored ? 2 : 1);
  const plan::Offer& offer = client.offer();
  const std::size_t image = offer.input.elements();
  const std::size_t elements = offer.input.ciphertexts();
  wire::CiphertextHeader header = request_header(client, places);
  header.request = client.make_request(places, images.mirrored);
  OBSCURA_TRY(auto writer,
              wire::CiphertextWriter::create(std::move(out), wire::Kind::inputs, client.context(), header));
  const std::size_t at_once = 4 * base::thread_count();
  std::size_t done = 0;
  for (std::size_t batch = 0; batch < header.batches(); ++batch) {
    const std::uint64_t first = batch * client.images_at_once();
    const auto count =
        static_cast<std::size_t>(std::min<std::uint64_t>(client.images_at_once(), header.images - first));
    OBSCURA_TRY(const std::vector<float> values, read_places(images, offer.input, first, count));
    OBSCURA_CHECK(values.size() == count * image, "{} values for {} images of {}", values.size(), count, image);
    for (std::size_t e = 0; e < elements; e += at_once) {
      const auto some = client.encrypt_elements(values, e, std::min(at_once, elements - e));
      OBSCURA_TRY_VOID(writer.write(some));
      done += some.size();
      if (progress && !progress(done, static_cast<std::size_t>(header.records())))
        return error(Code::cancelled, "encryption was stopped");
    }
  }
  const Sent sent{header.images, header.request, writer.digest()};
  OBSCURA_TRY_VOID(writer.commit());
  return sent;
}

Result<ImageSource> images_in(std::span<const float> values, const plan::InputSpec& input) {
  const std::size_t image = input.elements();
  if (values.empty() || values.size() % image != 0) {
    return error(Code::wrong_params, "{} values are not one or more images of {}", values.size(), image);
  }
  const auto read = [=](std::uint64_t first, std::size_t count) -> Result<std::vector<float>> {
    const auto these = values.subspan(static_cast<std::size_t>(first) * image, count * image);
    return std::vector<float>(these.begin(), these.end());
  };
  return ImageSource{values.size() / image, read};
}

Result<void> encrypt(const plan::Offer& offer, const SecretSource& secret, std::span<const float> values,
                     const std::filesystem::path& out, bool overwrite, const base::Progress& progress) {
  OBSCURA_TRY(const ImageSource images, images_in(values, offer.input));
  return encrypt(offer, secret, images, out, overwrite, progress);
}

namespace {

wire::CiphertextHeader expected_header(const plan::Offer& offer, const wire::Binding& binding) {
  wire::CiphertextHeader expected;
  expected.binding = binding;
  expected.log2_degree = static_cast<std::uint32_t>(offer.params.log2_degree);
  expected.ring = offer.params.ring;
  expected.images_at_once = offer.images_at_once();
  return expected;
}

Result<Sent> read_sent(const Client& client, const std::filesystem::path& path) {
  const plan::Offer& offer = client.offer();
  OBSCURA_TRY(auto reader, wire::CiphertextReader::open(path, wire::Kind::inputs));
  wire::CiphertextHeader expected = expected_header(offer, client.binding());
  expected.elements = static_cast<std::uint32_t>(offer.input.ciphertexts());
  expected.limbs = offer.input.limbs;
  expected.scale = offer.input.scale;
  expected.seeded = true;
  expected.request = reader.header().request;
  OBSCURA_TRY_VOID(reader.expect(client.context(), expected));
  OBSCURA_TRY(const wire::Digest digest, reader.digest());
  return Sent{reader.header().images, expected.request, digest};
}

/// The mean of an image's logits and its mirrored one's, for each of half as many images.
void average_pairs(Logits& logits) {
  logits.images /= 2;
  logits.mirrored = true;
  for (std::size_t i = 0; i < logits.images; ++i) {
    for (std::size_t c = 0; c < logits.classes; ++c) {
      const float* pair = &logits.values[2 * i * logits.classes + c];
      logits.values[i * logits.classes + c] = (pair[0] + pair[logits.classes]) / 2;
    }
  }
  const std::size_t kept = logits.images * logits.classes;
  base::zeroize(logits.values.data() + kept, kept * sizeof(float));
  logits.values.resize(kept);
}

/// The answer is of this plan and key, and of the images that were sent; where none are named, of a request that this
/// key made.
Result<void> expect_answer(const Client& client, wire::CiphertextReader& answer, const std::string& name,
                           const DecryptOptions& options) {
  const plan::Offer& offer = client.offer();
  const wire::CiphertextHeader& header = answer.header();
  wire::CiphertextHeader expected = expected_header(offer, client.binding());
  expected.elements = offer.output.ciphertexts();
  expected.limbs = offer.output.limbs;
  expected.scale = offer.output.scale;
  expected.request = header.request;
  OBSCURA_TRY_VOID(answer.expect(client.context(), expected));
  if (!client.made_request(header.request, header.images) &&
      !client.made_request(header.request, header.images, true)) {
    return error(Code::wrong_params, "{}: answers request {} for {} images, which this key never made", name,
                 wire::short_name(header.request), header.images);
  }
  if (options.request.empty() && !options.sent) return {};
  Sent sent = options.sent.value_or(Sent{});
  if (!options.sent) {
    OBSCURA_TRY(sent, read_sent(client, options.request));
  }
  if (header.request == sent.request && header.images == sent.images && header.inputs == sent.inputs) return {};
  return error(Code::wrong_params, "{}: answers request {}, {} images {}; {} is request {}, {} images {}", name,
               wire::short_name(header.request), header.images, wire::short_name(header.inputs),
               options.sent ? "what was sent" : options.request.string(), wire::short_name(sent.request), sent.images,
               wire::short_name(sent.inputs));
}

}  // namespace

Result<Logits> decrypt(const plan::Offer& offer, const SecretSource& secret, const std::filesystem::path& in,
                       const DecryptOptions& options) {
  OBSCURA_TRY(const Client client, Client::load(offer, secret));
  OBSCURA_TRY(base::InputFile file, base::InputFile::open(in));
  return decrypt(client, std::move(file), options);
}

Result<Logits> decrypt(const Client& client, base::InputFile in, const DecryptOptions& options) {
  const plan::Offer& offer = client.offer();
  const std::string name = in.path().string();
  OBSCURA_TRY(auto reader, wire::CiphertextReader::open(std::move(in), wire::Kind::outputs));
  OBSCURA_TRY_VOID(expect_answer(client, reader, name, options));
  OBSCURA_TRY(const auto signer, reader.signer());
  if (client.trust()) OBSCURA_TRY_VOID(wire::require_signer(signer, *client.trust(), name));
  Logits logits{static_cast<std::size_t>(reader.header().images),
                offer.output.classes,
                {},
                reader.header().request,
                client.binding().key};
  logits.values.reserve(logits.images * logits.classes);  // a vector that grows would leave copies behind
  const auto batches = static_cast<std::size_t>(reader.header().batches());
  for (std::size_t batch = 0; batch < batches; ++batch) {
    OBSCURA_TRY(const auto outputs, reader.read(offer.output.ciphertexts()));
    const std::size_t images = std::min(client.images_at_once(), logits.images - batch * client.images_at_once());
    std::vector<float> some = client.decrypt(outputs, images);
    if (std::any_of(some.begin(), some.end(), [](float logit) { return std::isnan(logit); })) {
      return error(
          Code::wrong_params,
          "{}: values of batch {} of {} overflowed while the server computed, and its answers are lost: an image "
          "is unlike those that the plan was calibrated with. Leave it out, or have the server compile with more "
          "--headroom or --calibration-images",
          name, batch + 1, batches);
    }
    logits.values.insert(logits.values.end(), some.begin(), some.end());
    base::zeroize(some.data(), some.size() * sizeof(float));
    if (options.progress && !options.progress(batch + 1, batches))
      return error(Code::cancelled, "decryption was stopped");
  }
  if (client.made_request(logits.request, logits.images, true)) average_pairs(logits);
  return logits;
}

}  // namespace obscura::client
