// SPDX-License-Identifier: Apache-2.0
/// An answer is bound to its request: whoever rearranges its frames, all digests made right, is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "file_flow.h"
#include "wire/ciphertexts.h"
#include "wire/signature.h"

namespace obscura {
namespace {

using ::testing::HasSubstr;

/// A file in pieces: its header, then its records.
std::vector<base::Bytes> frames_of(const base::Bytes& file) {
  std::vector<base::Bytes> out;
  for (std::size_t at = 0; at < file.size();) {
    std::uint64_t payload = 0;
    std::memcpy(&payload, file.data() + at + 12, sizeof payload);
    const std::size_t size = wire::kHeaderBytes + payload + wire::kDigestBytes;
    out.emplace_back(file.begin() + static_cast<std::ptrdiff_t>(at),
                     file.begin() + static_cast<std::ptrdiff_t>(at + size));
    at += size;
  }
  return out;
}

class AnswerFrames : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    flow_ = new Flow;
    const Flow& f = *flow_;
    Flow::require(client::encrypt(f.offer, f.path("secret"), f.pixels, f.path("in2")));
    Flow::require(server::run(f.path("net.plan"), f.path("eval"), f.path("in2"), f.path("out2")));
    Flow::require(client::keygen(f.offer, f.path("secret3"), f.path("eval3")));
    Flow::require(client::encrypt(f.offer, f.path("secret3"), f.pixels, f.path("in3")));
    Flow::require(server::run(f.path("net.plan"), f.path("eval3"), f.path("in3"), f.path("out3")));
  }
  static void TearDownTestSuite() {
    delete flow_;
    flow_ = nullptr;
  }
  static const Flow& flow() { return *flow_; }

  /// What decryption says of these frames as the answer to the first request; "read" where it takes them.
  static std::string sentence(const std::vector<base::Bytes>& frames, bool name_request = true) {
    base::Writer w;
    for (const base::Bytes& frame : frames) w.raw(frame);
    Flow::write(flow().path("mutant"), w.bytes());
    client::DecryptOptions options;
    if (name_request) options.request = flow().path("in");
    const auto logits = client::decrypt(flow().offer, flow().path("secret"), flow().path("mutant"), options);
    return logits.ok() ? "read" : logits.error().message;
  }

 private:
  static Flow* flow_;
};
Flow* AnswerFrames::flow_ = nullptr;

TEST_F(AnswerFrames, NoneOfAThousandMutationsIsTaken) {
  const auto own = frames_of(flow().read("out"));
  const auto foreign = frames_of(flow().read("out2"));
  const auto others = frames_of(flow().read("out3"));
  ASSERT_EQ(sentence(own), "read");
  ASSERT_EQ(own.size(), foreign.size());
  ASSERT_GT(own.size(), 3U);
  std::mt19937_64 random(19);
  const auto pick = [&] { return 1 + random() % (own.size() - 1); };
  int taken = 0;
  for (int k = 0; k < 1000; ++k) {
    auto mutant = own;
    const std::size_t i = pick();
    std::size_t j = pick();
    while (j == i) j = pick();
    switch (k % 6) {
      case 0:
        std::swap(mutant[i], mutant[j]);
        break;
      case 1:
        mutant[i] = mutant[j];
        break;
      case 2:
        mutant.erase(mutant.begin() + static_cast<std::ptrdiff_t>(i));
        break;
      case 3:
        mutant[i] = foreign[i];
        break;
      case 4:
        mutant[i] = others[i];
        break;
      default:
        mutant.insert(mutant.begin() + static_cast<std::ptrdiff_t>(i), mutant[j]);
        break;
    }
    taken += sentence(mutant) == "read" ? 1 : 0;
  }
  EXPECT_EQ(taken, 0);
}

TEST_F(AnswerFrames, AnAnswerToAnotherRequestIsRefused) {
  const auto foreign = frames_of(flow().read("out2"));
  EXPECT_EQ(sentence(foreign, false), "read") << "this key made that request too";
  EXPECT_THAT(sentence(foreign), HasSubstr("answers request"));
  // Its frames under the header of the right answer, and its header with the right name of the inputs.
  auto mixed = foreign;
  mixed[0] = frames_of(flow().read("out"))[0];
  EXPECT_THAT(sentence(mixed), HasSubstr("ciphertext 0: of request"));
  auto header = wire::read_header(wire::Kind::outputs, foreign[0], "out2").value();
  header.inputs = wire::read_header(wire::Kind::outputs, frames_of(flow().read("out"))[0], "out").value().inputs;
  mixed = foreign;
  mixed[0] = wire::write_header(wire::Kind::outputs, header);
  EXPECT_THAT(sentence(mixed), HasSubstr("answers request"));
}

TEST_F(AnswerFrames, AnAnswerToARequestThatThisKeyNeverMadeIsRefused) {
  auto frames = frames_of(flow().read("out"));
  auto header = wire::read_header(wire::Kind::outputs, frames[0], "out").value();
  header.request[3] ^= 1;
  frames[0] = wire::write_header(wire::Kind::outputs, header);
  EXPECT_THAT(sentence(frames, false), HasSubstr("which this key never made"));
}

TEST_F(AnswerFrames, OnlyTheSignatureThatIsTrustedIsTaken) {
  const Flow& f = flow();
  const base::SigningKey server = base::make_signing_key(), other = base::make_signing_key();
  const base::OutputFile::Options secret{.overwrite = false, .secret = true};
  Flow::require(base::write_file(f.path("signkey"), wire::write_signing_key(server), secret));
  Flow::require(base::write_file(f.path("other-key"), wire::write_signing_key(other), secret));
  for (const char* key : {"signkey", "other-key"}) {
    server::RunOptions options;
    options.signing_key = f.path(key);
    Flow::require(server::run(f.path("net.plan"), f.path("eval"), f.path("in"), f.path("signed"), options));
    fs::rename(f.path("signed"), f.path((std::string(key) + ".out").c_str()));
  }
  plan::Offer offer = f.offer;
  offer.signer = server.verify;
  client::SecretSource trusting(f.path("secret"));
  trusting.trust = server.verify;
  const auto said = [&](const char* answer) {
    const auto logits = client::decrypt(offer, trusting, f.path(answer));
    return logits.ok() ? "read" : logits.error().message;
  };
  EXPECT_EQ(said("signkey.out"), "read");
  EXPECT_THAT(said("out"), HasSubstr("not signed"));
  EXPECT_THAT(said("other-key.out"), HasSubstr("signed by"));
  EXPECT_TRUE(client::decrypt(f.offer, f.path("secret"), f.path("signkey.out")).ok()) << "who trusts all takes it";
  offer.signer = other.verify;
  EXPECT_THAT(said("signkey.out"), HasSubstr("the offer: signed by"));
  offer.signer = server.verify;
  // A record changed, its own digest made right: the signature is of another content.
  auto frames = frames_of(f.read("signkey.out"));
  base::Bytes payload(frames[1].begin() + wire::kHeaderBytes, frames[1].end() - wire::kDigestBytes);
  payload[60] ^= std::byte{1};
  frames[1] = wire::make_frame(wire::Kind::record, payload);
  base::Writer w;
  for (const base::Bytes& frame : frames) w.raw(frame);
  Flow::write(f.path("forged"), w.bytes());
  EXPECT_THAT(said("forged"), HasSubstr("is not of this content"));
}

}  // namespace
}  // namespace obscura
