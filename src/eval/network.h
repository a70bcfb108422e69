// SPDX-License-Identifier: Apache-2.0
/// Networks in floating point at full speed (oneDNN), with polynomials in place of activations and pooling.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "approx/polynomial.h"
#include "base/check.h"
#include "base/parallel.h"
#include "nn/graph.h"

namespace obscura::eval {

/// Whether a node computes what only an approximation can on ciphertexts: a function that is no straight line, a
/// max_pool of more than single elements, an lrn.
bool is_activation(const nn::Node& node);

/// Of an activation, whether it is made of ReLUs: a max_pool, and the functions that are bent lines
/// (approx/function.h).
bool takes_relu(const nn::Node& node);

/// For each activation (its index in Graph::nodes) that has an entry, what is computed in place of its function: in the
/// direct form, a polynomial near it; where takes_relu() names it also in the relu form (approx/bent.h). A max_pool
/// takes either form of a ReLU, of the differences of two inputs, in a tree across the columns and then over the rows
/// of its window, see make_max_pool in step.h; lrn takes the direct form of s -> (bias + alpha / size * s)^-beta.
using Substitution = std::map<std::size_t, approx::Activation>;

/// What the arguments of a node's activation were over a run: of a max_pool, the differences; of an lrn, the sums.
struct Excess {
  std::uint64_t count = 0;    ///< arguments seen
  std::uint64_t outside = 0;  ///< of those, beyond the domain of a relu form or the first stage of a direct one, or NaN
  double largest = 0;         ///< largest |argument|
};

struct Options {
  std::size_t batch = 64;               ///< at most so many images at a time
  std::map<std::size_t, double> noise;  ///< by node: standard deviation of Gaussian noise added to its output
  std::uint64_t noise_seed = 0;         ///< the same seed: the same noise of each node, image and element
  /// Called with the arguments of each activation (is_activation), substituted or not, block by block, from one thread.
  /// Those of one node come image after image; inside an image in the network's own order.
  std::function<void(std::size_t node, std::span<const float> arguments)> observe;
  /// Called after each block with the images done and their number.
  base::Progress progress;
};

struct Outcome {
  std::vector<float> logits;             ///< count x classes
  std::map<std::size_t, Excess> excess;  ///< of the substituted nodes
};

/// A graph made ready to run: weights in oneDNN's layouts, batch norm folded into the convolution before it. It keeps
/// nothing of the graph.
/// Threads: run uses all cores (base::ThreadLimit holds), each with images of its own; any number of runs at a time.
class Network {
 public:
  /// errors  unsupported: an activation of the wrong form for its node or without stages; a node that has none or is
  ///         not in the graph; a convolution that oneDNN refuses.
  static Result<Network> make(const nn::Graph& graph, const Substitution& substitution);
  Network(Network&&) noexcept;
  Network& operator=(Network&&) noexcept;
  ~Network();

  /// logits[i] = network(images[i]); images as for nn::run_reference. Values that leave a polynomial's domain are not
  /// clamped: they are counted, and may give infinite or NaN logits.
  /// The same numbers whatever the threads and batches. Of nn::run_reference they differ by the rounding of floats;
  /// polynomials are evaluated in double precision.
  /// cost    memory: all values of a few images a core.
  /// errors  cancelled, where progress says so. ContractError where the sizes do not fit.
  Result<Outcome> run(std::span<const float> images, std::size_t count, const Options& options = {}) const;

  /// The logits of run with `options` but for its noise and observer, then those with noise[k] alone, for each k. What
  /// comes before the noise is computed once for all of them.
  /// noise   the node it is added to the output of, and its standard deviation
  /// cost    memory: as run, twice
  /// errors  as run
  Result<std::vector<std::vector<float>>> run_each(std::span<const float> images, std::size_t count,
                                                   std::span<const std::pair<std::size_t, double>> noise,
                                                   const Options& options = {}) const;

 private:
  struct Impl;
  explicit Network(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace obscura::eval
