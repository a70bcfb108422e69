// SPDX-License-Identifier: Apache-2.0
// fuzz_seeds FOLDER: writes the small valid inputs that fuzzing starts from into FOLDER/frames, /plan, /onnx, /data
// and /client.
#include <filesystem>
#include <string>

#include "../tests/data/make_arrays.h"
#include "../tests/data/make_jpeg.h"
#include "../tests/data/make_png.h"
#include "../tests/flow/boot_plan.h"
#include "../tests/flow/tiny_graph.h"
#include "../tests/flow/tiny_plan.h"
#include "../tests/nn/seed_networks.h"
#include "base/files.h"
#include "ckks/context.h"
#include "client/secret_file.h"
#include "data/png.h"
#include "nn/onnx.h"
#include "ring/sample.h"
#include "wire/ciphertexts.h"
#include "wire/eval_keys.h"
#include "wire/plan_frame.h"
#include "wire/signature.h"
#include "wire/state.h"

namespace {

using namespace obscura;

/// The same ring as in frames_fuzz.cpp.
std::shared_ptr<const ckks::Context> toy_context() {
  ckks::ParamsLiteral literal;
  literal.log2_degree = 9;
  literal.chain = ckks::make_primes(9, 36, 2, {}).value();
  literal.special = ckks::make_primes(9, 40, 1, {}).value();
  literal.digit_limbs = 1;
  return ckks::Context::make(ckks::Params::insecure_for_tests(literal).value());
}

class Seeds {
 public:
  explicit Seeds(std::filesystem::path folder) : folder_(std::move(folder)) {}
  void write(const std::string& target, const std::string& name, base::ByteView bytes) const {
    std::filesystem::create_directories(folder_ / target);
    const auto written = base::write_file(folder_ / target / name, bytes, {.overwrite = true, .secret = false});
    OBSCURA_CHECK(written.ok(), "{}", written.error().message);
  }
  /// `choice` is what the fuzz entry reads first.
  void write(const std::string& target, const std::string& name, unsigned choice, base::ByteView bytes) const {
    base::Writer w;
    w.u8(static_cast<std::uint8_t>(choice));
    w.raw(bytes);
    write(target, name, w.bytes());
  }

 private:
  std::filesystem::path folder_;
};

base::ByteView payload_of(const base::Bytes& frame) {
  return base::ByteView(frame).subspan(wire::kHeaderBytes, frame.size() - wire::kHeaderBytes - wire::kDigestBytes);
}

ring::NttPoly poly(const ckks::Context& context, std::size_t limbs) {
  ring::NttPoly out(context.resources(), context.degree(), limbs);
  for (std::size_t i = 0; i < limbs; ++i) {
    ring::sample_uniform(base::Seed{}, i, context.basis().prime(i), out.residues(i));
  }
  return out;
}

void write_plans(const Seeds& seeds) {
  const auto set = ckks::BootstrapParams::make(ckks::BootstrapParams::demonstrated().front()).value();
  plan::Plan named = testing::square_plan();
  named.name = "tiny-named";
  named.output.answer = {plan::AnswerKind::several, plan::AnswerFunction::sigmoid,
                         std::vector<std::string>(named.output.classes, "a class")};
  for (const auto& plan : {testing::square_plan(), testing::quartic_plan(), testing::boot_plan(set), named}) {
    const base::Bytes frame = wire::write_plan(plan);
    seeds.write("plan", plan.name, payload_of(frame));
    const base::Bytes offer = wire::write_offer(wire::make_offer(wire::read_plan(frame, "seed").value()));
    seeds.write("frames", plan.name + "-plan-file", 0, frame);
    seeds.write("frames", plan.name + "-offer-file", 0, offer);
    seeds.write("frames", plan.name + "-offer", 1, payload_of(offer));
  }
}

void write_ciphertexts(const Seeds& seeds) {
  const auto context = toy_context();
  wire::EvalKeysHeader keys;
  keys.log2_degree = 9;
  keys.chain = 2;
  keys.special = keys.digit_limbs = 1;
  keys.relinearization = keys.bootstrap = true;
  keys.galois = {{3, 2}, {9, 1}};
  const base::Bytes key_file = wire::write_keys_header(keys);
  seeds.write("frames", "keys", 2, payload_of(key_file));
  seeds.write("frames", "keys-file", 0, key_file);
  ckks::SwitchKey key;
  for (std::size_t d = 0; d < context->digits(2); ++d) key.body.push_back(poly(*context, 3));
  seeds.write("frames", "key", 6, payload_of(wire::write_key(*context, 0, key)));
  key.body.resize(1);
  key.body[0].give(1);
  seeds.write("frames", "key-one-limb", 6, payload_of(wire::write_key(*context, 0, key)));
  wire::CiphertextHeader header;
  header.images = 100;
  header.log2_degree = 12;
  header.images_at_once = 2048;
  header.elements = 36;
  header.limbs = 2;
  header.seeded = true;
  header.scale = 0x1p30;
  const base::Bytes inputs = wire::write_header(wire::Kind::inputs, header);
  seeds.write("frames", "inputs", 3, payload_of(inputs));
  seeds.write("frames", "outputs", 4, payload_of(wire::write_header(wire::Kind::outputs, header)));
  seeds.write("frames", "inputs-file", 0, inputs);
  seeds.write(
      "frames", "record-seeded", 5,
      payload_of(wire::write_record(*context, wire::RecordPlace{}, ckks::SeededCiphertext{poly(*context, 2), {}, 1})));
  ckks::Ciphertext x;
  for (int part = 0; part < 3; ++part) x.parts.push_back(poly(*context, 1));
  seeds.write("frames", "record-three-parts", 5, payload_of(wire::write_record(*context, wire::RecordPlace{}, x)));
  x.parts.pop_back();
  seeds.write("frames", "record-two-parts", 5, payload_of(wire::write_record(*context, wire::RecordPlace{}, x)));
}

void write_states(const Seeds& seeds) {
  wire::StateHeader header;
  header.batch = 2;
  header.tasks = 7;
  header.live = {{{5, 0}, 0x1p30}, {{5, 1}, 0x1p30}, {{9, 0}, 0x1p31}};
  const base::Bytes frame = wire::write_state_header(header);
  seeds.write("frames", "state", 7, payload_of(frame));
  seeds.write("frames", "state-file", 0, frame);
}

/// Secrets of a fixed seed, and a signature of no file.
void write_secrets(const Seeds& seeds) {
  client::SecretFile file;
  seeds.write("client", "secret", 0, payload_of(client::write_secret(file).value()));
  file.trust = base::VerifyKey{1};
  const base::LockedBytes passphrase(8);
  const base::Bytes sealed = client::write_secret(file, &passphrase, {1, 8192}).value();
  seeds.write("client", "secret-sealed", 0, payload_of(sealed));
  seeds.write("client", "secret-file", 1, sealed);
  const base::SigningKey key = base::signing_key_of({});
  const base::Bytes signature = wire::write_signature(key, wire::Kind::outputs, wire::Digest{1});
  seeds.write("client", "signature", 2, payload_of(signature));
  seeds.write("client", "signature-frame", 3, signature);
}

/// Images of 2 x 3 in every kind of file.
void write_files(const Seeds& seeds) {
  constexpr unsigned kAny = 6;
  const std::vector<std::uint8_t> six{0, 50, 100, 150, 200, 250};
  std::vector<std::uint8_t> colours = six;
  for (int i = 0; i < 2; ++i) colours.insert(colours.end(), six.begin(), six.end());
  const std::string bytes = data::raw(six);
  const std::string floats = data::npy("<f4", "(2, 2, 3)", data::raw(std::vector<float>(12, 0.5F)));
  seeds.write("data", "npy-bytes", kAny, base::as_bytes(data::npy("|u1", "(1, 6)", bytes)));
  seeds.write("data", "npy-floats", kAny, base::as_bytes(floats));
  seeds.write("data", "npy-halves", kAny, base::as_bytes(data::npy("<f2", "(3,)", bytes, 2)));
  seeds.write("data", "npy-labels", kAny, base::as_bytes(data::npy("<i8", "(1, 1)", std::string(8, '\0'))));
  for (const bool deflated : {false, true}) {
    data::ZipMaker zip;
    zip.add("x.npy", floats, deflated);
    zip.add("y.npy", data::npy("|u1", "(2,)", bytes.substr(0, 2)), deflated);
    seeds.write("data", deflated ? "npz-deflated" : "npz-stored", kAny, base::as_bytes(zip.bytes()));
  }
  seeds.write("data", "jpeg-grey", kAny, data::make_jpeg(six, 1, 2, 3));
  seeds.write("data", "jpeg-colour", kAny, data::make_jpeg(colours, 3, 2, 3, true));
  data::PngMaker png{data::PngMaker::grey_alpha, 16, 2, 3, true, std::vector<std::uint16_t>(12, 65535), {}};
  seeds.write("data", "png-deep", kAny, png.bytes());
  seeds.write("data", "label-text", kAny, base::as_bytes("3\n8\n0\n"));
}

void write_images(const Seeds& seeds) {
  std::vector<std::uint8_t> pixels(28 * 28);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i / 28);
  seeds.write("data", "grey-png", 0, data::encode_png(pixels, 1, 28, 28));
  pixels.resize(3 * 8 * 8);
  seeds.write("data", "colour-png", 1, data::encode_png(pixels, 3, 8, 8));
  base::Writer images;
  for (const int b : {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4}) images.u8(static_cast<std::uint8_t>(b));
  for (int i = 0; i < 2 * 3 * 4; ++i) images.u8(static_cast<std::uint8_t>(i));
  seeds.write("data", "idx-images", 2, images.bytes());
  base::Writer labels;
  for (const int b : {0, 0, 8, 1, 0, 0, 0, 4, 7, 2, 1, 0}) labels.u8(static_cast<std::uint8_t>(b));
  seeds.write("data", "idx-labels", 2, labels.bytes());
  pixels.resize(3 * 2 * 4);
  seeds.write("data", "rows-png", 3, data::encode_png(pixels, 3, 2, 4));
  seeds.write("data", "label-list", 4, base::as_bytes("[3,8, 0,255]\n"));
  seeds.write("data", "class-list", 4, base::as_bytes("0 n01440764 tench\n1 n01443537 gold fish\n"));
  seeds.write("data", "cifar-records", 5, base::Bytes(2 * 3073));
  write_files(seeds);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const Seeds seeds(argv[1]);
  write_plans(seeds);
  write_ciphertexts(seeds);
  write_states(seeds);
  write_images(seeds);
  write_secrets(seeds);
  seeds.write("onnx", "tiny-square", nn::write_onnx(testing::square_graph()));
  seeds.write("onnx", "every-operator", nn::write_onnx(nn::every_operator()));
  seeds.write("onnx", "computed-pads", nn::computed_pads().bytes());
  seeds.write("onnx", "computed-sizes", nn::computed_sizes().bytes());
  seeds.write("onnx", "quantized", nn::quantized_network().bytes());
  seeds.write("onnx", "functions", nn::calling_network().bytes());
  seeds.write("onnx", "channels-last", nn::channels_last_network().bytes());
  return 0;
}
