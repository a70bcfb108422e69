// SPDX-License-Identifier: Apache-2.0
#include "train/layers.h"

#include <cmath>

#include "train/coefficients.h"

namespace obscura::train {
namespace {

constexpr std::int64_t kMaxChannels = 8192;
constexpr std::size_t kMaxSteps = 4096;

const std::vector<std::pair<const char*, ActivationKind>> kActivationKinds = {
    {"relu", ActivationKind::relu},       {"square", ActivationKind::square},
    {"swish4", ActivationKind::swish4},   {"quadratic", ActivationKind::quadratic},
    {"degree4", ActivationKind::degree4}, {"hermite", ActivationKind::hermite},
};
const std::vector<std::pair<const char*, Sharing>> kSharings = {
    {"layer", Sharing::layer}, {"channel", Sharing::channel}, {"element", Sharing::element}};

void read_layer(config::Fields& fields, const ActivationRecipe& activation, LayerRecipe& layer) {
  layer.place = fields.place("type");
  fields.choice("type", layer.kind,
                {{"conv", LayerKind::conv},
                 {"batch_norm", LayerKind::batch_norm},
                 {"activation", LayerKind::activation},
                 {"average_pool", LayerKind::average_pool},
                 {"max_pool", LayerKind::max_pool},
                 {"global_average_pool", LayerKind::global_average_pool},
                 {"flatten", LayerKind::flatten},
                 {"dense", LayerKind::dense},
                 {"residual", LayerKind::residual}});
  if (!fields.has("type")) fields.refuse("type", "is absent; it says what the layer is");
  layer.activation = activation;
  switch (layer.kind) {
    case LayerKind::conv:
      fields.whole("channels", layer.channels, 1, kMaxChannels);
      if (!fields.has("channels")) fields.refuse("channels", "is absent; a conv layer needs it");
      fields.whole("kernel", layer.kernel, 1, 64);
      fields.whole("stride", layer.stride, 1, 64);
      fields.whole("padding", layer.padding, 0, 63);
      fields.flag("bias", layer.bias);
      fields.choice(
          "weights", layer.weights,
          {{"drawn", FirstWeights::drawn}, {"patches", FirstWeights::patches}, {"identity", FirstWeights::identity}});
      fields.flag("fixed", layer.fixed);
      break;
    case LayerKind::batch_norm:
      fields.number("epsilon", layer.epsilon, 1e-7, 1);
      fields.number("momentum", layer.momentum, 1e-3, 1);
      break;
    case LayerKind::activation:
      read_activation(fields, layer.activation);
      break;
    case LayerKind::average_pool:
    case LayerKind::max_pool:
      layer.kernel = 2;
      fields.whole("kernel", layer.kernel, 1, 64);
      layer.stride = layer.kernel;
      fields.whole("stride", layer.stride, 1, 64);
      break;
    case LayerKind::dense:
      fields.whole("features", layer.channels, 1, 1 << 20);
      if (!fields.has("features")) fields.refuse("features", "is absent; a dense layer needs it");
      fields.flag("bias", layer.bias);
      break;
    case LayerKind::residual:
      fields.whole("channels", layer.channels, 1, kMaxChannels);
      if (!fields.has("channels")) fields.refuse("channels", "is absent; a residual layer needs it");
      fields.whole("stride", layer.stride, 1, 8);
      fields.whole("repeat", layer.repeat, 1, 100);
      fields.choice("shortcut", layer.shortcut, {{"projection", Shortcut::projection}, {"pad", Shortcut::pad}});
      break;
    case LayerKind::global_average_pool:
    case LayerKind::flatten:
      break;
  }
}

/// Builds the list of steps; `shape` is that of the value so far.
class Expansion {
 public:
  explicit Expansion(const Recipe& recipe) : shape_(recipe.data.shape) {}

  Result<void> add(const LayerRecipe& layer) {
    if (layer.kind != LayerKind::residual) return primitive(layer);
    for (std::int64_t i = 0; i < layer.repeat; ++i) {
      OBSCURA_TRY_VOID(block(layer, i == 0 ? layer.stride : 1));
    }
    return {};
  }
  std::vector<Step> take() { return std::move(steps_); }
  const nn::Shape& shape() const { return shape_; }

 private:
  Result<void> primitive(const LayerRecipe& layer) {
    Step step;
    step.layer = layer;
    step.in = step.out = shape_;
    switch (layer.kind) {
      case LayerKind::conv:
        step.kind = StepKind::conv;
        OBSCURA_TRY_VOID(window(layer, "conv", layer.channels, step.out));
        step.multiplications = layer.kernel * layer.kernel * shape_[0] * nn::element_count(step.out);
        step.parameters =
            layer.channels * ((layer.fixed ? 0 : layer.kernel * layer.kernel * shape_[0]) + (layer.bias ? 1 : 0));
        OBSCURA_TRY_VOID(patches_of_images(layer));
        break;
      case LayerKind::average_pool:
        step.kind = StepKind::average_pool;
        OBSCURA_TRY_VOID(window(layer, "average_pool", shape_.front(), step.out));
        break;
      case LayerKind::max_pool:
        step.kind = StepKind::max_pool;
        OBSCURA_TRY_VOID(window(layer, "max_pool", shape_.front(), step.out));
        break;
      case LayerKind::batch_norm:
        step.kind = StepKind::batch_norm;
        OBSCURA_TRY_VOID(needs_image(layer, "batch_norm"));
        step.parameters = 2 * shape_[0];
        break;
      case LayerKind::activation:
        step.kind = StepKind::activation;
        OBSCURA_TRY_VOID(activation(layer, step));
        break;
      case LayerKind::global_average_pool:
        step.kind = StepKind::global_average_pool;
        OBSCURA_TRY_VOID(needs_image(layer, "global_average_pool"));
        step.out = {shape_[0], 1, 1};
        break;
      case LayerKind::flatten:
        step.kind = StepKind::flatten;
        step.out = {nn::element_count(shape_)};
        break;
      case LayerKind::dense:
        step.kind = StepKind::dense;
        if (shape_.size() != 1) {
          return error(Code::unsupported,
                       "{}: a dense layer takes features, but its input is {}; put flatten before it", layer.place,
                       nn::to_string(shape_));
        }
        step.out = {layer.channels};
        step.multiplications = shape_[0] * layer.channels;
        step.parameters = layer.channels * (shape_[0] + (layer.bias ? 1 : 0));
        break;
      case LayerKind::residual:
        OBSCURA_CHECK(false, "residual layers are spelt out before");
    }
    return append(std::move(step));
  }

  Result<void> patches_of_images(const LayerRecipe& layer) const {
    if (layer.weights != FirstWeights::patches || steps_.empty()) return {};
    return error(Code::unsupported,
                 "{}: weights 'patches' are those of the images, for a conv that comes first; here {} "
                 "comes before it",
                 layer.place, steps_.back().name);
  }

  Result<void> activation(const LayerRecipe& layer, Step& step) {
    if (layer.activation.kind == ActivationKind::hermite) OBSCURA_TRY_VOID(needs_image(layer, "a hermite activation"));
    step.parameters =
        trained_coefficients(layer.activation.kind) * nn::element_count(coefficient_shape(layer.activation, shape_));
    return {};
  }

  /// conv, norm, activation, conv, norm, join, activation; a hermite activation normalises by itself.
  Result<void> block(const LayerRecipe& layer, std::int64_t stride) {
    OBSCURA_TRY_VOID(needs_image(layer, "residual"));
    const bool norm = layer.activation.kind != ActivationKind::hermite;
    const nn::Shape kept = shape_;
    OBSCURA_TRY_VOID(append({StepKind::branch, "", layer, shape_, shape_, {}, 0, 0}));
    const auto part = [&](LayerKind kind) {
      LayerRecipe out = layer;
      out.kind = kind;
      out.kernel = 3;
      out.padding = 1;
      out.stride = 1;
      out.bias = false;
      return out;
    };
    LayerRecipe first = part(LayerKind::conv);
    first.stride = stride;
    OBSCURA_TRY_VOID(primitive(first));
    if (norm) OBSCURA_TRY_VOID(primitive(part(LayerKind::batch_norm)));
    OBSCURA_TRY_VOID(primitive(part(LayerKind::activation)));
    OBSCURA_TRY_VOID(primitive(part(LayerKind::conv)));
    if (norm) OBSCURA_TRY_VOID(primitive(part(LayerKind::batch_norm)));
    OBSCURA_TRY_VOID(join(layer, kept, stride));
    return primitive(part(LayerKind::activation));
  }

  Result<void> join(const LayerRecipe& layer, const nn::Shape& kept, std::int64_t stride) {
    Step step;
    step.kind = StepKind::join;
    step.layer = layer;
    step.layer.stride = stride;
    step.in = step.out = shape_;
    step.kept = kept;
    if (kept != shape_ && layer.shortcut == Shortcut::projection) {
      step.parameters = shape_[0] * (kept[0] + 2);
      step.multiplications = kept[0] * nn::element_count(shape_);
    }
    if (kept[0] > shape_[0] && layer.shortcut == Shortcut::pad) {
      return error(Code::unsupported, "{}: shortcut 'pad' cannot go from {} channels to {}; use 'projection'",
                   layer.place, kept[0], shape_[0]);
    }
    return append(std::move(step));
  }

  Result<void> needs_image(const LayerRecipe& layer, const char* what) const {
    if (shape_.size() == 3) return {};
    return error(Code::unsupported, "{}: {} takes channels x height x width, but its input is {}", layer.place, what,
                 nn::to_string(shape_));
  }

  Result<void> window(const LayerRecipe& layer, const char* what, std::int64_t channels, nn::Shape& out) const {
    OBSCURA_TRY_VOID(needs_image(layer, what));
    if (layer.padding >= layer.kernel) {
      return error(Code::unsupported, "{}: padding {} of a kernel of {}; it must be smaller", layer.place,
                   layer.padding, layer.kernel);
    }
    out = {channels, 0, 0};
    for (std::size_t i = 1; i < 3; ++i) {
      const std::int64_t room = shape_[i] + 2 * layer.padding - layer.kernel;
      if (room < 0) {
        return error(Code::unsupported, "{}: {} with a kernel of {} on an input of {}", layer.place, what, layer.kernel,
                     nn::to_string(shape_));
      }
      out[i] = room / layer.stride + 1;
    }
    return {};
  }

  Result<void> append(Step step) {
    const auto kind = static_cast<std::size_t>(step.kind);
    step.name = fmt::format("{}{}", kNames[kind], ++counts_[kind]);
    shape_ = step.out;
    if (steps_.size() == kMaxSteps) {
      return error(Code::unsupported, "{}: more than {} layers", step.layer.place, kMaxSteps);
    }
    steps_.push_back(std::move(step));
    return {};
  }

  nn::Shape shape_;
  std::vector<Step> steps_;
  static constexpr std::array kNames{"conv",        "norm",    "activation", "pool",   "max_pool",
                                     "global_pool", "flatten", "dense",      "branch", "join"};
  std::array<int, kNames.size()> counts_{};
};

std::string describe(const ActivationRecipe& activation) {
  switch (activation.kind) {
    case ActivationKind::relu:
      return "ReLU";
    case ActivationKind::square:
      return "x^2";
    case ActivationKind::swish4:
      return fmt::format("degree-4 polynomial of Swish fitted on [-{0}, {0}]", activation.range);
    case ActivationKind::quadratic:
      return fmt::format("trained quadratic per {}", to_string(activation.per));
    case ActivationKind::degree4:
      return fmt::format("trained degree-4 polynomial per {}", to_string(activation.per));
    case ActivationKind::hermite:
      return "Hermite polynomial of degree 2 with basis-wise normalisation";
  }
  return "";
}

}  // namespace

const char* to_string(ActivationKind kind) { return kActivationKinds[static_cast<std::size_t>(kind)].first; }
const char* to_string(Sharing sharing) { return kSharings[static_cast<std::size_t>(sharing)].first; }

void read_activation(config::Fields& fields, ActivationRecipe& activation) {
  const ActivationKind before = activation.kind;
  fields.choice("kind", activation.kind, kActivationKinds);
  if (activation.kind != before) activation.initial.clear();
  fields.choice("per", activation.per, kSharings);
  fields.number("range", activation.range, 0.1, 1000);
  fields.number("penalty", activation.penalty, 0, 1e6);
  fields.number("tail", activation.tail, 0, 1e6);
  fields.number("limit", activation.limit, 0, 1e6);
  const bool held = activation.kind != ActivationKind::relu && activation.kind != ActivationKind::hermite;
  for (const auto& [key, value] : {std::pair{"limit", activation.limit}, std::pair{"tail", activation.tail}}) {
    if (!fields.has(key) || value == 0 || held) continue;
    fields.refuse(key, fmt::format("is for polynomials, not for {}", to_string(activation.kind)));
  }
  fields.number("rate", activation.rate, 0, 100);
  std::vector<double> blend;
  fields.numbers("blend", blend, 2, 2, 0, 1e5);
  if (!blend.empty()) activation.blend = {blend[0], blend[1]};
  if (activation.blend[0] > activation.blend[1]) fields.refuse("blend", "ends before it begins");
  const bool swish = activation.kind == ActivationKind::swish4;
  if (swish && (activation.range < 3 || activation.range > 8 || activation.range != std::floor(activation.range))) {
    fields.refuse("range", fmt::format("is {}; swish4 is fitted on 3, 4, 5, 6, 7 or 8", activation.range));
  }
  if (activation.kind == ActivationKind::hermite) {
    if (fields.has("per") && activation.per != Sharing::channel) {
      fields.refuse("per", "must be 'channel' for hermite, which normalises each channel");
    }
    activation.per = Sharing::channel;
  }
  const bool trained = activation.kind == ActivationKind::quadratic || activation.kind == ActivationKind::degree4;
  if (trained) {
    const auto count = static_cast<std::size_t>(trained_coefficients(activation.kind));
    fields.numbers("initial", activation.initial, count, count, -1000, 1000);
  } else if (fields.has("initial")) {
    fields.numbers("initial", activation.initial, 0, 100, -1000, 1000);
    fields.refuse("initial", fmt::format("is for quadratic and degree4, not for {}", to_string(activation.kind)));
  }
  if (activation.initial.empty()) activation.initial = initial_coefficients(activation.kind, activation.range);
}

void read_layers(config::Fields fields, const ActivationRecipe& activation, std::vector<LayerRecipe>& layers) {
  for (config::Fields& entry : fields.tables("layers")) {
    read_layer(entry, activation, layers.emplace_back());
    (void)entry.finish();
  }
  if (layers.empty()) fields.refuse("layers", "is absent or empty; it is the list of layers");
  (void)fields.finish();
}

nn::Shape coefficient_shape(const ActivationRecipe& activation, const nn::Shape& x) {
  switch (activation.per) {
    case Sharing::layer:
      return {1};
    case Sharing::channel:
      return x.size() == 3 ? nn::Shape{x[0], 1, 1} : x;
    case Sharing::element:
      return x;
  }
  return {1};
}

std::int64_t trained_coefficients(ActivationKind kind) {
  switch (kind) {
    case ActivationKind::quadratic:
      return 3;
    case ActivationKind::degree4:
      return 5;
    case ActivationKind::hermite:
      return 2;
    default:
      return 0;
  }
}

Result<std::vector<Step>> expand(const Recipe& recipe) {
  Expansion expansion(recipe);
  for (const LayerRecipe& layer : recipe.layers) OBSCURA_TRY_VOID(expansion.add(layer));
  if (expansion.shape() == nn::Shape{recipe.data.classes}) return expansion.take();
  return error(Code::unsupported, "{}: the last layer gives {}, but data.classes is {}; end with a dense layer of {}",
               recipe.layers.back().place, nn::to_string(expansion.shape()), recipe.data.classes, recipe.data.classes);
}

std::string describe(const Step& step) {
  const LayerRecipe& layer = step.layer;
  const std::string stride = layer.stride == 1 ? "" : fmt::format(", stride {}", layer.stride);
  switch (step.kind) {
    case StepKind::conv:
      return fmt::format("conv {0}x{0} to {1} channels{2}{3}{4}", layer.kernel, layer.channels, stride,
                         layer.weights == FirstWeights::patches ? ", whitening patches" : "",
                         layer.fixed ? ", fixed" : "");
    case StepKind::batch_norm:
      return "batch norm";
    case StepKind::activation:
      return describe(layer.activation);
    case StepKind::average_pool:
    case StepKind::max_pool:
      return fmt::format("{0} pool {1}x{1}{2}", step.kind == StepKind::max_pool ? "max" : "average", layer.kernel,
                         layer.stride == layer.kernel ? "" : stride);
    case StepKind::global_average_pool:
      return "global average pool";
    case StepKind::flatten:
      return fmt::format("flatten to {}", step.out[0]);
    case StepKind::dense:
      return fmt::format("dense to {}", layer.channels);
    case StepKind::branch:
      return "branch";
    case StepKind::join:
      if (step.kept == step.out) return "add the branch";
      return layer.shortcut == Shortcut::pad ? "add the branch, padded" : "add the branch through 1x1";
  }
  return "";
}

std::string describe(const Recipe& recipe, const std::vector<Step>& steps) {
  std::string out = fmt::format("{}: {} of {} in {} classes\n", recipe.name, recipe.data.set,
                                nn::to_string(recipe.data.shape), recipe.data.classes);
  std::int64_t parameters = 0;
  std::int64_t multiplications = 0;
  for (const Step& step : steps) {
    parameters += step.parameters;
    multiplications += step.multiplications;
    if (step.kind == StepKind::branch) continue;
    out += fmt::format("  {:<14} {:<52} {:<12} {:>10} {:>12}\n", step.name, describe(step), nn::to_string(step.out),
                       step.parameters, step.multiplications);
  }
  return out + fmt::format("  {:<80} {:>10} {:>12}\n", "parameters; multiplications by weights for one image",
                           parameters, multiplications);
}

}  // namespace obscura::train
