// SPDX-License-Identifier: Apache-2.0
#include "client/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>  // mkdtemp

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "../flow/tiny_plan.h"
#include "ckks/evaluator.h"
#include "ckks/noise.h"
#include "client/secret_file.h"
#include "plan/keys.h"
#include "wire/ciphertexts.h"
#include "wire/eval_keys.h"

namespace obscura::client {
namespace {

using ::testing::HasSubstr;

/// An offer whose output is its input: what is encrypted comes straight back.
plan::Offer mirror_offer() {
  plan::Plan plan = testing::plan_head("mirror", testing::square_plan().params, 0x1p30);
  plan.output = {plan.input.elements(), plan.input.limbs, plan.input.scale, 0x1p-20, 0x1p-20, plan.input.layout};
  plan.keys.relinearization = true;
  plan::Offer offer = plan::make_offer(plan, {});
  offer.plan_digest.fill(42);
  return offer;
}

TEST(Normalise, MapsPixelsChannelByChannel) {
  plan::InputSpec input;
  input.channels = 2;
  input.height = 1;
  input.width = 2;
  input.mean = {0, 0.5};
  input.std = {1, 0.25};
  const std::vector<float> pixels = {0, 1, 0, 1, 0.2F, 0.2F, 0.2F, 0.2F};
  const std::vector<float> expected = {0, 1, -2, 2, 0.2F, 0.2F, -1.2F, -1.2F};
  const auto actual = normalise(input, pixels);
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_FLOAT_EQ(actual[i], expected[i]) << i;
}

TEST(Normalise, StandardisesEachImage) {
  plan::InputSpec input;
  input.channels = 2;
  input.height = 1;
  input.width = 2;
  input.mean = {0, 0.5};
  input.std = {1, 0.5};
  input.standardise = {0.125, 1.5};
  // Normalised: 0, 1, -1, 0 with mean 0 and deviation sqrt(1/2); four times 0.5; 0, 0, 0, 1 with mean 1/4 and deviation
  // sqrt(3/16), whose last is clipped: 0.75 / 0.433 = 1.73.
  const std::vector<float> pixels = {0, 1, 0, 0.5F, 0.5F, 0.5F, 0.75F, 0.75F, 0, 0, 0.5F, 1};
  const double root = std::sqrt(2.0);
  const std::vector<double> expected = {
      0,  root, -root, 0, 0, 0, 0, 0, -0.25 / std::sqrt(0.1875), -0.25 / std::sqrt(0.1875), -0.25 / std::sqrt(0.1875),
      1.5};
  const auto actual = normalise(input, pixels);
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-6) << i;
  // An image of one colour, but for a little: the floor divides.
  const auto faint = normalise(input, std::vector<float>{0.5F, 0.5F, 0.75F, 0.78125F});
  EXPECT_NEAR(faint[3], 0.75 * 0.0625 / 0.125, 1e-6);
}

TEST(Normalise, RefusesPartsOfImages) {
  EXPECT_THROW((void)normalise(mirror_offer().input, std::vector<float>(35)), ContractError);
}

TEST(Client, DecryptsWhatItEncrypted) {
  const Client client = Client::generate(mirror_offer()).value();
  const std::size_t images = 100;
  const auto pixels = testing::random_pixels(images);
  const auto fresh = client.encrypt(pixels).value();
  ASSERT_EQ(fresh.size(), 36U);
  std::vector<ckks::Ciphertext> expanded;
  for (const auto& x : fresh) expanded.push_back(ckks::expand(*client.context(), x));
  const auto back = client.decrypt(expanded, images);
  const auto expected = normalise(client.offer().input, pixels);
  ASSERT_EQ(back.size(), expected.size());
  // 3600 numbers within 6 deviations of encryption noise, and the rounding to floats.
  const double bound = 6 * ckks::noise_of_encryption(client.context()->params()) / 0x1p30 + 1e-7;
  for (std::size_t i = 0; i < back.size(); ++i) ASSERT_NEAR(back[i], expected[i], bound) << i;
}

TEST(Client, GivesNoLogitsWhereValuesOverflowed) {
  const Client client = Client::generate(mirror_offer()).value();
  const auto fresh = client.encrypt(testing::random_pixels(100)).value();
  std::vector<ckks::Ciphertext> answer;
  for (const auto& x : fresh) answer.push_back(ckks::expand(*client.context(), x));
  // Residues that are anything, as after a value that did not fit the modulus.
  const std::size_t overflowing = 5;
  for (auto& part : answer[overflowing].parts) {
    for (std::size_t i = 0; i < part.limbs(); ++i) {
      for (double& r : part.residues(i))
        r = std::fmod(r * 1048573, static_cast<double>(client.offer().params.chain[i]));
    }
  }
  const auto logits = client.decrypt(answer, 100);
  for (std::size_t j = 0; j < 100; ++j) {
    for (std::size_t c = 0; c < 36; ++c) EXPECT_EQ(std::isnan(logits[j * 36 + c]), c == overflowing) << j << " " << c;
  }
}

TEST(Client, TwoEncryptionsOfOneImageDiffer) {
  const Client client = Client::generate(mirror_offer()).value();
  const auto pixels = testing::random_pixels(1);
  const auto a = client.encrypt(pixels).value();
  const auto b = client.encrypt(pixels).value();
  EXPECT_NE(a[0].seed, b[0].seed);
  EXPECT_NE(a[0].seed, a[1].seed);
}

TEST(Client, RefusesNoImagePartsOfImagesAndTooMany) {
  const Client client = Client::generate(mirror_offer()).value();
  EXPECT_FALSE(client.encrypt({}).ok());
  EXPECT_FALSE(client.encrypt(std::vector<float>(37)).ok());
  const auto many = client.encrypt(std::vector<float>(36 * 2049));
  ASSERT_FALSE(many.ok());
  EXPECT_THAT(many.error().message, HasSubstr("1 to 2048 images"));
}

TEST(Client, TwoKeysHaveTwoNames) {
  const auto offer = mirror_offer();
  EXPECT_NE(Client::generate(offer).value().binding().key, Client::generate(offer).value().binding().key);
  EXPECT_EQ(Client::generate(offer).value().binding().plan, offer.plan_digest);
}

TEST(Client, RefusesAnOfferWithInsecureParameters) {
  auto offer = mirror_offer();
  offer.params.chain = testing::primes(12, 40, 2);
  offer.params.special = testing::primes(12, 50, 1);
  const auto client = Client::generate(offer);
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.error().code, Code::wrong_params);
}

TEST(Client, MakesOnlyTheKeysThatTheOfferAsksFor) {
  auto offer = mirror_offer();
  EXPECT_EQ(Client::generate(offer).value().make_eval_keys().relinearization.size(), 1U);
  offer.keys.relinearization = false;
  EXPECT_TRUE(Client::generate(offer).value().make_eval_keys().relinearization.empty());
}

TEST(Client, ItsKeysComePieceByPieceAndAreAFileOfThem) {
  auto offer = mirror_offer();
  offer.keys.rotations = {{1, 2}, {5, 1}};
  const Client client = Client::generate(offer).value();
  KeyPieces pieces = KeyPieces::of(client).value();
  EXPECT_EQ(pieces.keys(), 3U);
  base::Bytes all;
  for (std::size_t piece = 0; piece < 4; ++piece) {
    EXPECT_EQ(pieces.made(), piece == 0 ? 0 : piece - 1);
    const base::Bytes bytes = pieces.next();
    EXPECT_FALSE(bytes.empty());
    all.insert(all.end(), bytes.begin(), bytes.end());
  }
  EXPECT_EQ(pieces.made(), 3U);
  EXPECT_TRUE(pieces.next().empty());
  EXPECT_TRUE(pieces.next().empty());
  EXPECT_EQ(all.size(), cost_of_keys(offer).value().file_bytes);
  base::InputFile file = base::InputFile::of_memory(all, "keys");
  const auto read = wire::read_eval_keys(*client.context(), client.key_needs().value(), file);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->name, client.key_name());
}

TEST(Client, OfASecretThatWasReadIsTheOneThatMadeIt) {
  const auto offer = mirror_offer();
  const Client client = Client::generate(offer).value();
  const base::Bytes frame = client.secret_frame(std::nullopt, nullptr).value();
  const Client again = Client::of_secret(offer, read_secret(frame, "S").value(), "S").value();
  EXPECT_TRUE(again.made_request(client.make_request(3), 3));
  auto other = offer;
  other.params.chain.pop_back();
  const auto refused = Client::of_secret(other, read_secret(frame, "S").value(), "S");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::wrong_params);
  EXPECT_THAT(refused.error().message, HasSubstr("S: a key for parameters"));
}

SecretFile some_secret() {
  SecretFile file;
  file.seed->fill(7);
  file.name.params.fill(1);
  file.name.key.fill(2);
  return file;
}

base::LockedBytes passphrase(const std::string& text) {
  base::LockedBytes out(text.size());
  std::copy(text.begin(), text.end(), out.span().begin());
  return out;
}

/// As cheap as libsodium allows: what a passphrase costs is no matter here.
constexpr base::PassphraseCost kCheap{1, 8192};

TEST(SecretFile, ComesBackAndIsHeldToItsSize) {
  SecretFile file = some_secret();
  file.trust = base::VerifyKey{9};
  const auto read = read_secret(write_secret(file).value(), "S");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(*read.value().seed, *file.seed);
  EXPECT_EQ(read.value().name, file.name);
  EXPECT_EQ(read.value().trust, file.trust);
  const base::Bytes longer(114);
  const auto refused = read_secret(wire::make_frame(wire::Kind::secret_key, longer), "S");
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("114 bytes, expected 113"));
}

TEST(SecretFile, OpensWithItsPassphraseAlone) {
  const SecretFile file = some_secret();
  const base::LockedBytes own = passphrase("correct horse");
  const base::Bytes frame = write_secret(file, &own, kCheap).value();
  const auto with = [&](const std::string& text) {
    return read_secret(frame, "S", [&] { return Result<base::LockedBytes>(passphrase(text)); });
  };
  ASSERT_TRUE(with("correct horse").ok());
  EXPECT_EQ(*with("correct horse").value().seed, *file.seed);
  EXPECT_THAT(with("correct horsf").error().message, HasSubstr("S: not opened: another passphrase"));
  EXPECT_THAT(read_secret(frame, "S").error().message, HasSubstr("a passphrase protects it"));
  const base::ByteView seed = std::as_bytes(std::span(*file.seed));
  EXPECT_EQ(std::search(frame.begin(), frame.end(), seed.begin(), seed.begin() + 8), frame.end());
}

TEST(SecretFile, WhatStandsBesideTheSealCannotBeChanged) {
  const base::LockedBytes own = passphrase("x");
  const base::Bytes frame = write_secret(some_secret(), &own, kCheap).value();
  base::Bytes payload(frame.begin() + wire::kHeaderBytes, frame.end() - wire::kDigestBytes);
  for (const std::size_t at : {std::size_t{0}, std::size_t{40}, std::size_t{60}}) {  // parameters, key, trust
    payload[at] ^= std::byte{1};
    const auto read = read_secret(wire::make_frame(wire::Kind::secret_key, payload), "S",
                                  [] { return Result<base::LockedBytes>(passphrase("x")); });
    payload[at] ^= std::byte{1};
    ASSERT_FALSE(read.ok()) << at;
    EXPECT_THAT(read.error().message, HasSubstr("not opened"));
  }
  const std::uint64_t memory = std::uint64_t{1} << 40;
  std::memcpy(payload.data() + 48 + 1 + 32 + 8, &memory, sizeof memory);
  const auto costly = read_secret(wire::make_frame(wire::Kind::secret_key, payload), "S",
                                  [] { return Result<base::LockedBytes>(passphrase("x")); });
  EXPECT_THAT(costly.error().message, HasSubstr("passes over 1099511627776 bytes"));
}

TEST(SecretFile, ThatOthersCanReadIsRefused) {
  std::string name = std::filesystem::temp_directory_path() / "obscura-secret-XXXXXX";
  const std::filesystem::path folder = mkdtemp(name.data());
  const auto path = folder / "s";
  ASSERT_TRUE(base::write_file(path, write_secret(some_secret()).value(), {.overwrite = false, .secret = true}).ok());
  EXPECT_TRUE(read_secret_file(path).ok());
  for (const auto also :
       {std::filesystem::perms::group_read, std::filesystem::perms::others_read, std::filesystem::perms::group_write}) {
    std::filesystem::permissions(path, std::filesystem::perms::owner_read | also);
    const auto read = read_secret_file(path);
    ASSERT_FALSE(read.ok());
    EXPECT_THAT(read.error().message, HasSubstr("chmod 600"));
  }
  std::filesystem::remove_all(folder);
}

TEST(Client, KnowsItsOwnRequests) {
  const Client client = Client::generate(mirror_offer()).value();
  const Client other = Client::generate(mirror_offer()).value();
  const wire::Nonce request = client.make_request(5);
  EXPECT_NE(request, client.make_request(5));
  EXPECT_TRUE(client.made_request(request, 5));
  EXPECT_FALSE(client.made_request(request, 6));
  EXPECT_FALSE(other.made_request(request, 5));
  for (std::size_t k = 0; k < request.size(); ++k) {
    wire::Nonce changed = request;
    changed[k] ^= 1;
    EXPECT_FALSE(client.made_request(changed, 5)) << k;
  }
}

/// The server's answer to the images in `in`, of an offer whose output is its input.
void echo(const Client& client, const std::filesystem::path& in, const std::filesystem::path& out) {
  auto reader = wire::CiphertextReader::open(in, wire::Kind::inputs).value();
  wire::CiphertextHeader header = reader.header();
  ASSERT_TRUE(reader.expect(client.context(), header).ok());
  header.inputs = reader.digest().value();
  header.seeded = false;
  auto writer = wire::CiphertextWriter::create(out, wire::Kind::outputs, client.context(), header, {}).value();
  for (std::uint64_t batch = 0; batch < header.batches(); ++batch) {
    ASSERT_TRUE(writer.write(reader.read(header.elements).value()).ok());
  }
  ASSERT_TRUE(writer.commit().ok());
}

TEST(Client, AnswersMirroredImagesWithTheMeanOfBoth) {
  std::string name = std::filesystem::temp_directory_path() / "obscura-mirror-XXXXXX";
  const std::filesystem::path folder = mkdtemp(name.data());
  const Client client = Client::generate(mirror_offer()).value();
  const plan::InputSpec& input = client.offer().input;
  // More than fit one batch with their mirrored ones.
  const std::size_t images = client.images_at_once() / 2 + 3;
  const auto pixels = testing::random_pixels(images);
  ImageSource source = images_in(pixels, input).value();
  source.mirrored = true;
  auto file = base::OutputFile::create(folder / "in", {}).value();
  const Sent sent = encrypt(client, source, std::move(file)).value();
  EXPECT_EQ(sent.images, 2 * images);
  EXPECT_FALSE(client.made_request(sent.request, sent.images)) << "an answer to it is no answer to other images";
  EXPECT_TRUE(client.made_request(sent.request, sent.images, true));
  echo(client, folder / "in", folder / "out");
  DecryptOptions options;
  options.sent = sent;
  const Logits answer = decrypt(client, base::InputFile::open(folder / "out").value(), options).value();
  EXPECT_TRUE(answer.mirrored);
  ASSERT_EQ(answer.images, images);
  ASSERT_EQ(answer.values.size(), pixels.size());
  const auto expected = normalise(input, pixels);
  const double bound = 6 * ckks::noise_of_encryption(client.context()->params()) / 0x1p30 + 1e-6;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const std::size_t column = i % input.width;
    const float other = expected[i - column + (input.width - 1 - column)];
    ASSERT_NEAR(answer.values[i], (expected[i] + other) / 2, bound) << i;
  }
  std::filesystem::remove_all(folder);
}

TEST(KeyCost, IsThatOfTheFileThatIsWritten) {
  std::string name = std::filesystem::temp_directory_path() / "obscura-cost-XXXXXX";
  const std::filesystem::path folder = mkdtemp(name.data());
  plan::Offer offer = mirror_offer();
  offer.keys.rotations = {{1, 2}, {5, 1}};
  offer.keys.conjugation = 1;
  const KeyCost cost = cost_of_keys(offer).value();
  ASSERT_TRUE(keygen(offer, folder / "s", folder / "e").ok());
  EXPECT_EQ(cost.keys, 4U);
  EXPECT_EQ(cost.file_bytes, std::filesystem::file_size(folder / "e"));
  KeygenOptions small;
  small.max_bytes = cost.file_bytes - 1;
  const auto refused = keygen(offer, folder / "s2", folder / "e2", small);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, ::testing::AllOf(HasSubstr("4 keys"), HasSubstr("--max-keys")));
  EXPECT_FALSE(std::filesystem::exists(folder / "e2"));
  std::filesystem::remove_all(folder);
}

/// The numbers of cost.cpp's table, for each set, from the tables of its transforms.
TEST(KeyCost, OfBootstrappingIsThatOfItsTransforms) {
  for (const ckks::BootstrapLiteral& literal : ckks::BootstrapParams::demonstrated()) {
    SCOPED_TRACE(literal.log2_slots);
    const auto set = ckks::BootstrapParams::make(literal).value();
    plan::Offer offer = mirror_offer();
    offer.params = set.params().literal();
    offer.keys = {};
    offer.bootstrap = plan::BootstrapSpec{literal, 0x1p40, 0x1p40};
    const auto bootstrapper = plan::make_bootstrapper(offer.bootstrap).value();
    const ckks::Context& context = *bootstrapper->context();
    const ckks::KeyNeeds needs = plan::key_needs(context, offer.keys, bootstrapper);
    std::uint64_t bytes = wire::keys_header_bytes(needs.galois.size());
    for (const ckks::NeededKey& key : ckks::list(context, needs)) {
      bytes += wire::key_frame_bytes(ckks::context_of(context, needs, key).params().literal(), key.limbs);
    }
    const KeyCost cost = cost_of_keys(offer).value();
    EXPECT_EQ(cost.file_bytes, bytes);
    EXPECT_EQ(cost.keys, ckks::list(context, needs).size());
  }
}

}  // namespace
}  // namespace obscura::client
