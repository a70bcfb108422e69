// SPDX-License-Identifier: Apache-2.0
/// Planning of polynomials: which powers, which giant steps, which scales.
#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "ckks/polyeval.h"

namespace obscura::ckks {

namespace {

std::size_t log2_ceil(std::size_t n) { return n <= 1 ? 0 : std::bit_width(n - 1); }

/// ceil(log2(degree + 1)).
std::size_t levels_of(std::size_t degree) { return log2_ceil(degree + 1); }

enum class Parity { none, odd, even };

/// Baby steps up to b and giant steps up to 2^m.
struct DegreeSplit {
  std::size_t babies = 1;
  std::size_t giants = 0;
};

/// Multiplications and relinearisations, compared in this order.
using Work = std::pair<std::size_t, std::size_t>;
constexpr Work kImpossible = {1U << 20U, 0};

Work operator+(const Work& a, const Work& b) { return {a.first + b.first, a.second + b.second}; }

/// What stands above the powers, of any polynomial of a degree: least work by dynamic programming.
class Schedule {
 public:
  Schedule(DegreeSplit split, bool odd) : split_(split), odd_(odd) {}

  /// Exponent of the giant step to divide a polynomial of this degree by, 0 for none: it is a combination of powers.
  std::size_t giant(std::size_t degree, std::size_t levels) { return find(degree, levels).giant; }
  Work work(std::size_t degree, std::size_t levels) { return find(degree, levels).work; }

 private:
  struct Best {
    Work work = kImpossible;
    std::size_t giant = 0;
  };

  const Best& find(std::size_t degree, std::size_t levels) {
    const auto known = best_.find({degree, levels});
    if (known != best_.end()) return known->second;
    Best best;
    if (degree == 0) best.work = {0, 0};
    if (levels > 0 && degree <= split_.babies && log2_ceil(degree) + 1 <= levels) best.work = {0, 0};
    for (std::size_t i = std::min(split_.giants, levels > 0 ? levels - 1 : 0); i >= 1; --i) {
      const std::size_t g = std::size_t{1} << i;
      if (g > degree) continue;
      const Work product = degree == g
                               ? Work{0, 0}
                               : Work{1, has_products(degree - g, levels - 1) ? 1 : 0} + work(degree - g, levels - 1);
      const Work whole = product + work(odd_ ? g - 1 : std::min(g - 1, degree), levels);
      if (whole < best.work) best = {whole, i};
    }
    return best_[{degree, levels}] = best;
  }

  bool has_products(std::size_t degree, std::size_t levels) { return work(degree, levels).first > 0; }

  DegreeSplit split_;
  bool odd_;
  std::map<std::pair<std::size_t, std::size_t>, Best> best_;
};

/// All splits that can serve a degree; the one of least work.
DegreeSplit best_split(std::size_t degree, std::size_t levels, bool odd) {
  Work best = kImpossible;
  DegreeSplit chosen;
  for (std::size_t babies = 1; babies <= std::max<std::size_t>(degree, 1); babies += odd ? 2 : 1) {
    std::size_t steps = 0;
    for (std::size_t j = 3; j <= babies; ++j) steps += (odd ? j % 2 == 1 : !std::has_single_bit(j)) ? 1 : 0;
    const std::size_t needed = babies == 1 ? 0 : std::bit_width(babies) - 1;
    for (std::size_t giants = needed; std::size_t{1} << giants <= std::max<std::size_t>(degree, 1); ++giants) {
      Schedule schedule({babies, giants}, odd);
      const Work work = Work{steps + giants, steps + giants} + schedule.work(degree, levels);
      if (work < best) best = work, chosen = {babies, giants};
    }
  }
  return chosen;
}

std::size_t degree_of(const std::vector<double>& coefficients) {
  std::size_t degree = coefficients.size();
  while (degree > 0 && coefficients[degree - 1] == 0) --degree;
  return degree == 0 ? 0 : degree - 1;
}

/// p = q T_g + r.
struct Division {
  std::vector<double> quotient, remainder;
};

Division divide(std::vector<double> p, std::size_t g, PolynomialBasis basis) {
  Division out;
  out.quotient.assign(p.size() - g, 0);
  for (std::size_t k = p.size(); k-- > g;) {
    if (k == g || basis == PolynomialBasis::monomial) {
      out.quotient[k - g] += p[k];
    } else {  // T_k = 2 T_g T_(k - g) - T_|2 g - k|
      out.quotient[k - g] += 2 * p[k];
      p[k > 2 * g ? k - 2 * g : 2 * g - k] -= p[k];
    }
  }
  p.resize(g);
  out.remainder = std::move(p);
  return out;
}

class Planner {
 public:
  Planner(std::span<const std::uint64_t> chain, const PolynomialForm& form, const PolynomialPlace& place)
      : chain_(chain), basis_(form.basis), coefficients_(form.coefficients.begin(), form.coefficients.end()) {
    coefficients_.resize(degree_of(coefficients_) + 1);
    const double half = (form.high - form.low) / 2;
    plan_.limbs = place.limbs;
    plan_.input_scale = place.scale;
    plan_.scale = place.scale * half;
    plan_.offset = -(form.high + form.low) / 2 / half;
    plan_.rescale = place.primes_per_level;
    output_scale_ = place.output_scale;
  }

  Result<PolynomialPlan> run() {
    const std::size_t degree = coefficients_.size() - 1, levels = levels_of(degree);
    const Parity parity = find_parity();
    stride_ = parity == Parity::even && degree > 2 ? 2 : 1;
    double linear = 0;
    std::vector<double> p;
    for (std::size_t k = 0; k < coefficients_.size(); k += stride_) p.push_back(coefficients_[k]);
    if (stride_ == 2) linear = coefficients_[1];
    const std::size_t inner = levels - (stride_ == 2 ? 1 : 0);
    const DegreeSplit split = best_split(p.size() - 1, inner, parity == Parity::odd);
    schedule_.emplace(split, parity == Parity::odd);
    PolynomialStep root = open(levels, output_scale_ * drop(levels));
    add(std::move(p), inner, root);
    if (linear != 0) add_term(root, 0, linear);
    close(std::move(root));
    if (failure_) return *failure_;
    return std::move(plan_);
  }

 private:
  /// Of what lies above the constant (odd) or next to the linear term (even).
  Parity find_parity() const {
    bool odd = true, even = basis_ == PolynomialBasis::chebyshev || coefficients_.size() > 3;
    for (std::size_t k = 2; k < coefficients_.size(); ++k) {
      if (coefficients_[k] != 0) (k % 2 == 0 ? odd : even) = false;
    }
    return odd ? Parity::odd : even ? Parity::even : Parity::none;
  }

  /// Product of the primes that the rescale to `level` drops.
  double drop(std::size_t level) const {
    double product = 1;
    for (std::size_t i = 0; i < plan_.rescale; ++i) {
      product *= static_cast<double>(chain_[plan_.limbs - level * plan_.rescale + i]);
    }
    return product;
  }

  /// A sum whose rescale leads to `level`.
  PolynomialStep open(std::size_t level, double sum_scale) const {
    PolynomialStep step;
    step.limbs = plan_.limbs - (level - 1) * plan_.rescale;
    step.sum_scale = sum_scale;
    return step;
  }

  std::uint32_t close(PolynomialStep step) {
    const std::size_t level = (plan_.limbs - step.limbs) / plan_.rescale + 1;
    step.scale = step.sum_scale / drop(level);
    check_fits(step.sum_scale, step.limbs);
    check_fits(step.scale, step.limbs - plan_.rescale);
    plan_.steps.push_back(std::move(step));
    return static_cast<std::uint32_t>(plan_.steps.size());
  }

  void check_fits(double scale, std::size_t limbs) {
    double bits = 0;
    for (std::size_t i = 0; i < limbs; ++i) bits += std::log2(static_cast<double>(chain_[i]));
    if (std::log2(scale) + 2 > bits) {
      fail(error(Code::infeasible,
                 "polynomial: a value at scale 2^{:.1f} in {} limbs of {:.1f} bits, 2 bits less are "
                 "allowed",
                 std::log2(scale), limbs, bits));
    }
  }

  void fail(Error e) {
    if (!failure_) failure_ = std::move(e);
  }

  void add_term(PolynomialStep& step, std::uint32_t value, double coefficient) {
    const double ratio = step.sum_scale / plan_.scale_of(value);
    if (ratio < std::exp2(kMinConstantBits)) {
      fail(error(Code::infeasible,
                 "polynomial: constants of {:.1f} bits for a value at scale 2^{:.1f}, at least {} are "
                 "needed; a smaller input scale helps",
                 std::log2(ratio), std::log2(plan_.scale_of(value)), kMinConstantBits));
    }
    const double factor = std::nearbyint(coefficient * ratio);
    if (factor != 0) step.terms.push_back({value, factor});
  }

  /// T_j or t^j at level ceil(log2 j), planned when it is first asked for.
  std::uint32_t power(std::size_t j) {
    if (j == 1) return 0;
    if (const auto known = powers_.find(j); known != powers_.end()) return known->second;
    const std::size_t a = std::size_t{1} << (log2_ceil(j) - 1), b = j - a;
    const std::uint32_t x = power(a), y = power(b);
    const std::optional<std::uint32_t> z =
        basis_ == PolynomialBasis::chebyshev && a != b ? std::optional(power(a - b)) : std::nullopt;
    const double product = plan_.scale_of(x) * plan_.scale_of(y), target = drop(log2_ceil(j));
    // Raised by an integer to the scale at which the next product of its kind keeps its scale.
    const double raise = std::max(1.0, std::nearbyint(target / product * target));
    PolynomialStep step = open(log2_ceil(j), product * raise);
    step.products.push_back({x, y});
    step.multiplier = basis_ == PolynomialBasis::chebyshev ? 2 * raise : raise;
    if (z) add_term(step, *z, -1);
    if (basis_ == PolynomialBasis::chebyshev && a == b) step.constant = -std::nearbyint(step.sum_scale);
    return powers_[j] = close(std::move(step));
  }

  std::size_t level_of(const PolynomialStep& sum) const { return (plan_.limbs - sum.limbs) / plan_.rescale + 1; }

  /// sum += p at the scale of the sum; `levels` is what the schedule has for it.
  void add(std::vector<double> p, std::size_t levels, PolynomialStep& sum) {
    p.resize(degree_of(p) + 1);
    const std::size_t exponent = schedule_->giant(p.size() - 1, levels);
    if (exponent == 0) {
      sum.constant += std::nearbyint(p[0] * sum.sum_scale);
      for (std::size_t k = 1; k < p.size(); ++k) {
        if (p[k] != 0) add_term(sum, power(k * stride_), p[k]);
      }
      return;
    }
    const std::size_t g = std::size_t{1} << exponent;
    Division division = divide(std::move(p), g, basis_);
    const std::uint32_t giant = power(g * stride_);
    if (degree_of(division.quotient) == 0) {
      add_term(sum, giant, division.quotient[0]);
    } else {
      const std::size_t level = level_of(sum);
      PolynomialStep inner = open(level - 1, sum.sum_scale / plan_.scale_of(giant) * drop(level - 1));
      add(std::move(division.quotient), levels - 1, inner);
      sum.products.push_back({close(std::move(inner)), giant});
    }
    add(std::move(division.remainder), levels, sum);
  }

  std::span<const std::uint64_t> chain_;
  PolynomialBasis basis_;
  std::vector<double> coefficients_;
  double output_scale_ = 1;
  std::size_t stride_ = 1;
  PolynomialPlan plan_;
  std::map<std::size_t, std::uint32_t> powers_;
  std::optional<Schedule> schedule_;
  std::optional<Error> failure_;
};

Result<void> check(std::span<const std::uint64_t> chain, const PolynomialForm& form, const PolynomialPlace& place) {
  const std::size_t allowed = form.basis == PolynomialBasis::chebyshev ? kMaxPolynomialDegree : kMaxMonomialDegree;
  std::vector<double> c(form.coefficients.begin(), form.coefficients.end());
  if (!std::all_of(c.begin(), c.end(), [](double x) { return std::isfinite(x); })) {
    return error(Code::wrong_params, "polynomial: a coefficient is not finite");
  }
  const std::size_t degree = degree_of(c);
  if (degree < 1 || degree > allowed) {
    return error(Code::wrong_params, "polynomial of degree {}, 1 .. {} are allowed in this basis", degree, allowed);
  }
  if (!std::isfinite(form.low) || !std::isfinite(form.high) || form.low >= form.high) {
    return error(Code::wrong_params, "polynomial on [{}, {}], an interval of positive length is needed", form.low,
                 form.high);
  }
  if (place.primes_per_level < 1 || place.primes_per_level > kMaxRescale) {
    return error(Code::wrong_params, "polynomial: {} primes a level, 1 .. {} are allowed", place.primes_per_level,
                 kMaxRescale);
  }
  if (!std::isnormal(place.scale) || place.scale < 1 || !std::isnormal(place.output_scale) || place.output_scale < 1) {
    return error(Code::wrong_params, "polynomial from scale {} to {}, at least 1 is allowed", place.scale,
                 place.output_scale);
  }
  const std::size_t needed = levels_of(degree) * place.primes_per_level;
  if (place.limbs > chain.size() || place.limbs <= needed) {
    return error(Code::infeasible, "polynomial of degree {} with {} limbs, {} .. {} are needed", degree, place.limbs,
                 needed + 1, chain.size());
  }
  return {};
}

/// The product of the primes that the first rescale of a polynomial on `limbs` limbs drops.
double first_drop(std::span<const std::uint64_t> chain, std::size_t limbs, std::size_t count) {
  double product = 1;
  for (std::size_t i = 0; i < count && i < limbs; ++i) product *= static_cast<double>(chain[limbs - 1 - i]);
  return product;
}

Result<CompositePlan> plan_stages(std::span<const std::uint64_t> chain, std::span<const PolynomialForm> stages,
                                  const PolynomialPlace& place, bool times_input) {
  if (stages.empty()) return error(Code::wrong_params, "a composition of no polynomials");
  CompositePlan plan;
  plan.times_input = times_input;
  plan.limbs = place.limbs;
  plan.input_scale = place.scale;
  plan.output_scale = place.output_scale;
  PolynomialPlace at = place;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    PolynomialForm form = stages[i];
    std::vector<double> halved(form.coefficients.begin(), form.coefficients.end());
    const bool last = i + 1 == stages.size();
    if (last && times_input) {
      for (double& c : halved) c /= 2;
      if (!halved.empty()) halved[0] += 0.5;
      form.coefficients = halved;
    }
    const std::size_t used = levels_of(degree_of(halved)) * at.primes_per_level;
    const std::size_t left = at.limbs > used ? at.limbs - used : 0;
    const double next = first_drop(chain, std::min(left, chain.size()), at.primes_per_level);
    at.output_scale = !last          ? next / ((stages[i + 1].high - stages[i + 1].low) / 2)
                      : !times_input ? place.output_scale
                                     : place.output_scale * next / place.scale;
    OBSCURA_TRY(PolynomialPlan stage, plan_polynomial(chain, form, at));
    at.limbs = stage.output_limbs();
    at.scale = stage.output_scale();
    plan.stages.push_back(std::move(stage));
  }
  if (times_input && at.limbs <= at.primes_per_level) {
    return error(Code::infeasible, "relu: {} limbs are left before its product, {} are needed", at.limbs,
                 at.primes_per_level + 1);
  }
  if (!times_input) plan.output_scale = at.scale;
  return plan;
}

}  // namespace

Result<PolynomialPlan> plan_polynomial(std::span<const std::uint64_t> chain, const PolynomialForm& form,
                                       const PolynomialPlace& place) {
  OBSCURA_TRY_VOID(check(chain, form, place));
  return Planner(chain, form, place).run();
}

Result<PolynomialPlan> plan_double_angle(std::span<const std::uint64_t> chain, std::size_t limbs, double scale,
                                         std::size_t primes_per_level) {
  if (primes_per_level < 1 || primes_per_level > kMaxRescale || limbs > chain.size() || limbs <= primes_per_level ||
      !(scale >= 1)) {
    return error(Code::wrong_params, "double angle at scale {} with {} of {} limbs, {} of them to drop", scale, limbs,
                 chain.size(), primes_per_level);
  }
  PolynomialPlan plan;
  plan.limbs = limbs;
  plan.input_scale = plan.scale = scale;
  plan.rescale = primes_per_level;
  PolynomialStep step;
  step.products.push_back({0, 0});
  step.multiplier = 2;
  step.limbs = limbs;
  step.sum_scale = scale * scale;
  step.constant = -std::nearbyint(step.sum_scale);
  step.scale = step.sum_scale / first_drop(chain, limbs, primes_per_level);
  plan.steps.push_back(std::move(step));
  return plan;
}

Result<CompositePlan> plan_composite(std::span<const std::uint64_t> chain, std::span<const PolynomialForm> stages,
                                     const PolynomialPlace& place) {
  return plan_stages(chain, stages, place, false);
}

Result<CompositePlan> plan_relu(std::span<const std::uint64_t> chain, std::span<const PolynomialForm> stages,
                                const PolynomialPlace& place) {
  return plan_stages(chain, stages, place, true);
}

std::vector<PolynomialLevelCost> PolynomialPlan::cost() const {
  std::vector<PolynomialLevelCost> levels(depth());
  for (std::size_t i = 0; i < levels.size(); ++i) {
    levels[i].limbs = limbs - i * rescale;
    levels[i].rescale = rescale;
  }
  for (const PolynomialStep& step : steps) {
    PolynomialLevelCost& level = levels[(limbs - step.limbs) / rescale];
    level.multiplications += step.products.size();
    level.relinearizations += step.products.empty() ? 0 : 1;
    level.rescales += step.products.empty() ? 1 : 0;
    level.terms += step.terms.size();
  }
  return levels;
}

namespace {

PolynomialLevelCost sum_of(const std::vector<PolynomialLevelCost>& levels) {
  PolynomialLevelCost sum;
  for (const PolynomialLevelCost& level : levels) {
    sum.multiplications += level.multiplications;
    sum.relinearizations += level.relinearizations;
    sum.rescales += level.rescales;
    sum.terms += level.terms;
  }
  return sum;
}

}  // namespace

PolynomialLevelCost PolynomialPlan::total() const { return sum_of(cost()); }

std::size_t CompositePlan::depth() const {
  std::size_t levels = times_input ? 1 : 0;
  for (const PolynomialPlan& stage : stages) levels += stage.depth();
  return levels;
}

std::vector<PolynomialLevelCost> CompositePlan::cost() const {
  std::vector<PolynomialLevelCost> levels;
  for (const PolynomialPlan& stage : stages) {
    const auto of_stage = stage.cost();
    levels.insert(levels.end(), of_stage.begin(), of_stage.end());
  }
  if (times_input) levels.push_back({stages.back().output_limbs(), 1, 1, 0, 0, stages.back().rescale});
  return levels;
}

PolynomialLevelCost CompositePlan::total() const { return sum_of(cost()); }

}  // namespace obscura::ckks
