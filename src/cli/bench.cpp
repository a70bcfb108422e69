// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/files.h"
#include "cli/evaluate.h"
#include "cli/machine.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/verb.h"
#include "data/plot.h"

namespace obscura::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kMaxListBytes = 1 << 20;
constexpr std::size_t kMaxNetworks = 1000;

struct BenchOptions {
  std::string list = "models/networks.json";
  std::vector<std::string> only;
  std::string data;
  std::string output;
  std::string plot;
  std::optional<std::size_t> limit;
  std::uint64_t memory = 0;
  std::size_t repeat = 1;
};

/// A row of the list.
struct Network {
  std::string name;
  std::filesystem::path model;
  std::string dataset;
  std::size_t images = 0;
  api::Normalization normalization;
  std::optional<int> headroom;
  std::optional<double> max_error;
};

Error broken(const std::string& list, const std::string& what) {
  return error(Code::bad_format,
               "{}: {}; each network is {{\"name\", \"model\", \"dataset\", \"images\", and where it "
               "shall be other than the network's file says \"mean\", \"std\", \"headroom\" in bits, \"max_error\"}}",
               list, what);
}

Result<Network> read_network(const Json& row, const std::string& list) {
  static const std::set<std::string> kKeys = {"name", "model", "dataset",  "images",
                                              "mean", "std",   "headroom", "max_error"};
  if (!row.is_object()) return broken(list, "holds something that is no object");
  for (const auto& [key, value] : row.items()) {
    if (!kKeys.contains(key)) return broken(list, fmt::format("has the unknown key '{}'", key));
  }
  Network out;
  for (const auto& [key, text] : {std::pair{"name", &out.name}, std::pair{"dataset", &out.dataset}}) {
    if (!row.contains(key) || !row[key].is_string()) return broken(list, fmt::format("a network has no '{}'", key));
    *text = row[key].get<std::string>();
  }
  if (!row.contains("model") || !row["model"].is_string()) {
    return broken(list, fmt::format("network '{}' has no 'model'", out.name));
  }
  out.model = std::filesystem::path(list).parent_path() / row["model"].get<std::string>();
  if (!row.contains("images") || !row["images"].is_number_unsigned() || row["images"] == 0) {
    return broken(list, fmt::format("network '{}': 'images' must be a number from 1 on", out.name));
  }
  out.images = row["images"].get<std::size_t>();
  for (const auto& [key, numbers] :
       {std::pair{"mean", &out.normalization.mean}, std::pair{"std", &out.normalization.std}}) {
    if (!row.contains(key)) continue;
    const Json& values = row[key];
    const bool fits = values.is_array() && values.size() <= 4 &&
                      std::all_of(values.begin(), values.end(), [](const Json& v) { return v.is_number(); });
    if (!fits) return broken(list, fmt::format("network '{}': '{}' must be a number for each channel", out.name, key));
    *numbers = values.get<std::vector<double>>();
  }
  if (row.contains("headroom")) {
    const Json& bits = row["headroom"];
    if (!bits.is_number_unsigned() || bits > 1000) {
      return broken(list, fmt::format("network '{}': 'headroom' must be a number of bits", out.name));
    }
    out.headroom = bits.get<int>();
  }
  if (row.contains("max_error")) {
    if (!row["max_error"].is_number()) {
      return broken(list, fmt::format("network '{}': 'max_error' must be a number", out.name));
    }
    out.max_error = row["max_error"].get<double>();
  }
  return out;
}

Result<std::vector<Network>> read_list(const BenchOptions& options) {
  OBSCURA_TRY(const base::Bytes bytes, base::read_file(options.list, kMaxListBytes));
  const Json rows = Json::parse(bytes.begin(), bytes.end(), nullptr, false);
  if (!rows.is_array() || rows.empty() || rows.size() > kMaxNetworks) {
    return broken(options.list, fmt::format("must be a JSON list of 1 to {} networks", kMaxNetworks));
  }
  std::vector<Network> out;
  std::string names;
  for (const Json& row : rows) {
    OBSCURA_TRY(Network network, read_network(row, options.list));
    names += (names.empty() ? "" : ", ") + network.name;
    const bool wanted =
        options.only.empty() || std::find(options.only.begin(), options.only.end(), network.name) != options.only.end();
    if (wanted) out.push_back(std::move(network));
  }
  for (const std::string& name : options.only) {
    const bool there = std::any_of(out.begin(), out.end(), [&](const Network& one) { return one.name == name; });
    if (!there) return error(Code::wrong_params, "--only {}: {} has {}", name, options.list, names);
  }
  return out;
}

/// The run that took the median time of `repeat` runs; the times of all are in its "all_milliseconds_per_image".
Result<Json> measure(const Network& network, const BenchOptions& options,
                     const std::shared_ptr<ckks::Resources>& resources, bool json) {
  EvaluateOptions how;
  how.job.resources = resources;
  how.network = network.model.string();
  how.job.selection.dataset = network.dataset;
  how.job.selection.data = data_folder(options.data);
  how.job.selection.limit = std::min(network.images, options.limit.value_or(network.images));
  how.job.settings.normalization = network.normalization;
  how.job.settings.headroom = network.headroom;
  how.job.settings.max_error = network.max_error;
  how.job.memory = options.memory;
  how.job.making.options.batch = 0;
  std::vector<Json> runs;
  for (std::size_t i = 0; i < options.repeat; ++i) {
    forget_peak_memory();
    OBSCURA_TRY(Answer answer, evaluate(how, json));
    runs.push_back(std::move(answer.json));
  }
  const auto time = [](const Json& run) { return run.at("milliseconds_per_image").get<double>(); };
  std::sort(runs.begin(), runs.end(), [&](const Json& a, const Json& b) { return time(a) < time(b); });
  Json out = runs[runs.size() / 2];
  out["all_milliseconds_per_image"] = Json::array();
  for (const Json& run : runs) out["all_milliseconds_per_image"].push_back(time(run));
  return out;
}

std::string heading() {
  return fmt::format("{:<28} {:>7} {:>9} {:>9} {:>10} {:>11} {:>9} {:>9} {:>8} {:>5}\n", "network", "images",
                     "encrypted", "float", "agreement", "ms per image", "predicted", "memory", "degree", "limbs");
}

std::string line_of(const Json& row) {
  if (row.contains("error")) {
    return fmt::format("{:<28} left out: {}\n", row.at("name").get<std::string>(), row.at("error").get<std::string>());
  }
  const auto number = [&](const char* key) { return row.at(key).get<double>(); };
  // Some kinds of answer have no accuracy, or no agreement.
  const auto percent = [&](const char* key, double all) {
    return row.contains(key) ? fmt::format("{:.2f} %", 100 * number(key) / all) : std::string("-");
  };
  const double images = number("images");
  const double predicted = 1000 * number("predicted_seconds") * number("batches") / number("threads") / images;
  return fmt::format("{:<28} {:>7} {:>9} {:>9} {:>10} {:>11.3f} {:>9.3f} {:>6.2f} GB {:>8} {:>5}\n",
                     row.at("name").get<std::string>(), images, percent("accuracy", 1),
                     percent("reference_correct", images), percent("agreement", 1), number("milliseconds_per_image"),
                     predicted, number("peak_memory_bytes") / 1e9, number("ring_degree"), number("limbs"));
}

/// Accuracy over time, a panel for each data set: every network, and through those that no faster one equals a line.
base::Bytes draw_fronts(const Json& report) {
  std::map<std::string, data::Panel> panels;
  for (const Json& row : report.at("networks")) {
    if (!row.contains("accuracy")) continue;
    const auto name = row.at("dataset").get<std::string>();
    data::Panel& panel = panels[name];
    if (panel.series.empty()) {
      panel.axes = {name + ", encrypted", "ms per image", "accuracy in %", true, false, {}, {}};
      panel.series.push_back({"networks", {}, {}, data::Series::Style::points, {}});
    }
    data::Series& networks = panel.series[0];
    networks.x.push_back(row.at("milliseconds_per_image").get<double>());
    networks.y.push_back(100 * row.at("accuracy").get<double>());
    networks.labels.push_back(row.at("name").get<std::string>());
  }
  std::vector<data::Panel> out;
  for (auto& [name, panel] : panels) {
    const data::Series& networks = panel.series[0];
    std::map<double, double> by_time;
    for (std::size_t i = 0; i < networks.x.size(); ++i) by_time.emplace(networks.x[i], networks.y[i]);
    data::Series front{"front", {}, {}, data::Series::Style::dashed, {}};
    for (const auto& [x, y] : by_time) {
      if (!front.y.empty() && y <= front.y.back()) continue;
      front.x.push_back(x);
      front.y.push_back(y);
    }
    if (front.x.size() > 1) panel.series.push_back(std::move(front));
    out.push_back(std::move(panel));
  }
  return data::draw_plot(out);
}

/// The report as far as it goes, whole or not at all.
Result<void> keep(const BenchOptions& options, const Json& report) {
  if (options.output.empty()) return {};
  const std::string text = json_text(report, 2) + "\n";
  return base::write_file(options.output, base::as_bytes(text), {.overwrite = true});
}

Result<Answer> perform(const BenchOptions& options, const Common& common) {
  OBSCURA_TRY(const std::vector<Network> networks, read_list(options));
  if (!options.output.empty()) OBSCURA_TRY_VOID(refuse_existing(options.output));
  if (!options.plot.empty()) OBSCURA_TRY_VOID(refuse_existing(options.plot));
  Json report = {{"machine", describe_machine(common.kernels())}, {"networks", Json::array()}};
  std::string table = heading();
  const auto resources = common.resources();  // of all: memory that is touched for the first time takes time
  for (const Network& network : networks) {
    note(fmt::format("{}: {} of {}", network.name, network.model.string(), network.dataset), common.json);
    const Result<Json> measured = measure(network, options, resources, common.json);
    if (!measured.ok() && measured.error().code == Code::cancelled) return measured.error();
    Json row = {{"name", network.name}};
    row["threads"] = report["machine"]["threads"];
    if (measured.ok()) {
      row.update(*measured);
    } else {
      row["error"] = measured.error().message;
    }
    table += line_of(row);
    report["networks"].push_back(std::move(row));
    OBSCURA_TRY_VOID(keep(options, report));
  }
  const Json& rows = report["networks"];
  const bool any = std::any_of(rows.begin(), rows.end(), [](const Json& row) { return row.contains("accuracy"); });
  if (!options.plot.empty()) {
    if (any) {
      OBSCURA_TRY_VOID(base::write_file(options.plot, draw_fronts(report), {}));
    } else {
      note(fmt::format("{}: not written, since no network with an accuracy was measured", options.plot), common.json);
    }
  }
  return Answer{report, machine_text(report["machine"]) + "\n\n" + table +
                            "Both accuracies and the agreement are of the same images of the split test; times are the "
                            "server's work, memory is that of both sides."};
}

}  // namespace

Action define_bench(CLI::App& command, const Common& common) {
  teach(command,
        "Runs a list of networks encrypted, one after the other, each on images of its data set with keys of its own,\n"
        "and makes a table: accuracy, that of floating point on the same images, agreement, the server's time per\n"
        "image as measured and as predicted by the plan, peak memory. A network whose data set is not here is left\n"
        "out, and the table says why. With -o the report is rewritten after every network.",
        "obscura bench --only mnist-square --repeat 3 -o bench.json",
        "The report has no weights and no images in it, but names the machine.");
  auto options = std::make_shared<BenchOptions>();
  command.add_option("--list", options->list, "The networks: a JSON list; models are named relative to it")
      ->capture_default_str();
  command.add_option("--only", options->only, "Only these, by name")->delimiter(',');
  command.add_option("--limit", options->limit, "At most this many images of each (default: as the list says)")
      ->check(CLI::PositiveNumber);
  command.add_option("--repeat", options->repeat, "Runs of each; the one of median time is reported")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  command.add_option("--data", options->data, "Folder of data sets (default: $OBSCURA_DATA, else ./data)");
  add_memory(command, options->memory);
  command.add_option("-o,--out", options->output, "The report to write, as JSON");
  command.add_option("--plot", options->plot, "Write a PNG: accuracy over time, a panel for each data set");
  return [options, &common] { return perform(*options, common); };
}

}  // namespace obscura::cli
