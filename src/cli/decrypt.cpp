// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "base/files.h"
#include "cli/progress.h"
#include "cli/support.h"
#include "cli/verb.h"
#include "client/client.h"
#include "data/grid.h"
#include "wire/plan_frame.h"

namespace obscura::cli {
namespace {

constexpr std::size_t kPictureColumns = 24;
constexpr std::size_t kPictureImages = 240;
constexpr std::size_t kPictureMistakes = 60;

struct Options {
  std::string offer;
  std::string secret;
  std::string input;
  std::string labels;
  std::vector<std::string> images;
  std::string picture;
};

std::size_t count_correct(const std::vector<std::uint32_t>& predictions, const std::vector<std::uint8_t>& labels) {
  std::size_t correct = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) correct += predictions[i] == labels[i] ? 1 : 0;
  return correct;
}

/// Which images the picture shows: mistakes are rare, so the first of them come in, then the first of the others.
std::vector<std::size_t> choose(const std::vector<std::uint32_t>& predictions,
                                const std::vector<std::uint8_t>& labels) {
  std::vector<std::size_t> chosen;
  for (std::size_t i = 0; i < labels.size() && chosen.size() < kPictureMistakes; ++i) {
    if (predictions[i] != labels[i]) chosen.push_back(i);
  }
  for (std::size_t i = 0; i < predictions.size() && chosen.size() < kPictureImages; ++i) {
    if (labels.empty() || predictions[i] == labels[i]) chosen.push_back(i);
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

Result<void> write_picture(const Options& options, const data::Dataset& images,
                           const std::vector<std::uint32_t>& predictions, const std::vector<std::uint8_t>& labels) {
  data::Dataset shown = images;
  shown.pixels.clear();
  std::vector<std::uint32_t> shown_predictions;
  const auto size = static_cast<std::ptrdiff_t>(images.image_size());
  for (const std::size_t i : choose(predictions, labels)) {
    const auto first = images.pixels.begin() + static_cast<std::ptrdiff_t>(i) * size;
    shown.pixels.insert(shown.pixels.end(), first, first + size);
    shown_predictions.push_back(predictions[i]);
    if (!labels.empty()) shown.labels.push_back(labels[i]);
  }
  return base::write_file(options.picture, data::draw_grid(shown, shown_predictions, kPictureColumns), {});
}

/// The images that the picture shows, read before the decryption so that a mistake shows early; none without --picture.
Result<data::Dataset> read_shown(const Options& options, const plan::Offer& offer) {
  if (options.picture.empty() != options.images.empty()) {
    return error(Code::wrong_params, "--picture and --images go together: the picture shows the images that were sent");
  }
  if (options.picture.empty()) return data::Dataset{};
  OBSCURA_TRY_VOID(refuse_existing(options.picture));
  return read_images(options.images, "", offer.input);
}

Answer summarise(const client::Logits& logits, const std::vector<std::uint32_t>& predictions,
                 const std::vector<std::uint8_t>& labels, double seconds) {
  Answer answer;
  answer.json = {{"images", logits.images}, {"classes", logits.classes}, {"labels", predictions}};
  auto& probabilities = answer.json["probabilities"] = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < logits.images; ++i) {
    const auto row = std::span(logits.values).subspan(i * logits.classes, logits.classes);
    const std::vector<double> share = softmax(row);
    probabilities.push_back(share);
    if (labels.empty()) answer.text += fmt::format("{} {} {:.4f}\n", i, predictions[i], share[predictions[i]]);
  }
  if (!labels.empty()) {
    const std::size_t correct = count_correct(predictions, labels);
    const double accuracy = static_cast<double>(correct) / static_cast<double>(labels.size());
    answer.json["correct"] = correct;
    answer.json["accuracy"] = accuracy;
    answer.text = fmt::format("{}, {} correct ({:.2f} %)", plural(labels.size(), "image"), correct, 100 * accuracy);
  }
  answer.json["seconds"] = seconds;
  answer.json["peak_memory_bytes"] = peak_memory_bytes();
  return answer;
}

Result<Answer> perform(const Options& options) {
  OBSCURA_TRY(const plan::Offer offer, wire::read_offer_file(options.offer));
  OBSCURA_TRY(const data::Dataset shown, read_shown(options, offer));
  const Stopwatch watch;
  client::Logits logits;
  {
    ProgressBar bar("decrypt");
    OBSCURA_TRY(logits, client::decrypt(offer, options.secret, options.input, bar.callback()));
  }
  const double seconds = watch.seconds();
  const std::vector<std::uint32_t> predictions = labels_of(logits.values, logits.classes);
  std::vector<std::uint8_t> labels;
  if (!options.labels.empty()) {
    OBSCURA_TRY(labels, read_labels(options.labels, logits.images));
  }
  if (!options.picture.empty()) {
    if (shown.count() != logits.images) {
      return error(Code::wrong_params, "--images: {} named, but {} holds answers for {}",
                   plural(shown.count(), "image"), options.input, logits.images);
    }
    OBSCURA_TRY_VOID(write_picture(options, shown, predictions, labels));
  }
  return summarise(logits, predictions, labels, seconds);
}

}  // namespace

Action define_decrypt(CLI::App& command, const Common&) {
  teach(command,
        "Decrypts the server's answer and prints, for each image in the order they were encrypted: its number, its "
        "label,\n"
        "and the probability of that label (softmax of the logits). With the true labels it prints the accuracy "
        "instead.\n"
        "--picture draws a grid of the images with their labels; mistakes are framed, and shown first of all.",
        "obscura decrypt swish4.offer --secret my.secret answer.enc --labels data/mnist/t10k-labels-idx1-ubyte:0:8192",
        "The labels are yours. Decrypted numbers carry traces of the secret key: publish labels, not probabilities\n"
        "(docs/SECURITY.md).");
  auto options = std::make_shared<Options>();
  command.add_option("OFFER", options->offer, "The server's offer")->required();
  command.add_option("OUT", options->input, "The server's answer (obscura run)")->required();
  command.add_option("--secret", options->secret, "The secret key")->required();
  command.add_option("--labels", options->labels, "True labels: an idx file, FILE or FILE:FIRST:COUNT");
  command.add_option("--picture", options->picture, "PNG to write: images with predicted labels, mistakes framed");
  command.add_option("--images", options->images, "For --picture: the images as they were named to encrypt");
  return [options] { return perform(*options); };
}

}  // namespace obscura::cli
