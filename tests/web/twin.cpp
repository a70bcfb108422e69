// SPDX-License-Identifier: Apache-2.0
/// The native client with randomness that twin_test.mjs gives WebAssembly too: all of its files have to be the same.
///
///   web_twin OFFER PIXELS DIR
///   web_twin OFFER OUT           the offer with the parameters of a network that bootstraps
///
/// PIXELS are the bytes of one image. Makes DIR/secret, DIR/eval and DIR/images, none of which is there: files that
/// replace others would draw names at random.
#include <fmt/format.h>
#include <sodium.h>

#include <cstdio>
#include <filesystem>
#include <span>
#include <vector>

#include "base/parallel.h"
#include "client/client.h"
#include "wire/plan_frame.h"

namespace {

using namespace obscura;

/// The highest byte of each state of a linear congruence: no randomness, and the same everywhere.
std::uint32_t next_random() {
  static std::uint32_t state = 1;
  state = state * 1664525U + 1013904223U;
  return state >> 24;
}

const char* name() { return "twin"; }
std::uint32_t random_word() { return next_random(); }
void fill(void* const out, const std::size_t size) {
  for (auto& byte : std::span(static_cast<std::uint8_t*>(out), size)) byte = static_cast<std::uint8_t>(next_random());
}

Result<void> make(const std::filesystem::path& offer_file, const std::filesystem::path& pixels,
                  const std::filesystem::path& out) {
  OBSCURA_TRY(const plan::Offer offer, wire::read_offer_file(offer_file));
  OBSCURA_TRY(const base::Bytes raw, base::read_file(pixels, 1 << 24));
  std::vector<float> values;
  for (const std::byte b : raw) values.push_back(static_cast<float>(b) / 255.0F);
  OBSCURA_TRY(const client::Client client, client::Client::generate(offer));
  OBSCURA_TRY_VOID(client::write_secret_file(client, out / "secret", false));
  OBSCURA_TRY(base::OutputFile eval, base::OutputFile::create(out / "eval", {.overwrite = false}));
  OBSCURA_TRY_VOID(client::write_keys(client, eval));
  OBSCURA_TRY_VOID(eval.commit());
  OBSCURA_TRY(const client::ImageSource images, client::images_in(values, offer.input));
  OBSCURA_TRY(base::OutputFile file, base::OutputFile::create(out / "images", {.overwrite = false}));
  OBSCURA_TRY_VOID(client::encrypt(client, images, std::move(file)));
  return {};
}

Result<void> make_bootstrapped(const std::filesystem::path& offer_file, const std::filesystem::path& out) {
  OBSCURA_TRY(plan::Offer offer, wire::read_offer_file(offer_file));
  const ckks::BootstrapLiteral& literal = ckks::BootstrapParams::demonstrated().front();
  OBSCURA_TRY(const ckks::BootstrapParams set, ckks::BootstrapParams::make(literal));
  offer.params = set.params().literal();
  offer.keys = {};
  offer.bootstrap = plan::BootstrapSpec{literal, 0x1p40, 0x1p40};
  offer.input.limbs = offer.output.limbs = 2;
  const std::uint64_t slots = plan::slots(offer.params, offer.bootstrap);
  offer.input.layout = plan::batch_layout(offer.input.elements(), slots);
  offer.output.layout = plan::batch_layout(offer.output.classes, slots);
  return base::write_file(out, wire::write_offer(offer), {});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) return 2;
  randombytes_implementation twin{name, random_word, nullptr, nullptr, fill, nullptr};
  randombytes_set_implementation(&twin);
  const base::ThreadLimit one(1);
  const auto made = argc == 3 ? make_bootstrapped(argv[1], argv[2]) : make(argv[1], argv[2], argv[3]);
  if (made) return 0;
  fmt::print(stderr, "web_twin: {}\n", made.error().message);
  return 1;
}
