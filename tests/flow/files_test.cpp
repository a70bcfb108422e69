// SPDX-License-Identifier: Apache-2.0
/// Client and server through files, and everything that can be wrong with a file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmath>
#include <csignal>
#include <filesystem>
#include <functional>

#include "counting_engine.h"
#include "file_flow.h"
#include "run/clear_backend.h"
#include "wire/ciphertexts.h"
#include "wire/eval_keys.h"

namespace obscura {
namespace {

using ::testing::HasSubstr;

class FileFlow : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { flow_ = new Flow; }
  static void TearDownTestSuite() {
    delete flow_;
    flow_ = nullptr;
  }
  static const Flow& flow() { return *flow_; }

  /// The server refuses, with these words, and leaves nothing.
  static void expect_refused(const fs::path& plan, const fs::path& eval, const fs::path& in, const char* words,
                             Code code) {
    const std::size_t before = flow().files();
    const auto report = server::run(plan, eval, in, flow().path("refused"));
    ASSERT_FALSE(report.ok()) << "expected: " << words;
    EXPECT_THAT(report.error().message, HasSubstr(words));
    EXPECT_EQ(report.error().code, code) << report.error().message;
    EXPECT_EQ(flow().files(), before) << "something stayed behind";
  }
  static void expect_input_refused(const fs::path& in, const char* words, Code code = Code::bad_format) {
    expect_refused(flow().path("net.plan"), flow().path("eval"), in, words, code);
  }

 private:
  static Flow* flow_;
};
Flow* FileFlow::flow_ = nullptr;

TEST_F(FileFlow, AnswersAreTheNetworksForAllImagesInOrder) {
  const auto logits = client::decrypt(flow().offer, flow().path("secret"), flow().path("out"));
  ASSERT_TRUE(logits.ok()) << logits.error().message;
  EXPECT_EQ(logits.value().images, kTwoBatches);
  const auto floats = client::normalise(flow().offer.input, flow().pixels);
  const run::ClearModel model(testing::square_plan());
  const auto exact = run::run_clear(model, floats, kTwoBatches).value();
  const auto noisy = run::run_clear(model, floats, kTwoBatches, 1).value();
  double deviation = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) deviation += std::pow(static_cast<double>(noisy[i]) - exact[i], 2);
  deviation = std::sqrt(deviation / static_cast<double>(exact.size()));
  ASSERT_EQ(logits.value().values.size(), exact.size());
  for (std::size_t i = 0; i < exact.size(); ++i) {
    ASSERT_NEAR(logits.value().values[i], exact[i], 18 * deviation) << "logit " << i;
  }
}

TEST_F(FileFlow, ARunComputesOnTheBackendThatItIsGiven) {
  const auto calls = std::make_shared<testing::BackendCalls>();
  server::RunOptions options;
  options.engine = testing::counting_engine(calls);
  Flow::require(server::run(flow().path("net.plan"), flow().path("eval"), flow().path("in"), flow().path("out.counted"),
                            options));
  EXPECT_GT(calls->linear, 0U);
  EXPECT_EQ(flow().read("out.counted"), flow().read("out"));
  fs::remove(flow().path("out.counted"));
}

TEST_F(FileFlow, TheSecretKeyIsReadableByItsOwnerAlone) {
  struct stat info {};
  ASSERT_EQ(stat(flow().path("secret").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(FileFlow, FilesHoldSeedsForUniformHalves) {
  // A residue of 35 bits takes at most 5 bytes; the key has 2 digits over 3 primes, a ciphertext 36 elements over 2
  // limbs.
  EXPECT_LT(fs::file_size(flow().path("eval")), 2 * 3 * 4096 * 5 + 300);
  EXPECT_LT(fs::file_size(flow().path("in")), 2 * 36 * (2 * 4096 * 5 + 100) + 300);
  EXPECT_LT(fs::file_size(flow().path("secret")), 200U);
}

TEST_F(FileFlow, RefusesTruncatedInputsBeforeAnyWork) {
  expect_input_refused(flow().changed("in", [](base::Bytes& b) { b.resize(b.size() - 1); }), "truncated: 1 bytes");
  expect_input_refused(flow().changed("in", [](base::Bytes& b) { b.resize(30); }), "truncated");
  expect_input_refused(flow().changed("in", [](base::Bytes& b) { b.clear(); }), "not a file of Obscura");
}

TEST_F(FileFlow, RefusesOversizedInputs) {
  expect_input_refused(flow().changed("in", [](base::Bytes& b) { b.resize(b.size() + 7); }), "7 bytes after its end");
}

TEST_F(FileFlow, RefusesABitFlippedAnywhere) {
  const auto flipped = [](double place) {
    return flow().changed("in", [&](base::Bytes& b) {
      b[static_cast<std::size_t>(place * static_cast<double>(b.size()))] ^= std::byte{4};
    });
  };
  for (const double place : {0.1, 0.4}) expect_input_refused(flipped(place), "damaged");
  // In the second batch: the answers of the first are good, and stay.
  const auto late = server::run(flow().path("net.plan"), flow().path("eval"), flipped(0.999), flow().path("refused"));
  ASSERT_FALSE(late.ok());
  EXPECT_THAT(late.error().message, HasSubstr("damaged"));
  EXPECT_THAT(late.error().message, HasSubstr("1 of 2 batches are finished and stay in"));
  EXPECT_FALSE(fs::exists(flow().path("refused")));
  EXPECT_TRUE(fs::remove(base::partial_of(flow().path("refused"))));
  const auto eval = flow().changed("eval", [](base::Bytes& b) { b[b.size() / 2] ^= std::byte{1}; });
  expect_refused(flow().path("net.plan"), eval, flow().path("in"), "damaged", Code::bad_format);
  const auto plan = flow().changed("net.plan", [](base::Bytes& b) { b[b.size() / 2] ^= std::byte{1}; });
  expect_refused(plan, flow().path("eval"), flow().path("in"), "damaged", Code::bad_format);
}

TEST_F(FileFlow, RefusesFilesOfAnotherKindByName) {
  expect_refused(flow().path("eval"), flow().path("eval"), flow().path("in"), "an evaluation-key file, expected a plan",
                 Code::bad_format);
  expect_refused(flow().path("net.plan"), flow().path("secret"), flow().path("in"),
                 "a secret-key file, expected an evaluation-key file", Code::bad_format);
  expect_input_refused(flow().path("out"), "a file of encrypted outputs, expected a file of encrypted inputs");
  const auto logits = client::decrypt(flow().offer, flow().path("secret"), flow().path("in"));
  ASSERT_FALSE(logits.ok());
  EXPECT_THAT(logits.error().message, HasSubstr("a file of encrypted inputs, expected a file of encrypted outputs"));
}

TEST_F(FileFlow, RefusesAbsentFiles) { expect_input_refused(flow().path("nowhere"), "cannot open", Code::io); }

TEST_F(FileFlow, RefusesCiphertextsOfAnotherPlan) {
  const auto plan = wire::write_plan(testing::square_plan(2));
  Flow::write(flow().path("other.plan"), plan);
  // The keys serve every plan with these parameters; the images are for one.
  expect_refused(flow().path("other.plan"), flow().path("eval"), flow().path("in"), "made for plan",
                 Code::wrong_params);
  const auto other = wire::read_plan_file(flow().path("other.plan")).value();
  const auto offer = wire::make_offer(other);
  if (!fs::exists(flow().path("other.eval"))) {
    Flow::require(client::keygen(offer, flow().path("other.secret"), flow().path("other.eval")));
  }
  expect_refused(flow().path("other.plan"), flow().path("other.eval"), flow().path("in"), "made for plan",
                 Code::wrong_params);
  const auto logits = client::decrypt(offer, flow().path("secret"), flow().path("out"));
  ASSERT_FALSE(logits.ok());
  EXPECT_THAT(logits.error().message, HasSubstr("made for plan"));
}

TEST_F(FileFlow, RefusesCiphertextsUnderAnotherKey) {
  Flow::require(client::keygen(flow().offer, flow().path("secret2"), flow().path("eval2")));
  expect_refused(flow().path("net.plan"), flow().path("eval2"), flow().path("in"), "encrypted under key",
                 Code::wrong_params);
  const auto logits = client::decrypt(flow().offer, flow().path("secret2"), flow().path("out"));
  ASSERT_FALSE(logits.ok());
  EXPECT_EQ(logits.error().code, Code::wrong_params);
  EXPECT_THAT(logits.error().message, HasSubstr("encrypted under key"));
}

TEST(Overflow, TheClientRefusesAnAnswerWhoseValuesDidNotFit) {
  plan::Plan loud = testing::square_plan();
  loud.input.std = {0x1p-20};  // squares of 2^40 and a modulus of 72 bits
  const Flow flow(loud);
  const auto logits = client::decrypt(flow.offer, flow.path("secret"), flow.path("out"));
  ASSERT_FALSE(logits.ok());
  EXPECT_EQ(logits.error().code, Code::wrong_params);
  EXPECT_THAT(logits.error().message, HasSubstr("values of batch 1 of 2 overflowed"));
}

TEST_F(FileFlow, RefusesToReplaceAFile) {
  const base::Bytes before = flow().read("out");
  const auto report = server::run(flow().path("net.plan"), flow().path("eval"), flow().path("in"), flow().path("out"));
  ASSERT_FALSE(report.ok());
  EXPECT_THAT(report.error().message, HasSubstr("exists already"));
  EXPECT_EQ(flow().read("out"), before);
  EXPECT_FALSE(client::encrypt(flow().offer, flow().path("secret"), flow().pixels, flow().path("in")).ok());
  const auto keys = client::keygen(flow().offer, flow().path("new-secret"), flow().path("eval"));
  ASSERT_FALSE(keys.ok());
  EXPECT_FALSE(fs::exists(flow().path("new-secret"))) << "a secret key without its evaluation keys stayed";
}

TEST_F(FileFlow, RefusesWhatIsNotWholeImages) {
  const auto some = std::span(flow().pixels).first(36 + 1);
  const auto encrypted = client::encrypt(flow().offer, flow().path("secret"), some, flow().path("never"));
  ASSERT_FALSE(encrypted.ok());
  EXPECT_THAT(encrypted.error().message, HasSubstr("images of 36"));
  EXPECT_FALSE(
      client::encrypt(flow().offer, flow().path("secret"), std::span<const float>(), flow().path("never")).ok());
  EXPECT_FALSE(fs::exists(flow().path("never")));
}

TEST_F(FileFlow, LeavesNothingWhereItIsStopped) {
  const std::size_t before = flow().files();
  const auto stop = [](std::size_t, std::size_t) { return false; };
  const auto encrypted =
      client::encrypt(flow().offer, flow().path("secret"), flow().pixels, flow().path("never"), false, stop);
  ASSERT_FALSE(encrypted.ok());
  EXPECT_EQ(encrypted.error().code, Code::cancelled);
  const auto report = server::run(flow().path("net.plan"), flow().path("eval"), flow().path("in"), flow().path("never"),
                                  {false, 0, stop});
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code, Code::cancelled);
  EXPECT_EQ(flow().files(), before);
}

/// Files may not grow over `bytes` while it lives: what a full disk looks like to a writer.
class FullDisk {
 public:
  explicit FullDisk(std::uint64_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit now = before_;
    now.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &now);
  }
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST_F(FileFlow, LeavesNothingWhereTheDiskIsFull) {
  const std::size_t before = flow().files();
  const FullDisk disk(100000);
  const auto encrypted = client::encrypt(flow().offer, flow().path("secret"), flow().pixels, flow().path("never"));
  ASSERT_FALSE(encrypted.ok());
  EXPECT_EQ(encrypted.error().code, Code::io);
  EXPECT_THAT(encrypted.error().message, HasSubstr("cannot write"));
  const auto keys = client::keygen(flow().offer, flow().path("never-secret"), flow().path("never-eval"));
  ASSERT_FALSE(keys.ok());
  EXPECT_EQ(keys.error().code, Code::io);
  const auto report =
      server::run(flow().path("net.plan"), flow().path("eval"), flow().path("in"), flow().path("never"));
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code, Code::io);
  EXPECT_EQ(flow().files(), before);
}

/// A well-formed file whose header lies: rewritten with a right digest.
fs::path with_header(const Flow& flow, const char* name, wire::Kind kind,
                     const std::function<void(wire::CiphertextHeader&)>& change) {
  return flow.changed(name, [&](base::Bytes& bytes) {
    const std::size_t size = wire::write_header(kind, {}).size();
    auto header = wire::read_header(kind, base::ByteView(bytes).first(size), name).value();
    change(header);
    const base::Bytes frame = wire::write_header(kind, header);
    std::copy(frame.begin(), frame.end(), bytes.begin());
  });
}

TEST_F(FileFlow, RefusesHeadersThatLie) {
  const auto lie = [&](const std::function<void(wire::CiphertextHeader&)>& change) {
    return with_header(flow(), "in", wire::Kind::inputs, change);
  };
  expect_input_refused(lie([](auto& h) { h.images = 0; }), "0 images");
  expect_input_refused(lie([](auto& h) { h.images = UINT64_MAX; }), "images; 1 to");
  expect_input_refused(lie([](auto& h) { h.images = 1; }), "after its end");
  expect_input_refused(lie([](auto& h) { h.images = 100000; }), "truncated");
  expect_input_refused(lie([](auto& h) { h.elements = 35; }), "35 elements", Code::wrong_params);
  expect_input_refused(lie([](auto& h) { h.limbs = 1; }), "1 limbs", Code::wrong_params);
  expect_input_refused(lie([](auto& h) { h.limbs = 1000; }), "1000 limbs");
  expect_input_refused(lie([](auto& h) { h.log2_degree = 13; }), "2^13", Code::wrong_params);
  expect_input_refused(lie([](auto& h) { h.scale *= 2; }), "scale", Code::wrong_params);
  expect_input_refused(lie([](auto& h) { h.scale = NAN; }), "scale nan");
  expect_input_refused(lie([](auto& h) { h.seeded = false; }), "seeded", Code::wrong_params);
}

/// Frame of one seeded ciphertext over both limbs.
std::size_t record_bytes(const ckks::Context& context) {
  ckks::SeededCiphertext x{ring::NttPoly(context.resources(), context.degree(), 2), {}, 1};
  x.body.set_zero();
  return wire::write_record(context, wire::RecordPlace{}, x).size();
}

TEST_F(FileFlow, RefusesResiduesThatAreNotBelowTheirPrime) {
  const auto context = ckks::Context::make(ckks::Params::make(flow().offer.params).value());
  const auto in = flow().changed("in", [&](base::Bytes& bytes) {
    const std::size_t header = wire::write_header(wire::Kind::inputs, {}).size();
    // The first record with all bits of its last residue set, and a right digest.
    const std::size_t payload = record_bytes(*context) - wire::kHeaderBytes - wire::kDigestBytes;
    base::Bytes record(bytes.begin() + static_cast<std::ptrdiff_t>(header + wire::kHeaderBytes),
                       bytes.begin() + static_cast<std::ptrdiff_t>(header + wire::kHeaderBytes + payload));
    std::fill(record.end() - 5, record.end(), std::byte{255});
    const base::Bytes frame = wire::make_frame(wire::Kind::record, record);
    std::copy(frame.begin(), frame.end(), bytes.begin() + static_cast<std::ptrdiff_t>(header));
  });
  expect_input_refused(in, "ciphertext 0: a residue of limb 1 is not below its prime");
}

TEST_F(FileFlow, RefusesRecordsOutOfOrder) {
  const auto context = ckks::Context::make(ckks::Params::make(flow().offer.params).value());
  const auto in = flow().changed("in", [&](base::Bytes& bytes) {
    const auto header = static_cast<std::ptrdiff_t>(wire::write_header(wire::Kind::inputs, {}).size());
    const auto record = static_cast<std::ptrdiff_t>(record_bytes(*context));
    std::swap_ranges(bytes.begin() + header, bytes.begin() + header + record, bytes.begin() + header + record);
  });
  expect_input_refused(in, "ciphertext 0: number 1 of 72 stands in its place");
}

TEST_F(FileFlow, RefusesAnOfferOrKeyThatIsDamaged) {
  const auto offer = flow().changed("net.offer", [](base::Bytes& b) { b[40] ^= std::byte{16}; });
  EXPECT_FALSE(wire::read_offer_file(offer).ok());
  const auto secret = flow().changed("secret", [](base::Bytes& b) { b[100] ^= std::byte{1}; });
  fs::permissions(secret, fs::perms::owner_read);
  const auto client = client::Client::load(flow().offer, secret);
  ASSERT_FALSE(client.ok());
  EXPECT_THAT(client.error().message, HasSubstr("damaged"));
}

}  // namespace
}  // namespace obscura
