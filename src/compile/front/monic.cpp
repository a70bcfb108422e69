// SPDX-License-Identifier: Apache-2.0
/// Polynomials -> squares. With the leading coefficient a in front and x scaled so that a is equal in size in all
/// elements:
///
///   a (x^2 + b x + c)                     = a (t^2 + c'),                t = x + b/2,  c' = c - b^2/4
///   a (x^4 + c3 x^3 + c2 x^2 + c1 x + c0) = a ((x^2 + p x + q)^2 + r x + s),
///                                           p = c3/2, q = (c2 - p^2)/2, r = c1 - 2 p q, s = c0 - q^2
///
/// b/2 goes into the bias before; a and c' (or s) go into the weights and the bias after. Quartics::plain: where p, q
/// or r differ from element to element,
///
///   a (x^4 + c3 x^3 + c2 x^2 + c1 x + c0) = a (t^4 + q t^2 + r t + s),  t = x + c3/4
#include <algorithm>
#include <cmath>
#include <span>

#include "compile/front/network.h"

namespace obscura::compile {
namespace {

/// What the neighbours of an activation must take over.
struct Folded {
  MonicActivation activation;
  Elements before_factor{1};  ///< t = factor x + shift
  Elements before_shift{0};
  Elements after_factor{1};  ///< the original = factor y + shift
  Elements after_shift{0};
};

bool uniform_size(const Elements& values) {
  return std::all_of(values.begin(), values.end(), [&](double v) { return std::abs(v) == std::abs(values[0]); });
}

/// lambda with |leading| / lambda^degree equal in all elements (to the geometric mean of |leading|), so that weights
/// after the activation keep comparable sizes and one weight scale suits them all.
Elements balance(const Elements& leading, std::size_t degree) {
  if (uniform_size(leading)) return Elements{1};
  double log_mean = 0;
  for (const double a : leading) log_mean += std::log(std::abs(a)) / static_cast<double>(leading.size());
  Elements lambda;
  for (const double a : leading) {
    lambda.push_back(std::exp((std::log(std::abs(a)) - log_mean) / static_cast<double>(degree)));
  }
  return lambda;
}

/// How far below the largest leading coefficient one may be that others are divided by.
constexpr double kLeastLeading = 1.0 / 16;

/// Whether some elements have next to nothing to divide by.
bool uneven(const Elements& leading) {
  const double least = kLeastLeading * largest(leading);
  return std::any_of(leading.begin(), leading.end(), [&](double v) { return std::abs(v) < least; });
}

/// Numbers that differ by rounding alone, as those of scaled copies do, as one.
Elements joined(const Elements& values) {
  constexpr double kRounding = 1e-12;
  const auto same = [&](double v) { return std::abs(v - values[0]) <= kRounding * std::abs(values[0]); };
  return std::all_of(values.begin(), values.end(), same) ? Elements{values[0]} : values;
}

/// A polynomial as it is, except for one factor and its constants.
Folded fold_plain(const PolynomialActivation& x) {
  const Coefficients& c = x.coefficients;
  const double factor = largest(c[4]);
  Folded out;
  out.activation = {2,
                    divide(c[3], {factor}),
                    divide(c[2], {factor}),
                    divide(c[1], {factor}),
                    divide(c[4], {factor}),
                    x.elements,
                    x.origin,
                    {}};
  out.after_factor = {factor};
  out.after_shift = c[0];
  return out;
}

Folded fold_approximation(const PolynomialActivation& x) {
  const SlotApproximation slots = in_slots(*x.approximation);
  Folded out;
  out.activation.squares = 0;
  out.activation.approximation = std::make_shared<const Approximation>(slots.out);
  out.activation.elements = x.elements;
  out.activation.origin = x.origin;
  out.before_factor = {1 / x.approximation->bound};
  out.after_factor = {slots.after};
  return out;
}

Result<Folded> fold(const PolynomialActivation& x, Quartics quartics) {
  if (x.approximation) return fold_approximation(x);
  const std::size_t d = degree(x.coefficients);
  const Elements& leading = x.coefficients[d];
  const bool plain = quartics == Quartics::plain && d == 4;
  if (plain && has_zero(leading)) return fold_plain(x);
  if ((d != 2 && d != 4) || has_zero(leading)) {
    return error(
        Code::unsupported,
        "activation {}: degree {}{}; supported are degrees 2 and 4 with a leading coefficient that is not 0 in "
        "any element, and in the image layout (--layout image) degree 4 with one that is not 0 in all",
        x.origin, d, has_zero(leading) ? " with a leading coefficient of 0 in some elements" : "");
  }
  Folded out;
  out.activation.elements = x.elements;
  out.activation.origin = x.origin;
  const Elements lambda = balance(leading, d);
  const Coefficients scaled = substitute(x.coefficients, divide({1}, lambda), {0});
  const Elements& a = scaled[d];
  Coefficients c;
  for (std::size_t k = 0; k < d; ++k) c.push_back(divide(scaled[k], a));
  out.before_factor = lambda;
  out.after_factor = a;
  if (d == 2) {
    out.before_shift = multiply(c[1], {0.5});
    out.after_shift = multiply(a, subtract(c[0], multiply(out.before_shift, out.before_shift)));
    return out;
  }
  const Elements p = multiply(c[3], {0.5});
  const Elements q = multiply(subtract(c[2], multiply(p, p)), {0.5});
  MonicActivation& y = out.activation;
  y.squares = 2;
  y.p = p;
  y.q = q;
  y.r = subtract(c[1], multiply(multiply(p, q), {2}));
  out.after_shift = multiply(a, subtract(c[0], multiply(q, q)));
  if (!plain) return out;
  y.p = joined(y.p), y.q = joined(y.q), y.r = joined(y.r);
  if (y.p.size() == 1 && y.q.size() == 1 && y.r.size() == 1) return out;
  if (uneven(leading)) return fold_plain(x);
  c.push_back({1});
  out.before_shift = multiply(c[3], {0.25});
  const Coefficients shifted = substitute(c, {1}, multiply(out.before_shift, {-1}));
  y.leading = {1};
  y.p = {0};
  y.q = shifted[2];
  y.r = shifted[1];
  out.after_shift = multiply(a, shifted[0]);
  return out;
}

/// Makes sure that there are maps to fold into.
void require_maps(MonicNetwork& network) {
  std::vector<std::uint32_t> elements{static_cast<std::uint32_t>(nn::element_count(network.input))};
  for (const Junction& junction : network.junctions) {
    for (const Branch& branch : junction.branches) {
      Segment& segment = network.segments[branch.segment];
      const std::uint32_t size = elements[branch.source];
      if (segment.empty()) segment.push_back({identity_matrix(size), std::vector<double>(size, 0), "", {}});
    }
    elements.push_back(network.segments[junction.branches[0].segment].back().matrix.rows);
  }
}

/// The sum of the branches becomes factor * sum + shift.
void fold_before(const Folded& folded, const Junction& junction, std::vector<Segment>& segments) {
  for (std::size_t b = 0; b < junction.branches.size(); ++b) {
    LinearMap& before = segments[junction.branches[b].segment].back();
    scale_rows(before.matrix, folded.before_factor);
    for (std::size_t i = 0; i < before.bias.size(); ++i) {
      const double shift = b == 0 ? element(folded.before_shift, i) : 0;
      before.bias[i] = before.bias[i] * element(folded.before_factor, i) + shift;
    }
  }
}

void fold_after(const Folded& folded, LinearMap& after) {
  const std::vector<double> shift = multiply(after.matrix, folded.after_shift);
  for (std::size_t i = 0; i < after.bias.size(); ++i) after.bias[i] += shift[i];
  scale_columns(after.matrix, folded.after_factor);
}

bool is_diagonal(const Segment& segment) {
  if (segment.size() != 1) return false;
  const SparseMatrix& matrix = segment[0].matrix;
  if (matrix.rows != matrix.cols || matrix.nonzeros() != matrix.rows) return false;
  for (std::uint32_t r = 0; r < matrix.rows; ++r) {
    if (matrix.start[r + 1] != r + 1 || matrix.column[r] != r) return false;
  }
  return true;
}

/// First the branch with the most levels before it (rather one with a real map), whose limbs and scale the sum has.
/// In addition, diagonal branches are marked, and their biases go to the first.
void order_branches(std::span<Branch> branches, const std::vector<std::size_t>& squares,
                    std::vector<Segment>& segments) {
  for (Branch& branch : branches) branch.diagonal = branches.size() > 1 && is_diagonal(segments[branch.segment]);
  const auto rank = [&](const Branch& b) { return std::pair(squares[b.source], !b.diagonal); };
  const auto first = std::max_element(branches.begin(), branches.end(),
                                      [&](const Branch& a, const Branch& b) { return rank(a) < rank(b); });
  std::rotate(branches.begin(), first, first + 1);
  branches[0].diagonal = false;
  std::vector<double>& bias = segments[branches[0].segment].back().bias;
  for (const Branch& branch : branches) {
    if (!branch.diagonal) continue;
    std::vector<double>& own = segments[branch.segment][0].bias;
    for (std::size_t i = 0; i < bias.size(); ++i) bias[i] += std::exchange(own[i], 0);
  }
}

/// Of a product, the sum that reads the larger value comes first: the other one, a gate for instance, is spread over
/// the places that it has.
void order_branches(Junction& junction, const std::vector<std::size_t>& squares, std::vector<Segment>& segments) {
  auto& branches = junction.branches;
  const auto other = std::find_if(branches.begin(), branches.end(), [](const Branch& b) { return b.factor; });
  const auto count = other - branches.begin();
  order_branches(std::span(branches).first(static_cast<std::size_t>(count)), squares, segments);
  if (!is_product(junction)) return;
  order_branches(std::span(branches).subspan(static_cast<std::size_t>(count)), squares, segments);
  const auto inputs = [&](const Branch& branch) { return segments[branch.segment].front().matrix.cols; };
  if (inputs(*other) <= inputs(branches.front())) return;
  for (Branch& branch : branches) branch.factor = !branch.factor;
  std::rotate(branches.begin(), other, branches.end());
}

}  // namespace

std::size_t levels(const MonicActivation& activation) {
  return activation.approximation ? levels(*activation.approximation) : static_cast<std::size_t>(activation.squares);
}

std::vector<std::size_t> squares_before(const MonicNetwork& network) {
  std::vector<std::size_t> squares{0};
  for (const Junction& junction : network.junctions) {
    std::size_t most = 0;
    for (const Branch& branch : junction.branches) most = std::max(most, squares[branch.source]);
    if (junction.activation) most += levels(network.activations[*junction.activation]);
    squares.push_back(is_product(junction) ? most + 1 : most);
  }
  return squares;
}

bool is_approximated(const MonicNetwork& network) {
  return std::any_of(network.activations.begin(), network.activations.end(),
                     [](const MonicActivation& a) { return a.approximation != nullptr; });
}

std::vector<char> rescaled_shortcuts(const MonicNetwork& network) {
  std::vector<char> out(network.segments.size(), 0);
  if (!is_approximated(network)) return out;
  const std::vector<std::size_t> squares = squares_before(network);
  for (const Junction& junction : network.junctions) {
    const std::size_t most = squares[junction.branches[0].source];
    for (const Branch& branch : junction.branches) out[branch.segment] = squares[branch.source] < most ? 1 : 0;
  }
  return out;
}

Result<void> check_squares(const PolynomialActivation& activation, Quartics quartics) {
  OBSCURA_TRY_VOID(fold(activation, quartics));
  return {};
}

Result<MonicNetwork> make_monic(FusedNetwork network, Quartics quartics) {
  MonicNetwork out;
  out.name = std::move(network.name);
  out.input = std::move(network.input);
  out.junctions = std::move(network.junctions);
  out.segments = std::move(network.segments);
  out.notes = std::move(network.notes);
  for (const Junction& junction : out.junctions) {
    if (!is_product(junction) || quartics == Quartics::plain) continue;
    return error(Code::unsupported, "'{}' multiplies two values, which is for the image layout only (--layout image)",
                 junction.origin);
  }
  require_maps(out);
  for (std::size_t j = 0; j < out.junctions.size(); ++j) {
    if (!out.junctions[j].activation) continue;
    OBSCURA_TRY(Folded folded, fold(network.activations[*out.junctions[j].activation], quartics));
    fold_before(folded, out.junctions[j], out.segments);
    for (const Junction& reader : out.junctions) {
      for (const Branch& branch : reader.branches) {
        if (branch.source == j + 1) fold_after(folded, out.segments[branch.segment].front());
      }
    }
    out.activations.push_back(std::move(folded.activation));
  }
  const std::vector<std::size_t> squares = squares_before(out);
  for (Junction& junction : out.junctions) order_branches(junction, squares, out.segments);
  return out;
}

}  // namespace obscura::compile
