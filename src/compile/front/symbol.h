// SPDX-License-Identifier: Apache-2.0
/// Values of a graph as fuse sees them: a polynomial of an affine map of an atom. An atom is the image, what an
/// activation gave, or a sum over several atoms.
#pragma once

#include <memory>

#include "compile/front/network.h"

namespace obscura::compile {

/// maps.back() ∘ ... ∘ maps.front() of an atom; no maps: the atom itself.
struct Affine {
  std::size_t atom = 0;
  std::vector<std::shared_ptr<LinearMap>> maps;  ///< shared by values that are read again: only own() writes them
  std::uint32_t elements = 0;
};

/// The variable of a polynomial: t = alpha * root + beta, elementwise. A batch normalisation makes a new variable of
/// its output, so that polynomials are expanded around numbers of ordinary size.
struct Variable {
  std::shared_ptr<const Affine> root;
  Elements alpha{1};
  Elements beta{0};
  std::size_t order = 0;  ///< earlier variables win where two of one root meet
  std::string origin;     ///< the normalisation's node, or nothing
};

/// polynomial(variable).
struct Symbol {
  std::shared_ptr<const Variable> variable;
  Coefficients polynomial{{0}, {1}};
  nn::ValueId source = 0;           ///< the value that was first computed so; Identity and Flatten keep it
  std::vector<std::string> origin;  ///< nodes that shaped the polynomial
};

/// "a, b".
std::string join(const std::vector<std::string>& names, const char* separator = ", ");

/// The union, in order.
std::vector<std::string> merge(const std::vector<std::string>& a, const std::vector<std::string>& b);

/// The map itself where nobody else has it, else a copy.
LinearMap own(std::shared_ptr<LinearMap> map);

/// factor * x + shift, with the row operations folded into the last map (or a diagonal one).
std::shared_ptr<const Affine> scaled(std::shared_ptr<const Affine> affine, const Elements& factor,
                                     const Elements& shift, const std::string& origin);

/// t itself.
std::shared_ptr<const Affine> affine_of(std::shared_ptr<const Variable> variable);

/// A polynomial of degree at most 1, as an affine map.
std::shared_ptr<const Affine> affine_of(Symbol symbol);

/// Both with the same variable, the earlier of the two; nothing where their roots differ, or a normalisation by 0
/// lies between.
struct Pair {
  Coefficients a;
  Coefficients b;
  std::shared_ptr<const Variable> variable;
};
std::optional<Pair> align(const Symbol& a, const Symbol& b);

/// second ∘ first, whatever it costs.
LinearMap compose(const LinearMap& second, const LinearMap& first);

/// map after affine; composed with the last map where that has not more entries than both. `note` says what was done.
std::shared_ptr<const Affine> append(const Affine& affine, LinearMap map, std::vector<std::string>& notes);

/// a + b of one atom.
std::shared_ptr<const Affine> add(const Affine& a, const Affine& b);

}  // namespace obscura::compile
