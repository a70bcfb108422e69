// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>

#include "api/images.h"
#include "base/files.h"
#include "cli/answers.h"
#include "cli/progress.h"
#include "cli/secrets.h"
#include "cli/support.h"
#include "cli/verb.h"
#include "client/client.h"
#include "client/ledger.h"
#include "client/publish.h"
#include "data/grid.h"
#include "wire/plan_frame.h"

namespace obscura::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kPictureColumns = 24;
constexpr std::size_t kPictureImages = 240;
constexpr std::size_t kPictureMistakes = 60;

struct DecryptOptions {
  std::string offer;
  SecretOptions secret;
  std::string request;
  std::string input;
  std::string labels;
  api::Selection sent;
  std::string picture;
  bool logits = false;
  bool publish = false;
  int publish_bits = client::kDefaultPublishBits;
};

std::size_t count_correct(const std::vector<std::uint32_t>& predictions, const std::vector<std::uint16_t>& labels) {
  std::size_t correct = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) correct += predictions[i] == labels[i] ? 1 : 0;
  return correct;
}

/// Which images the picture shows: mistakes are rare, so the first of them come in, then the first of the others.
std::vector<std::size_t> choose(const std::vector<std::uint32_t>& predictions,
                                const std::vector<std::uint16_t>& labels) {
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

Result<void> write_picture(const DecryptOptions& options, const api::Images& images,
                           const std::vector<std::uint32_t>& predictions, const std::vector<std::uint16_t>& labels) {
  data::Dataset shown;
  std::vector<std::uint32_t> shown_predictions;
  for (const std::size_t i : choose(predictions, labels)) {
    OBSCURA_TRY(data::Dataset one, images.read(i, 1));
    one.labels.clear();
    if (!labels.empty()) one.labels.push_back(labels[i]);
    if (shown.count() == 0) {
      shown = std::move(one);
    } else {
      shown.append(one);
    }
    shown_predictions.push_back(predictions[i]);
  }
  return base::write_file(options.picture, data::draw_grid(shown, shown_predictions, kPictureColumns), {});
}

/// The images that were sent, if they are named: opened before the decryption, so that a mistake shows early.
Result<std::optional<api::Images>> find_sent(const DecryptOptions& options, const plan::Offer& offer) {
  if (!options.picture.empty()) {
    if (options.sent.files.empty()) {
      return error(Code::wrong_params, "--picture: --images names the images that were sent, which it shows");
    }
    if (offer.input.channels != 1 && offer.input.channels != 3) {
      return error(Code::unsupported, "--picture: images of {} channels cannot be drawn; of 1 or 3 they can",
                   offer.input.channels);
    }
    OBSCURA_TRY_VOID(refuse_existing(options.picture));
  }
  if (options.sent.files.empty()) return std::optional<api::Images>();
  OBSCURA_TRY(api::Images images, api::Images::of(options.sent, api::shape_of(offer.input)));
  return std::optional(std::move(images));
}

Json publish_json(const client::Published& published, int bits) {
  return {{"bits", bits},
          {"numbers", published.logits.values.size()},
          {"flooding_deviation", published.deviation},
          {"rounded_to", published.step}};
}

void add_accuracy(const std::vector<std::uint32_t>& predictions, const std::vector<std::uint16_t>& labels,
                  Answer& answer) {
  const std::size_t correct = count_correct(predictions, labels);
  const double accuracy = static_cast<double>(correct) / static_cast<double>(labels.size());
  answer.json["correct"] = correct;
  answer.json["accuracy"] = accuracy;
  answer.text = fmt::format("{}, {} correct ({:.2f} %)", api::plural(labels.size(), "image"), correct, 100 * accuracy);
}

/// Of one value an image, beside its label as a number.
void add_deviation(const plan::OutputSpec& output, const client::Logits& logits,
                   const std::vector<std::uint16_t>& labels, Answer& answer) {
  double sum = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    sum += std::abs(client::apply_function(output.answer.function, row_of(logits, i)).front() - labels[i]);
  }
  const double mean = sum / static_cast<double>(labels.size());
  answer.json["mean_absolute_error"] = mean;
  answer.text = fmt::format("{}, mean absolute error {:.4g}", api::plural(labels.size(), "image"), mean);
}

/// errors: a picture or labels that this kind of answer cannot be compared with.
Result<void> check_kind(const DecryptOptions& options, const plan::OutputSpec& output) {
  if (!options.picture.empty()) OBSCURA_TRY_VOID(needs_one_label(output.answer, "--picture"));
  const bool value = output.answer.kind == plan::AnswerKind::values && output.classes == 1;
  if (!options.labels.empty() && !value) OBSCURA_TRY_VOID(needs_one_label(output.answer, "--labels"));
  return {};
}

/// What may be published in place of the exact logits. The share of labels that changed follows from the exact ones: it
/// goes to standard error, not into the answer.
Result<client::Published> publish(const DecryptOptions& options, const plan::Offer& offer,
                                  const client::Logits& exact) {
  const std::filesystem::path ledger = client::ledger_of(options.secret.path);
  OBSCURA_TRY(client::Publication one, client::publish_once(exact, offer.output, ledger, options.publish_bits));
  std::string changes;
  if (one.changed) {
    changes = fmt::format(" changed {} of {} labels ({:.2f} %; that figure is for you alone) and", *one.changed,
                          exact.images, 100 * static_cast<double>(*one.changed) / static_cast<double>(exact.images));
  }
  const std::string note = fmt::format(
      "publish: noise of standard deviation {:.3g} on {} numbers{} leaves {} bits of security to all that {} of this "
      "key gave, "
      "as {} says\n",
      one.published.deviation, exact.values.size(), changes, options.publish_bits,
      api::plural(one.publications, "publication"), ledger.string());
  std::fputs(note.c_str(), stderr);
  return std::move(one.published);
}

Result<Answer> perform(const DecryptOptions& options, const Common& common) {
  guard_secrets();
  OBSCURA_TRY(const client::SecretSource secret, source_of(options.secret));
  OBSCURA_TRY(const plan::Offer offer, wire::read_offer_file(options.offer));
  OBSCURA_TRY_VOID(check_kind(options, offer.output));
  OBSCURA_TRY(const std::optional<api::Images> sent, find_sent(options, offer));
  const api::Stopwatch watch;
  client::Logits logits;
  {
    ProgressBar bar("decrypt");
    OBSCURA_TRY(const client::Client client, client::Client::load(offer, secret, common.resources()));
    OBSCURA_TRY(base::InputFile in, base::InputFile::open(options.input));
    OBSCURA_TRY(logits, client::decrypt(client, std::move(in), {bar.callback(), options.request}));
  }
  const double seconds = watch.seconds();
  // From here on, with --publish, only what was published goes anywhere: labels, accuracy and the picture too.
  std::optional<client::Published> published;
  if (options.publish) {
    OBSCURA_TRY(published, publish(options, offer, logits));
    logits = published->logits;
  }
  const plan::AnswerSpec& spec = offer.output.answer;
  std::vector<std::uint16_t> labels;
  if (!options.labels.empty()) {
    OBSCURA_TRY(labels, api::read_labels(options.labels, logits.images));
  }
  if (sent && sent->count() != logits.images) {
    return error(Code::wrong_params, "--images: {} named, but {} holds answers for {}",
                 api::plural(sent->count(), "image"), options.input, logits.images);
  }
  if (!options.picture.empty()) OBSCURA_TRY_VOID(write_picture(options, *sent, labels_of(spec, logits), labels));
  Answer answer;
  answer.json = {{"request", wire::short_name(logits.request)},
                 {"images", logits.images},
                 {"mirrored", logits.mirrored},
                 {"classes", logits.classes},
                 {"answer", answer_json(spec)}};
  if (published) answer.json["publish"] = publish_json(*published, options.publish_bits);
  add_answers(spec, logits, {.probabilities = !published, .logits = options.logits}, answer);
  if (sent) add_names(*sent, answer);
  if (!labels.empty() && spec.kind == plan::AnswerKind::values) {
    add_deviation(offer.output, logits, labels, answer);
  } else if (!labels.empty()) {
    add_accuracy(labels_of(spec, logits), labels, answer);
  }
  answer.json["seconds"] = seconds;
  answer.json["peak_memory_bytes"] = peak_memory_bytes();
  return answer;
}

}  // namespace

Action define_decrypt(CLI::App& command, const Common& common) {
  teach(
      command,
      "Decrypts the server's answer and prints, for each image in the order they were encrypted: its number, its "
      "label\n"
      "and the probability of that label. Offers whose answers are several labels give all that are as likely as not;\n"
      "binary ones the label and the probability of label 1; values the numbers. Labels go by their class names where\n"
      "the offer has some. With the true labels it prints the accuracy instead (of one value the mean absolute "
      "error).\n"
      "--images, as named to encrypt, puts the file's name in front of each label.\n"
      "--logits adds the numbers that the network gave, which --json always has.\n"
      "An answer names its request in every part of it: one to a request that this key never made is refused, and "
      "with\n"
      "--request IN, the encrypted images, one to any other.\n"
      "An answer whose values overflowed on the server is refused, and says what to do, instead of showing noise.\n"
      "--publish adds noise that hides the traces of the secret key, rounds, and prints the logits that may be shown.\n"
      "--picture draws a grid of the images with their labels; mistakes are framed, and shown first of all.",
      "obscura decrypt swish4.offer --secret my.secret answer.enc --labels data/mnist/t10k-labels-idx1-ubyte:0:8192",
      "The labels are yours. Decrypted numbers carry traces of the secret key: show others nothing\n"
      "but the output of --publish (docs/SECURITY.md).");
  auto options = std::make_shared<DecryptOptions>();
  command.add_option("OFFER", options->offer, "The server's offer")->required();
  command.add_option("OUT", options->input, "The server's answer (obscura run)")->required();
  add_secret(command, options->secret);
  command.add_option("--request", options->request,
                     "The encrypted images that were sent (obscura encrypt): refuse an answer to others");
  command.add_option("--labels", options->labels,
                     "True labels: .npy, .npz, idx, or a text of one number a line; FILE or FILE:FIRST:COUNT");
  command.add_option("--picture", options->picture, "PNG to write: images with predicted labels, mistakes framed");
  CLI::Option* images = command.add_option(
      "--images", options->sent.files,
      "The images as they were named to encrypt, with --first and --limit too: their files' names stand in the answer");
  command.add_option("--first", options->sent.first, "As to encrypt")->needs(images)->capture_default_str();
  command.add_option("--limit", options->sent.limit, "As to encrypt")->needs(images);
  command.add_flag("--logits", options->logits, "Print the network's numbers too");
  CLI::Option* publish = command.add_flag("--publish", options->publish, "Flood the logits with noise and round them");
  command.add_option("--publish-bits", options->publish_bits, "Bits of security that the noise leaves")
      ->needs(publish)
      ->check(CLI::Range(1, client::kMaxPublishBits))
      ->capture_default_str();
  return [options, &common] { return perform(*options, common); };
}

}  // namespace obscura::cli
