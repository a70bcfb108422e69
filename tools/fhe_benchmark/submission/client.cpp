// SPDX-License-Identifier: Apache-2.0
/// The client's stages: keys, encryption, decryption. Which one it is says the program's name.
#include "obscura/client.h"

#include <charconv>
#include <fstream>
#include <stdexcept>
#include <vector>

#include "stages.h"

namespace {

using stages::Places;
using stages::value_of;

/// Numbers between blanks, of images one after the other.
std::vector<float> read_pixels(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (text.empty()) throw std::runtime_error(path.string() + ": nothing in it");
  std::vector<float> pixels;
  const char *at = text.data(), *end = at + text.size();
  while (true) {
    while (at != end && (*at == ' ' || *at == '\n' || *at == '\r')) ++at;
    if (at == end) return pixels;
    float value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc()) {
      throw std::runtime_error(path.string() + ": no number at byte " + std::to_string(at - text.data()));
    }
    pixels.push_back(value);
    at = next;
  }
}

void make_keys(const Places& at) {
  const auto client = value_of(obscura::Client::generate(value_of(obscura::Offer::read(at.offer))));
  std::filesystem::create_directories(at.keys.parent_path());
  std::filesystem::create_directories(at.secret.parent_path());
  value_of(client.save(at.secret));
  value_of(client.write_keys(at.keys));
}

obscura::Client client_of(const Places& at) {
  return value_of(obscura::Client::load(value_of(obscura::Offer::read(at.offer)), at.secret));
}

void encrypt(const Places& at) {
  std::filesystem::create_directories(at.images.parent_path());
  value_of(client_of(at).encrypt(read_pixels(at.pixels), obscura::Sink(at.images, true)));
}

void decrypt(const Places& at) {
  const std::vector<float> pixels = read_pixels(at.pixels);
  const obscura::Client client = client_of(at);
  const obscura::Answer answer = value_of(client.decrypt(at.answer));
  std::ofstream labels(at.labels);
  for (std::size_t k = 0; k < pixels.size() / client.offer().image_size(); ++k) labels << answer.label(k) << '\n';
  if (!labels.flush()) throw std::runtime_error(at.labels.string() + ": cannot be written");
}

}  // namespace

int main(int argc, char** argv) {
  return stages::run_stage(argv[0], [&](const std::string& stage) {
    const Places at = stages::places(argc > 1 ? argv[1] : "");
    if (stage == "client_key_generation") make_keys(at);
    if (stage == "client_encode_encrypt_input") encrypt(at);
    if (stage == "client_decrypt_decode") decrypt(at);
    // client_preprocess_input, client_postprocess: the offer says how images are normalised, the answer is a label.
  });
}
