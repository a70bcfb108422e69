// SPDX-License-Identifier: Apache-2.0
#include "approx/function.h"

#include <algorithm>
#include <cmath>

#include "approx/formulas.h"

namespace obscura::approx {
namespace {

using Kind = Function::Kind;

/// Of slope s below 0 and 1 above.
std::optional<BentLine> bent_at_zero(double s) { return BentLine{0, s, {{0, 1 - s}}}; }

std::vector<double> at_zero_unless_smooth(const Function& f) {
  return f.alpha == 1 ? std::vector<double>{} : std::vector<double>{0.0};
}

std::string must_be_positive(const char* what, double smallest) {
  return smallest > 0 ? "" : fmt::format("{} falls to {}; it must stay above 0", what, smallest);
}

/// x must stay above 0.
std::string positive(const Function&, double low, double) { return must_be_positive("x", low); }

std::string positive_base(const Function& f, double low, double high) {
  return must_be_positive("bias + scale x", f.bias + std::min(f.scale * low, f.scale * high));
}

Turn turn_of_power(const Function& f) {
  if (f.scale == 0) return {};
  const double centre = -f.bias / f.scale;
  return {centre, centre == 0 ? 1 : std::abs(centre)};
}

const Parameter kSlope{"alpha", &Function::alpha, static_cast<double>(0.01F)};
const Parameter kAlpha{"alpha", &Function::alpha, 1};
const Parameter kBeta{"beta", &Function::beta, 1};

FunctionRow plain(Kind kind, const char* name, const char* onnx, int since) {
  return {.kind = kind, .name = name, .aliases = {}, .onnx = onnx, .since = since, .parameters = {}};
}

/// Of slopes 1 above 0 and, near 0, alpha below.
FunctionRow bent(Kind kind, const char* name, const char* onnx, int since, std::vector<Parameter> parameters) {
  FunctionRow out = plain(kind, name, onnx, since);
  out.parameters = std::move(parameters);
  out.kinks = at_zero_unless_smooth;
  return out;
}

FunctionRow row_of_relu() {
  FunctionRow out = plain(Kind::relu, "relu", "Relu", 1);
  out.line = [](const Function&) { return bent_at_zero(0); };
  return out;
}

FunctionRow row_of_leaky_relu() {
  FunctionRow out = plain(Kind::leaky_relu, "leaky_relu", "LeakyRelu", 1);
  out.parameters = {kSlope};
  out.affine = [](const Function& f) { return f.alpha == 1; };
  out.line = [](const Function& f) { return f.alpha == 1 ? std::nullopt : bent_at_zero(f.alpha); };
  return out;
}

FunctionRow row_of_clip() {
  FunctionRow out = plain(Kind::clip, "clip", nullptr, 0);
  out.aliases = {"relu6"};
  out.parameters = {{"low", &Function::low, 0}, {"high", &Function::high, 6}};
  out.unfit = [](const Function& f) {
    return f.low <= f.high ? "" : fmt::format("low {} and high {}; low must not be above high", f.low, f.high);
  };
  out.affine = [](const Function& f) { return f.low == f.high || (std::isinf(f.low) && std::isinf(f.high)); };
  out.line = [](const Function& f) {
    BentLine line{std::isinf(f.low) ? 0 : f.low, std::isinf(f.low) ? 1.0 : 0.0, {}};
    if (!std::isinf(f.low)) line.bends.push_back({f.low, 1});
    if (!std::isinf(f.high)) line.bends.push_back({f.high, -1});
    return f.low == f.high || line.bends.empty() ? std::nullopt : std::optional(line);
  };
  return out;
}

FunctionRow row_of_hard_swish() {
  FunctionRow out = plain(Kind::hard_swish, "hard_swish", "HardSwish", 14);
  out.line = [](const Function&) { return std::optional(BentLine{0, 0, {{-3, 1.0 / 6}, {3, -1.0 / 6}}, true}); };
  return out;
}

FunctionRow row_of_thresholded_relu() {
  FunctionRow out = plain(Kind::thresholded_relu, "thresholded_relu", "ThresholdedRelu", 10);
  out.parameters = {kAlpha};
  out.kinks = [](const Function& f) { return std::vector<double>{f.alpha}; };
  // Others jump by alpha, which no ReLU does.
  out.line = [](const Function& f) { return f.alpha == 0 ? bent_at_zero(0) : std::nullopt; };
  return out;
}

FunctionRow row_of_celu() {
  FunctionRow out = plain(Kind::celu, "celu", "Celu", 12);
  out.parameters = {kAlpha};
  out.turn = [](const Function& f) { return Turn{0, std::abs(f.alpha)}; };
  out.unfit = [](const Function& f) { return f.alpha != 0 ? "" : std::string("alpha 0; it must not be 0"); };
  return out;
}

FunctionRow row_of_swish() {
  FunctionRow out = plain(Kind::swish, "swish", nullptr, 0);
  out.aliases = {"silu"};
  out.parameters = {kBeta};
  out.turn = [](const Function& f) { return Turn{0, f.beta == 0 ? 1 : 1 / std::abs(f.beta)}; };
  out.affine = [](const Function& f) { return f.beta == 0; };
  return out;
}

FunctionRow row_of_power() {
  FunctionRow out = plain(Kind::power, "power", nullptr, 0);
  out.parameters = {{"bias", &Function::bias, 1}, {"scale", &Function::scale, 1}, kBeta};
  out.turn = turn_of_power;
  out.domain = positive_base;
  out.affine = [](const Function& f) { return f.beta == 0 || f.beta == -1 || f.scale == 0; };
  return out;
}

FunctionRow row_of_log() {
  FunctionRow out = plain(Kind::log, "log", "Log", 1);
  out.domain = positive;
  return out;
}

FunctionRow row_of_sqrt() {
  FunctionRow out = plain(Kind::sqrt, "sqrt", "Sqrt", 1);
  out.domain = [](const Function&, double low, double) {
    return low >= 0 ? "" : fmt::format("x falls to {}; it must not be below 0", low);
  };
  return out;
}

FunctionRow row_of_reciprocal() {
  FunctionRow out = plain(Kind::reciprocal, "reciprocal", "Reciprocal", 1);
  out.domain = [](const Function&, double low, double high) -> std::string {
    return low > 0 || high < 0 ? "" : "x may be 0; all of the range must lie on one side of 0";
  };
  return out;
}

FunctionRow row_of_abs() {
  FunctionRow out = plain(Kind::abs, "abs", "Abs", 1);
  out.line = [](const Function&) { return bent_at_zero(-1); };
  return out;
}

/// Of a function that goes on waving: up to where a polynomial of the largest degree could follow, and more.
FunctionRow wave(Kind kind, const char* name, const char* onnx) {
  FunctionRow out = plain(kind, name, onnx, 7);
  out.farthest = 256;
  return out;
}

std::vector<FunctionRow> make_rows() {
  const Parameter selu_alpha{"alpha", &Function::alpha, 1.67326319217681884765625};
  const Parameter selu_gamma{"gamma", &Function::gamma, 1.05070102214813232421875};
  return {row_of_relu(),
          row_of_leaky_relu(),
          row_of_clip(),
          row_of_hard_swish(),
          row_of_thresholded_relu(),
          bent(Kind::elu, "elu", "Elu", 1, {kAlpha}),
          bent(Kind::selu, "selu", "Selu", 1, {selu_alpha, selu_gamma}),
          row_of_celu(),
          row_of_swish(),
          plain(Kind::gelu, "gelu", "Gelu", 20),
          plain(Kind::gelu_tanh, "gelu_tanh", nullptr, 0),
          plain(Kind::sigmoid, "sigmoid", "Sigmoid", 1),
          plain(Kind::tanh, "tanh", "Tanh", 1),
          plain(Kind::softplus, "softplus", "Softplus", 1),
          plain(Kind::softsign, "softsign", "Softsign", 1),
          plain(Kind::mish, "mish", "Mish", 18),
          plain(Kind::erf, "erf", "Erf", 9),
          plain(Kind::exp, "exp", "Exp", 1),
          row_of_log(),
          row_of_sqrt(),
          row_of_reciprocal(),
          row_of_abs(),
          wave(Kind::sin, "sin", "Sin"),
          wave(Kind::cos, "cos", "Cos"),
          row_of_power()};
}

}  // namespace

std::span<const FunctionRow> functions() {
  static const std::vector<FunctionRow> rows = make_rows();
  return rows;
}

const FunctionRow& row(Kind kind) {
  const auto place = static_cast<std::size_t>(kind);
  OBSCURA_CHECK(place < functions().size(), "row: a function of no kind");
  return functions()[place];
}

Function default_of(Kind kind) {
  Function out{kind};
  for (const Parameter& parameter : row(kind).parameters) out.*parameter.field = parameter.by_default;
  return out;
}

std::string name(const Function& function) { return row(function.kind).name; }

Result<Function> function_named(const std::string& name) {
  std::string all;
  for (const FunctionRow& one : functions()) {
    if (name == one.name) return default_of(one.kind);
    all += (all.empty() ? "" : ", ") + std::string(one.name);
    for (const char* alias : one.aliases) {
      if (name == alias) return default_of(one.kind);
      all += ", " + std::string(alias);
    }
  }
  return error(Code::unsupported, "'{}' is not a function that Obscura approximates; there are {}", name, all);
}

double value(const Function& function, double x) { return formula<double>(function, x); }

std::vector<double> kinks(const Function& function, double low, double high) {
  const auto of = row(function.kind).kinks;
  std::vector<double> out = of ? of(function) : std::vector<double>{};
  const auto line = of ? std::nullopt : bent_line(function);
  for (std::size_t k = 0; line && k < line->bends.size(); ++k) out.push_back(line->bends[k].at);
  std::erase_if(out, [&](double x) { return !(x > low && x < high); });
  return out;
}

std::vector<double> scale_points(const Function& function, double low, double high) {
  const auto turn_of = row(function.kind).turn;
  const auto [centre, unit] = turn_of ? turn_of(function) : Turn{};
  std::vector<double> points = kinks(function, low, high);
  points.push_back(centre);
  for (int k = -4; k <= 10; ++k) {
    points.push_back(centre - std::ldexp(unit, 2 * k));
    points.push_back(centre + std::ldexp(unit, 2 * k));
  }
  std::erase_if(points, [&](double x) { return !(x > low && x < high); });
  std::sort(points.begin(), points.end());
  points.erase(std::unique(points.begin(), points.end()), points.end());
  return points;
}

bool is_affine(const Function& function) {
  const auto affine = row(function.kind).affine;
  return affine && affine(function);
}

std::optional<BentLine> bent_line(const Function& function) {
  const auto line = row(function.kind).line;
  return line ? line(function) : std::nullopt;
}

namespace {

/// What is wrong with the parameters, else "". Ends of a clip may be infinite.
std::string unfit(const Function& function) {
  const FunctionRow& one = row(function.kind);
  for (const Parameter& parameter : one.parameters) {
    const double given = function.*parameter.field;
    if (function.kind == Kind::clip ? std::isnan(given) : !std::isfinite(given)) {
      return fmt::format("parameter {} is {}; it must be finite", parameter.name, given);
    }
  }
  return one.unfit ? one.unfit(function) : "";
}

}  // namespace

Result<void> check_domain(const Function& function, double low, double high) {
  const FunctionRow& one = row(function.kind);
  if (!(low < high) || !std::isfinite(low) || !std::isfinite(high)) {
    return error(Code::wrong_params, "{}: the range [{}, {}] is empty; its low end must be below its high end",
                 one.name, low, high);
  }
  if (std::max(std::abs(low), std::abs(high)) > one.farthest) {
    return error(Code::wrong_params, "{}: the range [{}, {}] goes beyond {}", one.name, low, high, one.farthest);
  }
  const std::string fault = unfit(function);
  if (!fault.empty()) return error(Code::wrong_params, "{}: {}", one.name, fault);
  const std::string outside = one.domain ? one.domain(function, low, high) : "";
  if (!outside.empty()) {
    return error(Code::wrong_params, "{}: on [{}, {}] {}", one.name, low, high, outside);
  }
  for (const double x : {low, high}) {
    const double y = value(function, x);
    if (std::isfinite(y)) continue;
    return error(Code::wrong_params, "{}: its value at {} is {}, which a polynomial cannot reach; narrow the range",
                 one.name, x, y);
  }
  return {};
}

}  // namespace obscura::approx
