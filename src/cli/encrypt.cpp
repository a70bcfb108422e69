// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "api/images.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/secrets.h"
#include "cli/support.h"
#include "cli/verb.h"
#include "client/client.h"
#include "wire/plan_frame.h"

namespace obscura::cli {
namespace {

struct EncryptOptions {
  std::string offer;
  SecretOptions secret;
  std::string range;
  api::Selection selection;
  bool mirror = false;
  std::string output;
};

Result<api::Images> find_images(const EncryptOptions& options, const plan::InputSpec& input) {
  api::Selection selection = options.selection;
  if (!options.range.empty()) {
    if (selection.files.size() != 1) {
      return error(Code::wrong_params, "--range: {} files are named; it is for one: with more write FILE:FIRST:COUNT",
                   selection.files.size());
    }
    OBSCURA_TRY(const data::Range range, api::parse_range(options.range, "--range"));
    selection.first = range.first;
    selection.limit = range.count;
  }
  return api::Images::of(selection, api::shape_of(input));
}

Result<Answer> perform(const EncryptOptions& options, const Common& common) {
  guard_secrets();
  OBSCURA_TRY_VOID(refuse_existing(options.output));
  OBSCURA_TRY(const client::SecretSource secret, source_of(options.secret));
  OBSCURA_TRY(const plan::Offer offer, wire::read_offer_file(options.offer));
  OBSCURA_TRY(const api::Images images, find_images(options, offer.input));
  const auto read = [&](std::uint64_t first, std::size_t count) -> Result<std::vector<float>> {
    OBSCURA_TRY(const data::Dataset part, images.read(first, count));
    return part.floats();
  };
  const api::Stopwatch watch;
  {
    ProgressBar bar("encrypt");
    OBSCURA_TRY(const client::Client client, client::Client::load(offer, secret, common.resources()));
    OBSCURA_TRY(base::OutputFile out, base::OutputFile::create(options.output, {}));
    OBSCURA_TRY_VOID(client::encrypt(client, {images.count(), read, options.mirror}, std::move(out), bar.callback()));
  }
  const std::size_t at_once = offer.images_at_once();
  const std::size_t places = images.count() * (options.mirror ? 2 : 1);
  const std::size_t batches = (places + at_once - 1) / at_once;
  Answer answer;
  answer.json = {{"output", options.output},    {"images", images.count()},
                 {"mirrored", options.mirror},  {"batches", batches},
                 {"images_per_batch", at_once}, {"bytes", file_bytes(options.output)},
                 {"seconds", watch.seconds()},  {"peak_memory_bytes", peak_memory_bytes()}};
  answer.text = fmt::format(
      "{}: {} encrypted{}{}, {} in {:.1f} s", options.output, api::plural(images.count(), "image"),
      options.mirror ? ", each mirrored too" : "",
      at_once == 1 ? ", each by itself"
                   : fmt::format(" in {} of up to {}", api::plural(batches, "batch"), api::plural(at_once, "image")),
      bytes_text(file_bytes(options.output)), watch.seconds());
  return answer;
}

}  // namespace

Action define_encrypt(CLI::App& command, const Common& common) {
  teach(
      command,
      "Encrypts images with the secret key. IMAGES are folders of pictures, or files: PNG, JPEG, arrays of numpy "
      "(.npy,\n"
      ".npz), idx and CIFAR's binary files, whole or in part: FILE:FIRST:COUNT. A picture's samples are taken as they\n"
      "are stored, without regard to colour profiles; floats in arrays are pixel / 255.\n"
      "With --dataset they are those of a data set, as `obscura evaluate` takes them.\n"
      "A plan takes so many images at once (obscura inspect OFFER says how many), and a batch costs the server the "
      "same\n"
      "whether it is full or not, so send that many or a multiple. Image size and normalisation come from the offer.\n"
      "Results come back in the order of the images.",
      "obscura encrypt swish4.offer --secret my.secret data/mnist/t10k-images-idx3-ubyte:0:8192 -o images.enc",
      "The file goes to the server. It shows how many images there are, and nothing of what is on them.");
  auto options = std::make_shared<EncryptOptions>();
  command.add_option("OFFER", options->offer, "The server's offer")->required();
  add_secret(command, options->secret);
  add_selection(command, options->selection, "IMAGES,--images");
  command.add_option("--range", options->range, "FIRST:COUNT of the one file")
      ->excludes("--first")
      ->excludes("--limit");
  command.add_flag("--mirror", options->mirror,
                   "Encrypt each image twice, as it is and mirrored left to right: decrypt answers with the mean of "
                   "both, which is right more often where mirrored images mean the same, at twice the price");
  command.add_option("-o,--out", options->output, "The encrypted images to write")->required();
  return [options, &common] { return perform(*options, common); };
}

}  // namespace obscura::cli
