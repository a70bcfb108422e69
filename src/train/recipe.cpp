// SPDX-License-Identifier: Apache-2.0
#include "train/recipe.h"

#include <sstream>

#include "base/files.h"
#include "config/fields.h"
#include "train/layers.h"

namespace obscura::train {
namespace {

constexpr std::uint64_t kMaxRecipeBytes = 1 << 20;
constexpr int kMaxBases = 4;
constexpr double kHuge = 1e9;

/// Puts into `to` what `from` has and `to` has not. Nodes are moved, since copies forget the lines they stood on.
void inherit(toml::table& to, toml::table&& from) {
  for (auto&& [key, node] : from) {
    toml::node* mine = to.get(key.str());
    if (mine == nullptr) {
      node.visit([&to, name = std::string(key.str())](auto& value) { to.insert(name, std::move(value)); });
    } else if (mine->is_table() && node.is_table()) {
      inherit(*mine->as_table(), std::move(*node.as_table()));
    }
  }
}

Result<toml::table> merge(const std::string& text, const std::filesystem::path& path, int bases) {
  OBSCURA_TRY(toml::table table, config::parse(text, path.string()));
  const toml::node* base = table.get("base");
  if (base == nullptr) return table;
  if (!base->is_string()) return error(Code::unsupported, "{}: base must be the path of a recipe", path.string());
  if (bases == kMaxBases) return error(Code::unsupported, "{}: more than {} bases in a row", path.string(), kMaxBases);
  const std::filesystem::path file = path.parent_path() / **base->as_string();
  OBSCURA_TRY(const base::Bytes bytes, base::read_file(file, kMaxRecipeBytes));
  OBSCURA_TRY(toml::table below,
              merge(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), file, bases + 1));
  table.erase("base");
  inherit(table, std::move(below));
  return table;
}

void read_data(config::Fields fields, DataRecipe& data) {
  fields.text("set", data.set);
  if (data.set.empty()) fields.refuse("set", "is absent; it must be the name of a data set");
  std::vector<double> shape;
  fields.numbers("shape", shape, 3, 3, 1, 4096);
  if (shape.empty()) fields.refuse("shape", "is absent; it must be [channels, height, width]");
  data.shape.assign(shape.begin(), shape.end());
  fields.whole("classes", data.classes, 2, 1000);
  if (!fields.has("classes")) fields.refuse("classes", "is absent; it must be the number of classes");
  const auto channels = static_cast<std::size_t>(data.shape.empty() ? 1 : data.shape[0]);
  data.mean.assign(channels, 0);
  data.std.assign(channels, 1);
  fields.numbers("mean", data.mean, channels, channels, -kHuge, kHuge);
  fields.numbers("std", data.std, channels, channels, 1e-6, kHuge);
  std::vector<double> standardise;
  fields.numbers("standardise", standardise, 2, 2, 1e-6, kHuge);
  if (!standardise.empty()) data.standardise = {standardise[0], standardise[1]};
  fields.number("validation", data.validation, 0, 0.9);
  std::int64_t seed = 1;
  fields.whole("split_seed", seed, 0, INT64_MAX);
  data.split_seed = static_cast<std::uint64_t>(seed);
  (void)fields.finish();
}

void read_augmentation(config::Fields fields, AugmentationRecipe& augmentation) {
  fields.number("rotation", augmentation.rotation, 0, 180);
  fields.number("zoom", augmentation.zoom, 0, 0.9);
  fields.number("shift", augmentation.shift, 0, 1);
  fields.number("elastic", augmentation.elastic, 0, 4);
  fields.whole("crop", augmentation.crop, 0, 64);
  fields.choice("fill", augmentation.fill, {{"black", Fill::black}, {"reflect", Fill::reflect}});
  fields.choice("flip", augmentation.flip,
                {{"never", Flip::never}, {"random", Flip::drawn}, {"alternate", Flip::alternate}});
  fields.whole("cutout", augmentation.cutout, 0, 64);
  fields.number("mixup", augmentation.mixup, 0, 100);
  (void)fields.finish();
}

void read_training(config::Fields fields, const std::filesystem::path& folder, TrainingRecipe& training) {
  std::int64_t seed = 1;
  fields.whole("seed", seed, 0, INT64_MAX);
  training.seed = static_cast<std::uint64_t>(seed);
  std::string start;
  fields.text("start", start);
  if (!start.empty()) training.start = folder / start;
  fields.whole("epochs", training.epochs, 1, 100000);
  fields.whole("batch", training.batch, 2, 65536);
  fields.number("label_smoothing", training.label_smoothing, 0, 0.5);
  fields.number("clip", training.clip, 0, kHuge);
  fields.number("average_decay", training.average_decay, 0, 0.99999);
  fields.whole("fixed_statistics", training.fixed_statistics, 0, 100000);
  fields.number("outliers", training.outliers, 0, 1);
  if (training.outliers > 0 && training.fixed_statistics == 0) {
    fields.refuse("outliers", "needs fixed_statistics: only in epochs with these are there outliers in a batch");
  }
  fields.whole("patience", training.patience, 0, 100000);
  fields.choice("precision", training.reduced_precision, {{"float32", false}, {"bfloat16", true}});
  (void)fields.finish();
}

void read_optimizer(config::Fields fields, OptimizerRecipe& optimizer) {
  fields.choice("kind", optimizer.kind,
                {{"sgd", OptimizerKind::sgd}, {"adamw", OptimizerKind::adamw}, {"muon", OptimizerKind::muon}});
  if (optimizer.kind == OptimizerKind::adamw) {
    optimizer.rate = 1e-3;
    optimizer.weight_decay = 1e-2;
  }
  if (optimizer.kind == OptimizerKind::muon) {
    optimizer.rate = 0.06;
    optimizer.weight_decay = 1e-2;
    fields.number("adamw_rate", optimizer.adamw_rate, 1e-9, 100);
  }
  fields.number("rate", optimizer.rate, 1e-9, 100);
  fields.number("momentum", optimizer.momentum, 0, 0.9999);
  fields.number("weight_decay", optimizer.weight_decay, 0, 1);
  fields.number("bias_rate", optimizer.bias_rate, 0, 1000);
  fields.choice("schedule", optimizer.schedule,
                {{"cosine", Schedule::cosine}, {"one_cycle", Schedule::one_cycle}, {"steps", Schedule::steps}});
  if (optimizer.schedule == Schedule::one_cycle) optimizer.warm_up = 0.3;
  if (optimizer.schedule == Schedule::steps) {
    fields.numbers("steps", optimizer.steps, 1, 100, 0, 100000);
    fields.number("factor", optimizer.factor, 1e-6, 1);
    if (!fields.has("steps")) fields.refuse("schedule", "is 'steps', which needs the key steps, a list of epochs");
  } else {
    fields.number("warm_up", optimizer.warm_up, 0, 0.9);
  }
  (void)fields.finish();
}

void read_teacher(config::Fields fields, std::size_t channels, const std::filesystem::path& folder,
                  TeacherRecipe& teacher) {
  std::string model;
  fields.text("model", model);
  if (model.empty()) fields.refuse("model", "is absent; it must be the path of an ONNX file");
  teacher.model = folder / model;
  fields.number("temperature", teacher.temperature, 0.1, 100);
  fields.number("weight", teacher.weight, 0, 1);
  fields.number("features", teacher.features, 0, kHuge);
  fields.numbers("mean", teacher.mean, channels, channels, -kHuge, kHuge);
  fields.numbers("std", teacher.std, channels, channels, 1e-6, kHuge);
  (void)fields.finish();
}

/// What the blend needs is known only with the number of epochs.
Result<void> check_blends(const Recipe& recipe) {
  for (const LayerRecipe& layer : recipe.layers) {
    if (layer.activation.blend[1] < static_cast<double>(recipe.training.epochs)) continue;
    return error(
        Code::unsupported,
        "{}: blend ends with epoch {}, but there are {}; at least one epoch must follow it, for only those after "
        "it are networks of polynomials",
        layer.place, layer.activation.blend[1], recipe.training.epochs);
  }
  return {};
}

std::string canonical_of(const toml::table& table, const Overrides& overrides) {
  std::ostringstream out;
  out << toml::toml_formatter(table);
  if (overrides.seed) out << "\nseed " << *overrides.seed;
  if (overrides.epochs) out << "\nepochs " << *overrides.epochs;
  return out.str();
}

Result<Recipe> read(const toml::table& table, const std::filesystem::path& path, const Overrides& overrides) {
  Recipe recipe;
  config::Fields top(table, path.string(), "");
  top.text("name", recipe.name);
  if (recipe.name.empty()) top.refuse("name", "is absent; it names the network");
  read_data(top.table("data"), recipe.data);
  read_augmentation(top.table("augmentation"), recipe.augmentation);
  ActivationRecipe activation;
  config::Fields shared = top.table("activation");
  read_activation(shared, activation);
  (void)shared.finish();
  read_layers(top.table("network"), activation, recipe.layers);
  read_training(top.table("training"), path.parent_path(), recipe.training);
  read_optimizer(top.table("optimizer"), recipe.optimizer);
  if (top.has("teacher")) {
    read_teacher(top.table("teacher"), recipe.data.mean.size(), path.parent_path(), recipe.teacher.emplace());
  }
  OBSCURA_TRY_VOID(top.finish());
  if (overrides.seed) recipe.training.seed = *overrides.seed;
  if (overrides.epochs) recipe.training.epochs = *overrides.epochs;
  if (overrides.teacher) {
    if (!recipe.teacher) {
      return error(Code::unsupported, "{}: has no [teacher]; --teacher is only for a recipe with one", path.string());
    }
    recipe.teacher->model = *overrides.teacher;
  }
  recipe.canonical = canonical_of(table, overrides);
  OBSCURA_TRY_VOID(check_blends(recipe));
  OBSCURA_TRY(const auto steps, expand(recipe));
  (void)steps;
  return recipe;
}

}  // namespace

Result<Recipe> parse_recipe(const std::string& text, const std::filesystem::path& path, const Overrides& overrides) {
  OBSCURA_TRY(const toml::table table, merge(text, path, 0));
  return read(table, path, overrides);
}

Result<Recipe> read_recipe(const std::filesystem::path& path, const Overrides& overrides) {
  OBSCURA_TRY(const base::Bytes bytes, base::read_file(path, kMaxRecipeBytes));
  return parse_recipe(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), path, overrides);
}

}  // namespace obscura::train
