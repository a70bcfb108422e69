// SPDX-License-Identifier: Apache-2.0
/// Which polynomial stands for which activation.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "approx/sign.h"
#include "calibrate/ranges.h"
#include "eval/network.h"

namespace obscura::calibrate {

/// How far beyond the calibrated extremes a polynomial holds, as a share of the largest |argument|: other images reach
/// further than those that were seen, and errors of earlier polynomials push further still.
inline constexpr double kDefaultMargin = 0.25;
inline constexpr double kMaxMargin = 10;

/// Levels of the deepest candidates that there are for one activation.
inline constexpr int kMostLevels = 15;

/// One activation's polynomial and what it costs.
struct Chosen {
  std::size_t node = 0;
  approx::Activation activation;
  std::vector<int> degrees;  ///< of the stages, first applied first
  int depth = 0;             ///< levels from the node's input to its output: of a max_pool, of its whole tree
  double products = 0;       ///< products of ciphertexts for one image, were each value a ciphertext of its own
  double mean_square = 0;    ///< of the error on the calibration's arguments
};

struct Choice {
  std::vector<Chosen> chosen;  ///< in the order of the calibration
  double logit_error = 0;      ///< predicted root of the mean squared change of the logits; 0 where not predicted
  /// Of automatic choices: answers that it changes, of so many training images.
  struct Tried {
    std::size_t differing = 0;
    std::size_t images = 0;
    double share() const { return static_cast<double>(differing) / static_cast<double>(images); }
  };
  std::optional<Tried> tried = {};

  eval::Substitution substitution() const;
  /// Sum over all activations; those on parallel branches count each.
  int depth() const;
  double products() const;
};

/// One alpha for all: each ReLU and each maximum within bound * 2^-alpha, and other bent lines (approx/bent.h) too, by
/// compositions or a minimax polynomial, whichever takes fewer levels; others within largest() * 2^-alpha by the
/// minimax polynomial of least degree. The bound is the largest |argument| seen times 1 + margin. `sensitivities` (may
/// be empty) give the predicted error of the logits.
/// errors  wrong_params: a margin that is negative or above kMaxMargin; those of approx::relu and
///         approx::approximate_within, naming the node.
Result<Choice> choose_alike(const nn::Graph& graph, const Calibration& calibration,
                            const std::vector<double>& sensitivities, int alpha, double margin = kDefaultMargin);

/// What a choice must not exceed.
struct Budget {
  enum class Of { depth, products };
  Of of = Of::depth;
  double limit = 0;
};

/// Degrees for each layer: minimises the predicted error of the logits, sum over the activations of sensitivity times
/// mean square error on the calibrated distribution, within the budget, exactly (dynamic programming over the layers;
/// what each layer takes beyond its cheapest is rounded up, of products to 1/16000 of what the budget leaves). For
/// ReLUs, maxima and other bent lines the candidates are the compositions that no other beats
/// (approx::SignSearch::front); for these and other functions polynomials of degrees 2^k - 1 fitted to the arguments.
/// None takes more than `most_levels` for one activation (of a max_pool: for each of its pairwise maxima), as plans ask
/// for which bootstrap: no bootstrapping stands within an activation.
/// After J. Lee et al., "Optimizing layerwise polynomial approximation for efficient private inference on fully
/// homomorphic encryption: a dynamic programming approach", 2023.
/// cost    layers * candidates * budget; some seconds for a hundred layers.
/// errors  as choose_alike; infeasible: no choice within the budget, with the least that there is.
class LayerwiseChooser {
 public:
  static Result<LayerwiseChooser> make(const nn::Graph& graph, const Calibration& calibration,
                                       const std::vector<double>& sensitivities, double margin = kDefaultMargin,
                                       int most_levels = kMostLevels);
  Result<Choice> choose(const Budget& budget) const;
  /// The cheapest choice whose predicted error of the logits is at most this.
  Result<Choice> choose_within(double logit_error, Budget::Of of) const;

 private:
  struct Option {
    Chosen chosen;
    double error = 0;  ///< sensitivity * mean square
    double cost(Budget::Of of) const;
  };
  struct Pick {
    std::uint32_t option = 0;
    std::uint32_t steps = 0;  ///< that it takes beyond the layer's cheapest
  };
  /// The least error for each number of steps spent, and what was picked for it, layer by layer.
  struct Table {
    double unit = 1;  ///< cost of a step
    std::vector<double> least;
    std::vector<std::vector<Pick>> picks;
  };
  Table tabulate(Budget::Of of, double limit) const;
  Choice trace(const Table& table, std::size_t steps) const;
  double cheapest(std::size_t layer, Budget::Of of) const;
  double extreme(Budget::Of of, bool largest) const;
  std::vector<std::vector<Option>> layers_;
};

}  // namespace obscura::calibrate
