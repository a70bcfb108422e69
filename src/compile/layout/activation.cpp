// SPDX-License-Identifier: Apache-2.0
#include "compile/layout/activation.h"

#include <cmath>

namespace obscura::compile {
namespace {

using Kind = Operation::Kind;

/// One number for all elements; none for 0.
std::shared_ptr<const Elements> one_number(const Elements& values) {
  return is_zero(values) ? nullptr : std::make_shared<const Elements>(1, values[0]);
}

class Builder {
 public:
  Builder(const MonicActivation& activation, const Points& points, std::size_t k, const PlacedValue& x, Circuit& to)
      : a_(activation), points_(points), k_(k), x_(x), to_(to) {}

  plan::ValueId run() {
    if (a_.approximation) return terms(*a_.approximation);
    return a_.leading.empty() ? squares() : products();
  }

 private:
  plan::ValueId push(Kind kind, plan::ValueId input, std::size_t point, double factor) {
    Operation operation;
    operation.kind = kind;
    operation.input = input;
    operation.layout = input == 0 ? std::make_shared<const plan::Layout>(to_.input) : to_.operations[input - 1].layout;
    operation.ciphertexts = input == 0 ? to_.input.ciphertexts() : to_.operations[input - 1].ciphertexts;
    operation.point = point;
    operation.factor = factor;
    if (kind == Kind::relinearize) {
      operation.drops = 1;
    } else {
      operation.activation = k_;
      operation.origin = a_.origin;
    }
    to_.operations.push_back(std::move(operation));
    return static_cast<plan::ValueId>(to_.operations.size());
  }

  plan::ValueId push_product(plan::ValueId x, plan::ValueId other, std::size_t point, double factor) {
    const plan::ValueId id = push(Kind::product, x, point, factor);
    to_.operations.back().other = other;
    return id;
  }

  /// y + coefficient x + constant.
  plan::ValueId push_combine(plan::ValueId y, plan::ValueId x, const Elements& coefficient, const Elements& constant,
                             std::size_t point, double factor) {
    if (is_zero(coefficient) && is_zero(constant)) return y;
    const plan::ValueId id = push(Kind::combine, y, point, factor);
    to_.operations.back().other = x;
    to_.operations.back().coefficient = one_number(coefficient);
    to_.operations.back().constant = one_number(constant);
    to_.operations.back().largest_coefficient = std::abs(coefficient[0]);
    to_.operations.back().largest_constant = std::abs(constant[0]);
    return id;
  }

  /// Each term's polynomials of x - at, their sum, and the product of that with x.
  plan::ValueId terms(const Approximation& approximation) {
    std::vector<plan::ValueId> ends;
    for (const Approximation::Term& term : approximation.terms) {
      plan::ValueId u = x_.id;
      if (term.at != 0) {
        u = push_combine(x_.id, x_.id, {0}, {-term.at}, to_.operations[x_.id - 1].point, 1);
        to_.operations.back().largest = term.stages.front().high;
      }
      ends.push_back(push(Kind::polynomial, u, points_.square(k_), 1));
      to_.operations.back().term = std::shared_ptr<const Approximation::Term>(a_.approximation, &term);
      to_.operations.back().drops = static_cast<std::uint32_t>(levels(term));
      if (approximation.terms.size() > 1) to_.operations.back().largest = largest(approximation, term);
    }
    plan::ValueId y = ends[0];
    if (ends.size() > 1) {
      y = push(Kind::sum, y, points_.square(k_), 1);
      for (std::size_t e = 1; e < ends.size(); ++e) to_.operations.back().addends.push_back({ends[e]});
    }
    y = push_combine(y, y, {0}, {approximation.shift}, points_.square(k_), 1);
    if (!approximation.times_input) return y;
    y = push_product(y, x_.id, points_.result(k_), 1);
    to_.operations.back().of_input = true;
    return y;
  }

  plan::ValueId squares() {
    const double factor = x_.factor, f2 = factor * factor, f4 = f2 * f2;
    plan::ValueId y = push(Kind::square, x_.id, points_.square(k_), f2);
    if (a_.squares == 1) return y;
    y = push_combine(y, x_.id, divide(a_.p, {factor}), divide(a_.q, {f2}), points_.shifted(k_), f2);
    y = push(Kind::relinearize, y, points_.shifted(k_), f2);
    y = push(Kind::square, y, points_.outer_square(k_), f4);
    return push_combine(y, x_.id, divide(a_.r, {f2 * factor}), {-resting(a_) / f4}, points_.result(k_), f4);
  }

  /// As squares, of an activation with `leading`: u v + b x.
  plan::ValueId products() {
    const double f2 = x_.factor * x_.factor;
    const auto push_alike = [&](plan::ValueId x, plan::ValueId other, std::size_t point, double factor) {
      const plan::ValueId id = push_product(x, other, point, factor);
      to_.operations.back().alike = true;
      return id;
    };
    Operation::Secondary secondary = *to_.operations[x_.id - 1].secondary;
    const auto relinearized = [&](plan::ValueId y, std::size_t point, double factor,
                                  std::vector<double> SquaredDerivatives::*derivative) {
      to_.operations.back().secondary = secondary;  // for its range
      const plan::ValueId id = push(Kind::relinearize, y, point, factor);
      to_.operations.back().activation = k_;
      to_.operations.back().secondary = secondary;
      to_.operations.back().secondary->derivative = derivative;
      return id;
    };
    const plan::ValueId u = relinearized(push(Kind::square, x_.id, points_.square(k_), f2), points_.square(k_), f2,
                                         &SquaredDerivatives::of_u);
    plan::ValueId v = u;
    if (x_.a) {
      v = push_alike(x_.id, *x_.a, points_.shifted(k_), f2);
      v = relinearized(v, points_.shifted(k_), f2, &SquaredDerivatives::inner);
    }
    plan::ValueId more = x_.b.value_or(0);
    if (x_.b && !is_zero(a_.q)) {
      secondary.range = {0, compile::largest(a_.r), compile::largest(a_.q)};
      more = push_alike(x_.id, *x_.b, points_.result(k_), f2 * f2);
      more = relinearized(more, points_.result(k_), f2 * f2, nullptr);
    }
    const plan::ValueId y = u == v ? push(Kind::square, u, points_.outer_square(k_), f2 * f2)
                                   : push_alike(u, v, points_.outer_square(k_), f2 * f2);
    return x_.b ? push_combine(y, more, {1}, {0}, points_.result(k_), f2 * f2) : y;
  }

  const MonicActivation& a_;
  const Points& points_;
  std::size_t k_;
  PlacedValue x_;
  Circuit& to_;
};

}  // namespace

plan::ValueId add_activation(const MonicNetwork& network, const Points& points, std::size_t activation,
                             const PlacedValue& x, Circuit& to) {
  return Builder(network.activations[activation], points, activation, x, to).run();
}

}  // namespace obscura::compile
