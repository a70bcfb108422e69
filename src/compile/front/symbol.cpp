// SPDX-License-Identifier: Apache-2.0
#include "compile/front/symbol.h"

#include <algorithm>
#include <limits>

namespace obscura::compile {
namespace {

LinearMap identity_map(std::uint32_t elements) {
  return LinearMap{identity_matrix(elements), std::vector<double>(elements, 0), "", {}};
}

/// The maps from index `from` on as one.
LinearMap compose_from(const Affine& affine, std::size_t from, std::uint32_t elements) {
  LinearMap out = identity_map(elements);
  for (std::size_t i = from; i < affine.maps.size(); ++i)
    out = i == from ? *affine.maps[i] : compose(*affine.maps[i], out);
  return out;
}

}  // namespace

std::string join(const std::vector<std::string>& names, const char* separator) {
  std::string text;
  for (const auto& name : names) {
    if (name.empty()) continue;
    if (!text.empty()) text += separator;
    text += name;
  }
  return text;
}

std::vector<std::string> merge(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  std::vector<std::string> out = a;
  for (const auto& name : b) {
    if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
  }
  return out;
}

LinearMap own(std::shared_ptr<LinearMap> map) {
  if (map.use_count() > 1) return *map;
  return std::move(*map);
}

std::shared_ptr<const Affine> scaled(std::shared_ptr<const Affine> affine, const Elements& factor,
                                     const Elements& shift, const std::string& origin) {
  const bool unit = std::all_of(factor.begin(), factor.end(), [](double v) { return v == 1; });
  if (unit && is_zero(shift)) return affine;
  Affine out = *affine;
  affine.reset();  // the last to hold its maps, perhaps
  LinearMap last = identity_map(out.maps.empty() ? out.elements : 0);
  if (!out.maps.empty()) {
    last = own(std::move(out.maps.back()));
    out.maps.pop_back();
  }
  scale_rows(last.matrix, factor);
  for (std::size_t r = 0; r < last.bias.size(); ++r)
    last.bias[r] = last.bias[r] * element(factor, r) + element(shift, r);
  last.origin = join(merge({last.origin}, {origin}));
  out.maps.push_back(std::make_shared<LinearMap>(std::move(last)));
  return std::make_shared<const Affine>(std::move(out));
}

std::shared_ptr<const Affine> affine_of(std::shared_ptr<const Variable> variable) {
  auto [root, alpha, beta, order, origin] = *variable;
  variable.reset();
  return scaled(std::move(root), alpha, beta, origin);
}

std::shared_ptr<const Affine> affine_of(Symbol symbol) {
  OBSCURA_CHECK(degree(symbol.polynomial) <= 1, "affine_of a polynomial of degree {}", degree(symbol.polynomial));
  const Elements slope = symbol.polynomial.size() > 1 ? symbol.polynomial[1] : Elements{0};
  auto [root, alpha, beta, order, origin] = *symbol.variable;
  symbol.variable.reset();
  return scaled(std::move(root), multiply(slope, alpha), add(multiply(slope, beta), symbol.polynomial[0]),
                join(merge({origin}, symbol.origin)));
}

std::optional<Pair> align(const Symbol& a, const Symbol& b) {
  if (a.variable == b.variable) return Pair{a.polynomial, b.polynomial, a.variable};
  if (a.variable->root != b.variable->root) return std::nullopt;
  if (b.variable->order < a.variable->order) {
    auto swapped = align(b, a);
    if (swapped) std::swap(swapped->a, swapped->b);
    return swapped;
  }
  // tb = alpha_b root + beta_b, root = (ta - beta_a) / alpha_a.
  const Variable& ta = *a.variable;
  const Variable& tb = *b.variable;
  if (has_zero(ta.alpha)) return std::nullopt;
  const Elements slope = divide(tb.alpha, ta.alpha);
  const Elements shift = subtract(tb.beta, multiply(slope, ta.beta));
  return Pair{a.polynomial, substitute(b.polynomial, slope, shift), a.variable};
}

namespace {

/// `matrix`: the product of both.
LinearMap composed(SparseMatrix matrix, const LinearMap& second, const LinearMap& first) {
  LinearMap out{std::move(matrix), multiply(second.matrix, first.bias), join(merge({first.origin}, {second.origin})),
                second.shape.empty() ? first.shape : second.shape};
  for (std::size_t r = 0; r < out.bias.size(); ++r) out.bias[r] += second.bias[r];
  return out;
}

}  // namespace

LinearMap compose(const LinearMap& second, const LinearMap& first) {
  return composed(*product(second.matrix, first.matrix, std::numeric_limits<std::uint64_t>::max()), second, first);
}

std::shared_ptr<const Affine> append(const Affine& affine, LinearMap map, std::vector<std::string>& notes) {
  Affine out = affine;
  out.elements = map.matrix.rows;
  if (!affine.maps.empty()) {
    const LinearMap& last = *affine.maps.back();
    const std::uint64_t apart = last.matrix.nonzeros() + map.matrix.nonzeros();
    if (auto both = product(map.matrix, last.matrix, apart)) {
      notes.push_back(fmt::format("'{}' and '{}' became one linear map, because that has no more weights than the two.",
                                  last.origin, map.origin));
      out.maps.back() = std::make_shared<LinearMap>(composed(std::move(*both), map, last));
      return std::make_shared<const Affine>(std::move(out));
    }
    notes.push_back(
        fmt::format("'{}' and '{}' stay two linear maps: as one they would have more than their {} weights.",
                    last.origin, map.origin, apart));
  }
  out.maps.push_back(std::make_shared<LinearMap>(std::move(map)));
  return std::make_shared<const Affine>(std::move(out));
}

std::shared_ptr<const Affine> add(const Affine& a, const Affine& b) {
  OBSCURA_CHECK(a.atom == b.atom && a.elements == b.elements, "add affine maps of atoms {} and {}", a.atom, b.atom);
  std::size_t common = 0;
  while (common < a.maps.size() && common < b.maps.size() && a.maps[common] == b.maps[common]) ++common;
  // After the common maps is a value that the remaining maps of each side start from.
  const std::uint32_t start = common > 0        ? a.maps[common - 1]->matrix.rows
                              : !a.maps.empty() ? a.maps[0]->matrix.cols
                              : !b.maps.empty() ? b.maps[0]->matrix.cols
                                                : a.elements;
  const LinearMap left = compose_from(a, common, start);
  const LinearMap right = compose_from(b, common, start);
  LinearMap both{sum(left.matrix, right.matrix), left.bias, join(merge({left.origin}, {right.origin})),
                 left.shape.empty() ? right.shape : left.shape};
  for (std::size_t r = 0; r < both.bias.size(); ++r) both.bias[r] += right.bias[r];
  Affine out;
  out.atom = a.atom;
  out.elements = a.elements;
  out.maps.assign(a.maps.begin(), a.maps.begin() + static_cast<std::ptrdiff_t>(common));
  out.maps.push_back(std::make_shared<LinearMap>(std::move(both)));
  return std::make_shared<const Affine>(std::move(out));
}

}  // namespace obscura::compile
