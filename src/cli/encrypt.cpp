// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cli/progress.h"
#include "cli/support.h"
#include "cli/verb.h"
#include "client/client.h"
#include "wire/plan_frame.h"

namespace obscura::cli {
namespace {

struct Options {
  std::string offer;
  std::string secret;
  std::vector<std::string> images;
  std::string range;
  std::string output;
};

Result<Answer> perform(const Options& options) {
  OBSCURA_TRY_VOID(refuse_existing(options.output));
  OBSCURA_TRY(const plan::Offer offer, wire::read_offer_file(options.offer));
  OBSCURA_TRY(const data::Dataset images, read_images(options.images, options.range, offer.input));
  const Stopwatch watch;
  {
    ProgressBar bar("encrypt");
    OBSCURA_TRY_VOID(client::encrypt(offer, options.secret, images.pixels, options.output, false, bar.callback()));
  }
  const std::size_t slots = std::size_t{1} << (offer.params.log2_degree - 1);
  const std::size_t batches = (images.count() + slots - 1) / slots;
  Answer answer;
  answer.json = {{"output", options.output},
                 {"images", images.count()},
                 {"batches", batches},
                 {"images_per_batch", slots},
                 {"bytes", file_bytes(options.output)},
                 {"seconds", watch.seconds()},
                 {"peak_memory_bytes", peak_memory_bytes()}};
  answer.text =
      fmt::format("{}: {} encrypted in {} of {} slots, {} in {:.1f} s", options.output, plural(images.count(), "image"),
                  plural(batches, "batch"), slots, bytes_text(file_bytes(options.output)), watch.seconds());
  return answer;
}

}  // namespace

Action define_encrypt(CLI::App& command, const Common&) {
  teach(command,
        "Encrypts images with the secret key. IMAGES are PNG files, or idx files, whole or in part: "
        "FILE.idx:FIRST:COUNT.\n"
        "A batch of N/2 images costs the server the same whether it is full or not, so send many at once. Image size\n"
        "and normalisation come from the offer. Results come back in the order of the images.",
        "obscura encrypt swish4.offer --secret my.secret data/mnist/t10k-images-idx3-ubyte:0:8192 -o images.enc",
        "The file goes to the server. It shows how many images there are, and nothing of what is on them.");
  auto options = std::make_shared<Options>();
  command.add_option("OFFER", options->offer, "The server's offer")->required();
  command.add_option("IMAGES", options->images, "PNG files, or idx files as FILE or FILE:FIRST:COUNT")->required();
  command.add_option("--secret", options->secret, "The secret key (obscura keygen)")->required();
  command.add_option("--range", options->range, "FIRST:COUNT of the one idx file");
  command.add_option("-o,--output", options->output, "The encrypted images to write")->required();
  return [options] { return perform(*options); };
}

}  // namespace obscura::cli
