// SPDX-License-Identifier: Apache-2.0
/// The compiler's intermediate representation, whatever the layout: a plan's operations in their order, before
/// parameters. Each value has its layout; limbs, scales and primes come later (schedule/schedule.h).
#pragma once

#include <array>
#include <memory>

#include "compile/layout/prepared_map.h"
#include "compile/measure/statistics.h"
#include "plan/diagonals.h"

namespace obscura::compile {

struct Operation {
  enum class Kind { linear, transform, add, fold, square, product, combine, sum, relinearize, polynomial, bootstrap };
  /// What a sum adds to its input: a value as it is, or times the coefficients of a diagonal segment, which bring it to
  /// the sum's scale.
  struct Addend {
    plan::ValueId value = 0;
    std::optional<std::size_t> diagonal = {};
    double largest = 1;  ///< of the coefficients
  };
  Kind kind = Kind::transform;
  plan::ValueId input = 0;
  plan::ValueId other = 0;      ///< combine: x; product: the other factor; scale_matched: the value with that scale
  std::vector<Addend> addends;  ///< sum
  std::shared_ptr<const plan::Layout> layout;  ///< of what it gives
  std::uint32_t ciphertexts = 1;
  std::string origin;
  std::uint32_t drops = 0;  ///< divisions by a prime
  bool last = false;        ///< transform: of the network's last junction, which keeps its limbs
  /// linear: an integer matrix between ciphertexts, map `map` of segment `segment`.
  std::size_t segment = 0, map = 0;
  bool shortcut = false;       ///< linear: of a branch that is not the first of its sum
  bool scale_matched = false;  ///< linear: the last of such a branch
  /// transform: what it computes; its diagonals; how many copies of an error its folds add up afterwards.
  std::shared_ptr<const LaidOutMap> laid_out;
  std::shared_ptr<const plan::Diagonals> diagonals;
  std::shared_ptr<const ckks::TransformShape> sketch;  ///< from some of its diagonals, for first estimates of its cost
  double parts = 1;
  double largest_weight = 0;  ///< transform: in size
  double largest_bias = 0;    ///< linear: in size; transform: coefficient of its bias, encoded at scale 1
  double weight_error = 0;    ///< mean square of what rounding a weight does, over its inputs' square
  std::vector<std::vector<std::uint32_t>> add;            ///< add
  plan::Fold fold;                                        ///< fold
  std::shared_ptr<const Elements> coefficient, constant;  ///< combine: of x, and what is added; or none
  double largest_coefficient = 0, largest_constant = 0;   ///< of these
  std::size_t activation = 0;                             ///< square, combine, polynomial
  std::shared_ptr<const Approximation::Term> term;        ///< polynomial
  bool rescales = false;                                  ///< polynomial: x itself, for the scale that it leads to
  bool of_input = false;                                  ///< product: the other factor is what polynomials read too
  bool alike = false;                                     ///< product: both factors have one scale
  std::uint32_t raised = 0;                               ///< bootstrap: limbs out
  /// What a junction gives, before or after its activation: it may be bootstrapped.
  bool refreshable = false;
  /// The value's range and error are those of this point, divided by `factor`.
  std::size_t point = 0;
  double factor = 1;
  double largest = 0;  ///< of the value, where that is not its point's; else 0
  /// One of the values that an activation with `leading` is computed from. What it adds to errors does not go through
  /// the others, as an error of the activation's argument does.
  struct Secondary {
    std::size_t x = 0;              ///< point of the argument
    std::size_t result = 0;         ///< that its own errors enter at
    std::array<double, 3> range{};  ///< the value is at most the sum of range[k] |x|^k; all 0: as its point
    double growth = 1;              ///< mean square of its derivative by x, where that is not its point's
    std::vector<double> SquaredDerivatives::*derivative = nullptr;  ///< of the result by the value; none: 1
    /// Whether it has a range of its own: a, b and b x.
    bool bounded() const { return range != std::array<double, 3>{}; }
  };
  std::optional<Secondary> secondary;

  /// Ascending, each once.
  std::vector<plan::ValueId> inputs() const;
};

std::string_view name_of(Operation::Kind kind);

struct Circuit {
  int log2_degree = 0;
  ckks::RingType ring = ckks::RingType::standard;
  bool batch = false;  ///< one image per slot: all values stay below the modulus by the same headroom
  std::vector<Operation> operations;
  plan::Layout input, output;
  /// Of the ring: shapes and keys are of them all, also where vectors have fewer and repeat (plan::TransformShapes).
  std::uint64_t ring_slots() const { return ckks::slots_of(log2_degree, ring); }
  const plan::Layout& layout(plan::ValueId id) const { return id == 0 ? input : *operations[id - 1].layout; }
  /// Limbs of each value, 0 = the input: an operation has the least of its inputs, less what it drops.
  std::vector<std::uint32_t> limbs(std::uint32_t input_limbs) const;
  /// Polynomials of each value: three after a product until it is relinearized.
  std::vector<std::uint32_t> parts() const;
  /// Divisions by a prime on the longest path. Of a circuit without bootstrapping.
  std::uint32_t drops() const;
};

/// Each operation reads values before it, operands of sums and products are of one size, what is multiplied,
/// transformed or bootstrapped has two parts, and layouts have as many ciphertexts as their values.
/// errors  bad_format, naming the operation
Result<void> verify(const Circuit& circuit);

/// One line for each operation: what it reads, its ciphertexts and layout, what it drops and the nodes it comes from.
std::string to_text(const Circuit& circuit);

}  // namespace obscura::compile
