// SPDX-License-Identifier: Apache-2.0
/// Planned polynomials on ciphertexts, on doubles, and what their noise does.
#include "ckks/polyeval.h"

#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "ckks/evaluator.h"
#include "ckks/noise.h"
#include "ckks/scale.h"

namespace obscura::ckks {

namespace {

/// Values of a plan on ciphertexts.
class Evaluation {
 public:
  Evaluation(const Context& context, const EvalKeys& keys, const PolynomialPlan& plan, const Ciphertext& x)
      : context_(context), keys_(keys), plan_(plan) {
    values_.reserve(plan.steps.size() + 1);
    Ciphertext t = x;
    for (ring::NttPoly& part : t.parts) part.drop_to(plan.limbs);
    t.scale = plan.scale;
    if (plan.offset != 0) {
      const CombineTerm term{&t, 1};
      t = combine(context, std::span(&term, 1), plan.offset);
    }
    values_.push_back(std::move(t));
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
      const PolynomialStep& step = plan.steps[i];
      last_use_.resize(plan.steps.size() + 1);
      for (const PolynomialProduct& p : step.products) last_use_[p.a] = last_use_[p.b] = i;
      for (const PolynomialTerm& term : step.terms) last_use_[term.value] = i;
    }
  }

  Ciphertext run() {
    for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
      const PolynomialStep& step = plan_.steps[i];
      const Ciphertext sum = add_up(step);
      values_.push_back(step.products.empty() ? rescale(context_, sum, plan_.rescale)
                                              : relinearize(context_, keys_, sum, plan_.rescale));
      // The same quotient as planned, which every later scale was computed from.
      OBSCURA_CHECK(std::fabs(values_.back().scale / step.scale - 1) < 0x1p-40, "polynomial: scale {} instead of {}",
                    values_.back().scale, step.scale);
      values_.back().scale = step.scale;
      for (std::size_t v = 0; v <= i; ++v) {
        if (last_use_[v] == i) values_[v].parts.clear();
      }
    }
    return std::move(values_.back());
  }

 private:
  Ciphertext add_up(const PolynomialStep& step) const {
    const std::size_t parts = step.products.empty() ? 2 : 3;
    OBSCURA_CHECK(2 * step.products.size() <= kernels::kMaxTerms, "polynomial: {} products in a sum",
                  step.products.size());
    Ciphertext sum;
    sum.scale = step.sum_scale;
    for (std::size_t part = 0; part < parts; ++part)
      sum.parts.emplace_back(context_.resources(), context_.degree(), step.limbs);
    base::parallel_for(step.limbs, [&](std::size_t i) {
      ring::NttPoly scratch(context_.resources(), context_.degree(), 1);
      for (std::size_t part = 0; part < parts; ++part) {
        double* to = sum.parts[part].limb(i);
        if (!step.products.empty()) add_products(step, part, i, to);
        if (part < 2 && !step.terms.empty()) add_terms(step, part, i, to, scratch.limb(0));
      }
    });
    return sum;
  }

  /// to = multiplier * sum of products + constant.
  void add_products(const PolynomialStep& step, std::size_t part, std::size_t i, double* to) const {
    std::vector<const double*> left, right;
    for (const PolynomialProduct& p : step.products) {
      const auto &a = values_[p.a].parts, &b = values_[p.b].parts;
      for (std::size_t k = part == 2 ? 1 : 0; k <= std::min<std::size_t>(part, 1); ++k) {
        left.push_back(a[k].limb(i));
        right.push_back(b[part - k].limb(i));
      }
    }
    const auto& m = context_.basis().modulus(i);
    const auto& kernels = context_.kernels();
    kernels.inner_product(to, left.data(), right.data(), left.size(), context_.degree(), m);
    const double constant = part == 0 ? ring::integer_residue(step.constant, m.value) : 0.0;
    if (step.multiplier == 1 && constant == 0) return;
    kernels.multiply_scalar(to, to, ring::integer_residue(step.multiplier, m.value), constant, context_.degree(), m);
  }

  /// to += sum of terms, or to = sum of terms + constant where there are no products.
  void add_terms(const PolynomialStep& step, std::size_t part, std::size_t i, double* to, double* scratch) const {
    const auto& m = context_.basis().modulus(i);
    const auto& kernels = context_.kernels();
    const std::size_t n = context_.degree();
    bool empty = step.products.empty();
    for (std::size_t first = 0; first < step.terms.size(); first += kernels::kMaxTerms) {
      std::vector<const double*> rows;
      std::vector<double> weights;
      for (std::size_t k = first; k < std::min(step.terms.size(), first + kernels::kMaxTerms); ++k) {
        rows.push_back(values_[step.terms[k].value].parts[part].limb(i));
        weights.push_back(ring::integer_residue(step.terms[k].factor, m.value));
      }
      kernels.weighted_sum(empty ? to : scratch, rows.data(), 0.6 * m.p, weights.data(), rows.size(), n, m);
      if (!empty) kernels.add(to, to, scratch, n, m);
      empty = false;
    }
    if (!step.products.empty() || part != 0 || step.constant == 0) return;
    kernels.multiply_scalar(to, to, 1.0, ring::integer_residue(step.constant, m.value), n, m);
  }

  const Context& context_;
  const EvalKeys& keys_;
  const PolynomialPlan& plan_;
  std::vector<Ciphertext> values_;
  std::vector<std::size_t> last_use_;  ///< step after which a value may go
};

/// The same integers as the ciphertexts meet, in slot units: a product's and a term's factor.
double product_factor(const PolynomialPlan& plan, const PolynomialStep& step, const PolynomialProduct& p) {
  return step.multiplier * plan.scale_of(p.a) * plan.scale_of(p.b) / step.sum_scale;
}

double term_factor(const PolynomialPlan& plan, const PolynomialStep& step, const PolynomialTerm& term) {
  return term.factor * plan.scale_of(term.value) / step.sum_scale;
}

double half_width(const PolynomialPlan& plan) { return plan.scale / plan.input_scale; }

/// All values of one slot.
void trace(const PolynomialPlan& plan, double x, std::vector<double>& values) {
  values.assign(1, x / half_width(plan) + plan.offset);
  for (const PolynomialStep& step : plan.steps) {
    double sum = step.constant / step.sum_scale;
    for (const auto& p : step.products) sum += product_factor(plan, step, p) * values[p.a] * values[p.b];
    for (const auto& term : step.terms) sum += term_factor(plan, step, term) * values[term.value];
    values.push_back(sum);
  }
}

/// What a step's division adds, in slot units.
double noise_of_step(const Params& params, const PolynomialStep& step) {
  const double rounding = noise_of_rounding(params, 2) / step.scale;
  if (step.products.empty()) return rounding;
  const double dropped = step.sum_scale / step.scale;
  return std::hypot(rounding, noise_of_switch(params, step.limbs) / dropped / step.scale);
}

/// At one x: p(x), p'(x), and the variance of what the steps add.
struct Response {
  double value = 0, derivative = 0, variance = 0;
};

/// Adjoints of all values, from the result back.
Response respond(const Params& params, const PolynomialPlan& plan, double x, std::vector<double>& values,
                 std::vector<double>& adjoints) {
  trace(plan, x, values);
  adjoints.assign(values.size(), 0.0);
  adjoints.back() = 1;
  Response out;
  out.value = values.back();
  for (std::size_t i = plan.steps.size(); i-- > 0;) {
    const PolynomialStep& step = plan.steps[i];
    const double adjoint = adjoints[i + 1];
    const double noise = adjoint * noise_of_step(params, step);
    out.variance += noise * noise;
    for (const auto& p : step.products) {
      const double factor = adjoint * product_factor(plan, step, p);
      adjoints[p.a] += factor * values[p.b];
      adjoints[p.b] += factor * values[p.a];
    }
    for (const auto& term : step.terms) adjoints[term.value] += adjoint * term_factor(plan, step, term);
  }
  out.derivative = adjoints[0] / half_width(plan);
  return out;
}

void check_input(const EvalKeys& keys, const Ciphertext& x, std::size_t limbs, double scale, bool multiplies) {
  OBSCURA_CHECK(!multiplies || !keys.relinearization.empty(), "polynomial: the relinearisation key is absent");
  OBSCURA_CHECK(x.parts.size() == 2, "polynomial: {} parts, 2 are needed", x.parts.size());
  OBSCURA_CHECK(x.limbs() >= limbs && same_scale(x.scale, scale),
                "polynomial: {} limbs at scale {}, planned are {} at {}", x.limbs(), x.scale, limbs, scale);
}

}  // namespace

Ciphertext evaluate(const Context& context, const EvalKeys& keys, const PolynomialPlan& plan, const Ciphertext& x) {
  check_input(keys, x, plan.limbs, plan.input_scale, plan.total().relinearizations > 0);
  return Evaluation(context, keys, plan, x).run();
}

std::vector<double> evaluate_clear(const PolynomialPlan& plan, std::span<const double> x) {
  std::vector<double> out, values;
  for (const double slot : x) {
    trace(plan, slot, values);
    out.push_back(values.back());
  }
  return out;
}

std::vector<double> predict_error(const Params& params, const PolynomialPlan& plan, std::span<const double> x,
                                  double input_error) {
  std::vector<double> out, values, adjoints;
  for (const double slot : x) {
    const Response response = respond(params, plan, slot, values, adjoints);
    out.push_back(std::hypot(response.derivative * input_error, std::sqrt(response.variance)));
  }
  return out;
}

Ciphertext evaluate(const Context& context, const EvalKeys& keys, const CompositePlan& plan, const Ciphertext& x) {
  check_input(keys, x, plan.limbs, plan.input_scale, plan.total().relinearizations > 0);
  Ciphertext y = evaluate(context, keys, plan.stages.front(), x);
  for (std::size_t i = 1; i < plan.stages.size(); ++i) y = evaluate(context, keys, plan.stages[i], y);
  if (!plan.times_input) return y;
  Ciphertext cut = x;
  cut.scale = plan.input_scale;
  for (ring::NttPoly& part : cut.parts) part.drop_to(y.limbs());
  y = relinearize(context, keys, multiply(context, cut, y), plan.stages.back().rescale);
  OBSCURA_CHECK(std::fabs(y.scale / plan.output_scale - 1) < 0x1p-40, "relu: scale {} instead of {}", y.scale,
                plan.output_scale);
  y.scale = plan.output_scale;
  return y;
}

std::vector<double> evaluate_clear(const CompositePlan& plan, std::span<const double> x) {
  std::vector<double> y(x.begin(), x.end());
  for (const PolynomialPlan& stage : plan.stages) y = evaluate_clear(stage, y);
  for (std::size_t j = 0; plan.times_input && j < y.size(); ++j) y[j] *= x[j];
  return y;
}

std::vector<double> predict_error(const Params& params, const CompositePlan& plan, std::span<const double> x,
                                  double input_error) {
  const double product_noise =
      std::hypot(noise_of_rounding(params, 2), noise_of_switch(params, plan.stages.back().output_limbs()) *
                                                   plan.output_scale /
                                                   (plan.input_scale * plan.stages.back().output_scale())) /
      plan.output_scale;
  std::vector<double> out, values, adjoints;
  for (const double slot : x) {
    Response whole{slot, 1, 0};
    for (const PolynomialPlan& stage : plan.stages) {
      const Response of_stage = respond(params, stage, whole.value, values, adjoints);
      whole.value = of_stage.value;
      whole.derivative *= of_stage.derivative;
      whole.variance = whole.variance * of_stage.derivative * of_stage.derivative + of_stage.variance;
    }
    if (plan.times_input) {
      whole.derivative = whole.value + slot * whole.derivative;
      whole.variance = slot * slot * whole.variance + product_noise * product_noise;
    }
    out.push_back(std::hypot(whole.derivative * input_error, std::sqrt(whole.variance)));
  }
  return out;
}

}  // namespace obscura::ckks
