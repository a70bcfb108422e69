// SPDX-License-Identifier: Apache-2.0
/// Whether a network can be compiled, node by node, before anything is measured. Arrow: nn::Graph -> Readiness.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compile/compile.h"

namespace obscura::compile {

/// Products that the linear layers of a network may have for one image: as matrices they take 12 bytes each.
inline constexpr std::uint64_t kMaxMultiplyAdds = std::uint64_t{1} << 29;

enum class Standing {
  exact,          ///< computed as it is
  approximation,  ///< a polynomial near it has to replace it
  never,
};

struct NodeReadiness {
  Standing standing = Standing::exact;
  std::string form;  ///< what it is under encryption: "linear", "polynomial of degree 4", "polynomial near relu", "-"
  std::string why;   ///< where not exact: the sentence that names the node, the reason and the remedy
};

enum class Verdict {
  ready,    ///< with any options
  options,  ///< with polynomials in place of functions (Options::approximations)
  never,
};

struct Readiness {
  std::vector<NodeReadiness> nodes;  ///< as nn::Graph::nodes
  Verdict verdict = Verdict::ready;
  std::optional<std::size_t> obstacle;  ///< never: the first node that is not supported; none where it is the image
  std::string image_only;               ///< why only the image layout takes it; "": batches are taken too
  std::string sentence;                 ///< the verdict, for people
};

/// Sizes, operators and the degrees of polynomials; whether there are parameters for their levels is known only once
/// values were measured.
/// cost: a few numbers for each element of each value; no matrices.
Readiness readiness(const nn::Graph& graph);

/// What compile refuses after calibration, before it. approximated: Options::approximations will have every function.
/// errors: unsupported, with the sentence of the first node that is not supported, of the image, or of the layout.
Result<void> require_ready(const nn::Graph& graph, LayoutChoice layout, bool approximated);

}  // namespace obscura::compile
