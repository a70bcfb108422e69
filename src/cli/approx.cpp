// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

#include "approx/cost.h"
#include "approx/fit.h"
#include "approx/maximum.h"
#include "approx/sign.h"
#include "base/files.h"
#include "cli/support.h"
#include "cli/verb.h"
#include "data/plot.h"

namespace obscura::cli {
namespace {

using Json = nlohmann::ordered_json;
using approx::Activation;
using approx::Certificate;
using approx::Polynomial;
using Style = data::Series::Style;

constexpr int kPlotPoints = 2400;

struct ApproxOptions {
  std::string function;
  std::optional<int> alpha;
  std::vector<int> degrees;
  std::optional<double> epsilon;
  std::optional<double> bound;
  std::string by = "depth";
  std::optional<int> max_depth;
  std::optional<double> low, high;
  std::optional<int> degree;
  std::optional<double> error;
  std::string method = "minimax";
  std::vector<std::string> parameters;
  std::string window = "2x2";
  std::string plot;
};

/// What a verb's function gives, in both forms, with its curves.
struct Report {
  Answer answer;
  std::vector<data::Panel> panels;
};

std::string bits_of(double error) { return fmt::format("2^{:.2f}", std::log2(error)); }

Json to_json(const Certificate& certificate) {
  return {{"function", certificate.function}, {"low", certificate.low},
          {"high", certificate.high},         {"max_error", certificate.max_error},
          {"depth", certificate.depth},       {"multiplications", certificate.multiplications}};
}

Json to_json(const std::vector<Polynomial>& stages) {
  Json out = Json::array();
  for (const Polynomial& stage : stages) {
    out.push_back({{"degree", stage.degree()},
                   {"low", stage.low},
                   {"high", stage.high},
                   {"basis", "chebyshev"},
                   {"coefficients", stage.coefficients}});
  }
  return out;
}

Json degrees_json(const std::vector<Polynomial>& stages) {
  Json out = Json::array();
  for (const Polynomial& stage : stages) out.push_back(stage.degree());
  return out;
}

std::string degrees_text(const std::vector<Polynomial>& stages) {
  std::vector<int> degrees;
  degrees.reserve(stages.size());
  for (const Polynomial& stage : stages) degrees.push_back(stage.degree());
  return fmt::format("{}", fmt::join(degrees, ", "));
}

/// Each stage with its interval and its coefficients that are not 0.
std::string coefficients_text(const std::vector<Polynomial>& stages) {
  std::string out;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    out += fmt::format("  p{} on [{}, {}], sum of c_k T_k:\n", stages.size() == 1 ? "" : fmt::format("_{}", i + 1),
                       stages[i].low, stages[i].high);
    for (std::size_t k = 0; k < stages[i].coefficients.size(); ++k) {
      if (stages[i].coefficients[k] != 0) out += fmt::format("    c_{:<3} {: .17g}\n", k, stages[i].coefficients[k]);
    }
  }
  return out;
}

std::string cost_text(const Certificate& certificate) {
  return fmt::format("  error at most    {:.6g} = {}\n  depth            {}\n  multiplications  {}\n",
                     certificate.max_error, bits_of(certificate.max_error), certificate.depth,
                     certificate.multiplications);
}

/// Curves over [low, high]: the function and what stands for it, and below the error.
/// `finest` > 0: a third panel shows the error from there to high, on a logarithmic axis.
template <class Exact, class Approximation>
std::vector<data::Panel> curves(const std::string& name, const std::string& formula, double low, double high,
                                double max_error, double finest, const Exact& exact,
                                const Approximation& approximation) {
  data::Series function{name, {}, {}, Style::dashed, {}};
  data::Series polynomial{formula, {}, {}, Style::line, {}};
  data::Series error{"error", {}, {}, Style::line, {}};
  for (int i = 0; i <= kPlotPoints; ++i) {
    const double x = low + (high - low) * i / kPlotPoints;
    for (data::Series* series : {&function, &polynomial, &error}) series->x.push_back(x);
    function.y.push_back(exact(x));
    polynomial.y.push_back(approximation(x));
    error.y.push_back(polynomial.y.back() - function.y.back());
  }
  const data::Series limits{"certified " + bits_of(max_error),
                            {low, high, NAN, low, high},
                            {max_error, max_error, NAN, -max_error, -max_error},
                            Style::dashed,
                            {}};
  data::Axes above{name + " and its approximation", "x", "y", false, false, {}, {}};
  data::Axes below{"Error", "x", "error", false, false, {}, std::pair(-1.3 * max_error, 1.3 * max_error)};
  std::vector<data::Panel> panels = {{above, {polynomial, function}}, {below, {error, limits}}};
  if (finest > 0) {
    data::Series close{"error", {}, {}, Style::line, {}};
    for (int i = 0; i <= kPlotPoints; ++i) {
      const double x = finest * std::pow(high / finest, static_cast<double>(i) / kPlotPoints);
      close.x.push_back(x);
      close.y.push_back(approximation(x) - exact(x));
    }
    data::Series close_limits = limits;
    close_limits.x = {finest, high, NAN, finest, high};
    below.title = "Error for x > 0, x on a logarithmic axis";
    below.log_x = true;
    panels.push_back({below, {close, close_limits}});
  }
  return panels;
}

Result<approx::SignCandidate> choose(const ApproxOptions& options, bool for_sign) {
  if (!options.degrees.empty()) {
    approx::SignCandidate chosen;
    chosen.choice = {options.degrees, options.epsilon.value_or(0)};
    return chosen;
  }
  if (!options.alpha) {
    return error(Code::wrong_params, "approx {}: --alpha N or --degrees D,D,... says how precise it is to be",
                 options.function);
  }
  approx::SearchOptions how;
  how.objective = options.by == "depth" ? approx::Objective::depth : approx::Objective::multiplications;
  how.max_depth = options.max_depth.value_or(how.max_depth);
  const approx::SignSearch search;
  OBSCURA_TRY(approx::SignCandidate chosen,
              for_sign ? search.for_sign(*options.alpha, how) : search.for_relu(*options.alpha, how));
  if (options.epsilon) chosen.choice.epsilon = *options.epsilon;
  return chosen;
}

Result<Report> report_sign(const ApproxOptions& options) {
  OBSCURA_TRY(const approx::SignCandidate chosen, choose(options, true));
  OBSCURA_TRY(const approx::Composite sign, approx::sign(chosen.choice));
  const Certificate& certificate = sign.certificate;
  Report report;
  report.answer.json = {{"form", "sign"},
                        {"degrees", degrees_json(sign.stages)},
                        {"epsilon", certificate.low},
                        {"certificate", to_json(certificate)},
                        {"stages", to_json(sign.stages)}};
  report.answer.text = fmt::format("sign for {:.6g} <= |x| <= 1, degrees {}\n{}{}", certificate.low,
                                   degrees_text(sign.stages), cost_text(certificate), coefficients_text(sign.stages));
  report.panels = curves(
      "sign", "degrees " + degrees_text(sign.stages), -1, 1, certificate.max_error, certificate.low / 8,
      [](double x) { return x < 0 ? -1.0 : 1.0; }, [&](double x) { return evaluate(sign, x); });
  return report;
}

Result<Report> report_relu(const ApproxOptions& options) {
  OBSCURA_TRY(const approx::SignCandidate chosen, choose(options, false));
  OBSCURA_TRY(const Activation relu, approx::relu(chosen.choice, options.bound.value_or(1)));
  const std::vector<Polynomial>& stages = relu.composite.stages;
  Report report;
  report.answer.json = {{"form", "x (1 + p(x / bound)) / 2"},
                        {"bound", relu.bound},
                        {"degrees", degrees_json(stages)},
                        {"bits", -std::log2(relu.certificate.max_error / relu.bound)},
                        {"certificate", to_json(relu.certificate)},
                        {"sign", to_json(relu.composite.certificate)},
                        {"stages", to_json(stages)}};
  report.answer.text = fmt::format(
      "relu on [{0}, {1}] as x (1 + p(x / {1})) / 2, degrees {2}\n{3}  of the bound     {4}\n"
      "  sign             within {5:.6g} where |x / {1}| >= {6:.6g}\n{7}",
      -relu.bound, relu.bound, degrees_text(stages), cost_text(relu.certificate),
      bits_of(relu.certificate.max_error / relu.bound), relu.composite.certificate.max_error,
      relu.composite.certificate.low, coefficients_text(stages));
  report.panels = curves(
      "relu", "degrees " + degrees_text(stages), -relu.bound, relu.bound, relu.certificate.max_error,
      relu.bound * relu.composite.certificate.low / 64, [](double x) { return std::max(x, 0.0); },
      [&](double x) { return evaluate(relu, x); });
  return report;
}

Result<std::pair<int, int>> parse_window(const std::string& text) {
  std::pair<int, int> out{0, 0};
  const char* const end = text.data() + text.size();
  const auto rows = std::from_chars(text.data(), end, out.first);
  const bool cross = rows.ec == std::errc{} && rows.ptr != end && *rows.ptr == 'x';
  const auto columns = cross ? std::from_chars(rows.ptr + 1, end, out.second) : rows;
  if (!cross || columns.ec != std::errc{} || columns.ptr != end) {
    return error(Code::bad_format, "--window {}: a window is written ROWSxCOLUMNS, as 2x2", text);
  }
  return out;
}

Result<Report> report_max(const ApproxOptions& options) {
  OBSCURA_TRY(const auto window, parse_window(options.window));
  OBSCURA_TRY(const approx::SignCandidate chosen, choose(options, false));
  OBSCURA_TRY(const approx::MaxPool pool, approx::max_pool(chosen.choice, options.low.value_or(-1),
                                                           options.high.value_or(1), window.first, window.second));
  const std::vector<Polynomial>& stages = pool.relu.composite.stages;
  Report report;
  report.answer.json = {{"form", "b + relu(a - b), rows first"},
                        {"window", {pool.rows, pool.columns}},
                        {"levels", pool.levels},
                        {"maxima", pool.maxima},
                        {"certificate", to_json(pool.certificate)},
                        {"bound", pool.relu.bound},
                        {"degrees", degrees_json(stages)},
                        {"relu", to_json(pool.relu.certificate)},
                        {"stages", to_json(stages)}};
  report.answer.text = fmt::format(
      "maximum of {}x{} numbers in [{}, {}], degrees {}\n{}  tree             {} levels, {} maxima b + relu(a - b), "
      "each "
      "of depth {} and {} multiplications\n  differences      at most {:.6g}\n{}",
      pool.rows, pool.columns, pool.certificate.low, pool.certificate.high, degrees_text(stages),
      cost_text(pool.certificate), pool.levels, pool.maxima, pool.relu.certificate.depth,
      pool.relu.certificate.multiplications, pool.relu.bound, coefficients_text(stages));
  const double middle = (pool.certificate.low + pool.certificate.high) / 2;
  report.panels = curves(
      fmt::format("max(x, {:.4g})", middle), "degrees " + degrees_text(stages), pool.certificate.low,
      pool.certificate.high, pool.relu.certificate.max_error, 0, [&](double x) { return std::max(x, middle); },
      [&](double x) { return approx::maximum(pool.relu, x, middle); });
  return report;
}

/// Sets the parameter that "NAME=VALUE" gives.
Result<void> set_parameter(const std::string& text, approx::Function& function) {
  const std::string name = text.substr(0, text.find('='));
  std::string all;
  for (const approx::Parameter& parameter : approx::row(function.kind).parameters) {
    all += (all.empty() ? "" : ", ") + std::string(parameter.name);
    if (name != parameter.name) continue;
    const char* const begin = text.data() + std::min(name.size() + 1, text.size());
    const char* const end = text.data() + text.size();
    const auto read = std::from_chars(begin, end, function.*parameter.field);
    if (begin != end && read.ec == std::errc{} && read.ptr == end) return {};
    return error(Code::bad_format, "--parameter {}: NAME=VALUE is wanted, the value a number, as {}={}", text, name,
                 parameter.by_default);
  }
  return error(Code::wrong_params, "--parameter {}: {} has {}", text, approx::name(function),
               all.empty() ? "no parameters" : "the parameters " + all);
}

Json parameters_json(const approx::Function& function) {
  Json out = Json::object();
  for (const approx::Parameter& parameter : approx::row(function.kind).parameters) {
    out[parameter.name] = function.*parameter.field;
  }
  return out;
}

/// " with alpha 0.1", or nothing where the function has no parameters.
std::string parameters_text(const approx::Function& function) {
  std::string out;
  for (const approx::Parameter& parameter : approx::row(function.kind).parameters) {
    out += fmt::format("{}{} {:.8g}", out.empty() ? " with " : ", ", parameter.name, function.*parameter.field);
  }
  return out;
}

Result<Report> report_direct(const ApproxOptions& options) {
  OBSCURA_TRY(approx::Function function, approx::function_named(options.function));
  for (const std::string& text : options.parameters) OBSCURA_TRY_VOID(set_parameter(text, function));
  if (!options.low || !options.high || options.degree.has_value() == options.error.has_value()) {
    return error(Code::wrong_params,
                 "approx {}: --low and --high give the range, and one of --degree and --error the precision",
                 options.function);
  }
  const approx::Method method = options.method == "minimax"     ? approx::Method::minimax
                                : options.method == "chebyshev" ? approx::Method::chebyshev
                                                                : approx::Method::least_squares;
  OBSCURA_TRY(const Activation activation,
              options.degree
                  ? approx::approximate(function, method, *options.degree, *options.low, *options.high)
                  : approx::approximate_within(function, method, *options.error, *options.low, *options.high));
  const std::vector<Polynomial>& stages = activation.composite.stages;
  const Certificate& certificate = activation.certificate;
  Report report;
  report.answer.json = {{"form", "p(x)"},
                        {"parameters", parameters_json(function)},
                        {"method", options.method},
                        {"degrees", degrees_json(stages)},
                        {"certificate", to_json(certificate)},
                        {"stages", to_json(stages)}};
  report.answer.text = fmt::format("{}{} on [{}, {}], degree {}, {}\n{}{}", options.function, parameters_text(function),
                                   certificate.low, certificate.high, stages.front().degree(), options.method,
                                   cost_text(certificate), coefficients_text(stages));
  report.panels = curves(
      options.function, fmt::format("degree {}, {}", stages.front().degree(), options.method), certificate.low,
      certificate.high, certificate.max_error, 0, [&](double x) { return value(function, x); },
      [&](double x) { return evaluate(activation, x); });
  return report;
}

Result<Report> report_front(const ApproxOptions& options) {
  approx::SearchOptions how;
  how.max_depth = options.max_depth.value_or(14);
  OBSCURA_TRY(const std::vector<approx::SignCandidate> front, approx::SignSearch().front(how));
  Report report;
  report.answer.text =
      "  bits of relu  depth  multiplications  degrees of the sign (depth and multiplications of the relu)\n";
  Json rows = Json::array();
  data::Series by_cost{"compositions that no other one beats", {}, {}, Style::points, {}};
  data::Series by_depth = by_cost;
  for (const approx::SignCandidate& one : front) {
    rows.push_back({{"bits", one.bits},
                    {"depth", one.depth + 1},
                    {"multiplications", one.multiplications + 1},
                    {"degrees", one.choice.degrees}});
    report.answer.text += fmt::format("  {:12.3f}  {:5}  {:15}  {}\n", one.bits, one.depth + 1, one.multiplications + 1,
                                      fmt::join(one.choice.degrees, ", "));
    by_depth.x.push_back(one.depth + 1);
    by_cost.x.push_back(one.multiplications + 1);
    for (data::Series* series : {&by_depth, &by_cost}) series->y.push_back(one.bits);
  }
  report.answer.json = {{"front", rows}};
  report.panels = {
      {{"ReLU: precision against depth", "depth", "bits", false, false, {}, {}}, {by_depth}},
      {{"ReLU: precision against multiplications", "multiplications", "bits", false, false, {}, {}}, {by_cost}}};
  return report;
}

Result<Answer> perform(const ApproxOptions& options) {
  const api::Stopwatch watch;
  if (!options.plot.empty()) OBSCURA_TRY_VOID(refuse_existing(options.plot));
  const bool direct = options.degree || options.error || !options.parameters.empty();
  const std::string& name = options.function;
  if (!options.parameters.empty() && (name == "sign" || name == "max" || name == "front")) {
    return error(Code::wrong_params, "--parameter {}: {} has no parameters", options.parameters.front(), name);
  }
  OBSCURA_TRY(Report report, name == "sign"              ? report_sign(options)
                             : name == "max"             ? report_max(options)
                             : name == "front"           ? report_front(options)
                             : name == "relu" && !direct ? report_relu(options)
                                                         : report_direct(options));
  if (!options.plot.empty()) {
    OBSCURA_TRY_VOID(base::write_file(options.plot, data::draw_plot(report.panels), {}));
    report.answer.json["plot"] = options.plot;
  }
  report.answer.json["seconds"] = watch.seconds();
  return report.answer;
}

/// The names that the verb takes: the functions of the table with their aliases, and its own.
std::vector<std::string> all_names() {
  std::vector<std::string> out = {"sign", "max", "front"};
  for (const approx::FunctionRow& one : approx::functions()) {
    out.emplace_back(one.name);
    out.insert(out.end(), one.aliases.begin(), one.aliases.end());
  }
  return out;
}

/// The functions with their parameters, for the help: "elu (alpha), ...", in lines.
std::string functions_text() {
  constexpr std::size_t kWidth = 100;
  std::string out, line;
  for (const approx::FunctionRow& one : approx::functions()) {
    std::string text = one.name;
    for (const char* alias : one.aliases) text += fmt::format(" or {}", alias);
    std::string parameters;
    for (const approx::Parameter& parameter : one.parameters) {
      parameters += (parameters.empty() ? "" : ", ") + std::string(parameter.name);
    }
    if (!parameters.empty()) text += fmt::format(" ({})", parameters);
    if (line.size() + text.size() > kWidth) {
      out += "  " + line + ",\n";
      line.clear();
    }
    line += (line.empty() ? "" : ", ") + text;
  }
  return out + "  " + line + "\n";
}

}  // namespace

Action define_approx(CLI::App& command, const Common&) {
  const std::string explanation =
      "Computes the polynomials that stand for a network's functions, each with a certificate: interval, largest\n"
      "error, depth and multiplications of ciphertexts.\n"
      "  relu, sign, max   compositions of minimax polynomials for --alpha bits, found by search (or --degrees)\n"
      "  front             all compositions that no other one beats in depth, multiplications and bits\n"
      "  a function        one polynomial on [--low, --high] of --degree, or the smallest degree for --error\n"
      "Functions, with their parameters:\n" +
      functions_text();
  teach(command, explanation.c_str(), "obscura approx relu --alpha 13 --bound 50 --plot relu.png",
        "It reads no file. The plot shows the function and the polynomial; it holds nothing secret.");
  auto options = std::make_shared<ApproxOptions>();
  command.add_option("FUNCTION", options->function, "What to approximate")
      ->required()
      ->check(CLI::IsMember(all_names()));
  command.add_option("--alpha", options->alpha,
                     "relu, max: error at most 2^-alpha of the bound; sign: 2^(1-alpha) from 2^-alpha on");
  command.add_option("--degrees", options->degrees, "relu, sign, max: degrees of the stages, the first applied first")
      ->delimiter(',');
  command.add_option("--epsilon", options->epsilon,
                     "relu, sign, max: where the sign begins to hold (default: the best)");
  command.add_option("--by", options->by, "What the search minimises first: depth or multiplications")
      ->check(CLI::IsMember({"depth", "multiplications"}));
  command.add_option("--max-depth", options->max_depth, "Greatest depth of the sign (default 16; front 14)");
  command.add_option("--bound", options->bound, "relu: of |x| (default 1)");
  command.add_option("--low", options->low, "Low end of the range (max: default -1)");
  command.add_option("--high", options->high, "High end of the range (max: default 1)");
  command.add_option("--degree", options->degree, "Degree of a single polynomial");
  command.add_option("--error", options->error, "Largest error of a single polynomial");
  command.add_option("--method", options->method, "minimax (default), chebyshev or least-squares")
      ->check(CLI::IsMember({"minimax", "chebyshev", "least-squares"}));
  command.add_option("--parameter", options->parameters, "NAME=VALUE: a parameter of the function, as alpha=0.1");
  command.add_option("--window", options->window, "max: ROWSxCOLUMNS (default 2x2)");
  command.add_option("--plot", options->plot, "Write a PNG with the curves and the error");
  return [options] { return perform(*options); };
}

}  // namespace obscura::cli
