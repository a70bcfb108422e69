// SPDX-License-Identifier: Apache-2.0
#include "compile/layout/batch.h"

#include "compile/layout/activation.h"

namespace obscura::compile {

namespace {

using Kind = Operation::Kind;

const Elements kNone{0};

/// x itself.
std::shared_ptr<const Approximation::Term> identity() {
  auto out = std::make_shared<Approximation::Term>();
  out->stages.push_back({-1, 1, ckks::PolynomialBasis::chebyshev, {0, 1}});
  return out;
}

/// The network's own coefficients: it outlives its circuits.
std::shared_ptr<const Elements> borrow(const Elements& values) { return {std::shared_ptr<void>(), &values}; }

}  // namespace

/// Appends the operations of one circuit and keeps track of the values.
class BatchLowering::Builder {
 public:
  Builder(BatchLowering& common, const Choice& choice)
      : common_(common), network_(common.network_), choice_(choice), values_(network_.junctions.size() + 1) {
    out_.log2_degree = choice.log2_degree;
    out_.ring = choice.ring;
    out_.batch = true;
    values_[0].elements = network_.segments[0][0].matrix.cols;
    values_[0].limbs = choice.limbs();
    out_.input = *common.layout(values_[0].elements, out_.ring_slots());
  }

  Circuit run() {
    for (std::size_t j = 0; j < network_.junctions.size(); ++j) {
      const Junction& junction = network_.junctions[j];
      Live x = sum(j, junction.branches);
      if (junction.activation) activation(*junction.activation, x);
      if (common_.readers_[j + 1] > 1) relinearize(x);
      values_[j + 1] = x;
    }
    out_.output = *out_.operations.back().layout;
    return std::move(out_);
  }

 private:
  /// A value that is still read.
  struct Live {
    plan::ValueId id = 0;
    std::uint32_t elements = 0, limbs = 0, parts = 2;
    std::size_t squares = 0;            ///< on the longest path to it
    std::size_t point = 0;              ///< whose range it has
    std::optional<std::uint32_t> drop;  ///< limbs to drop in the relinearization that it still needs
  };

  Live sum(std::size_t junction, const std::vector<Branch>& branches) {
    Live x = branch(branches[0], nullptr);
    Operation operation = make(Kind::sum, network_.junctions[junction].origin);
    for (std::size_t b = 1; b < branches.size(); ++b) {
      const Live y = branch(branches[b], &x);
      const std::size_t segment = branches[b].segment;
      operation.addends.push_back(added_as_it_is(branches[b])
                                      ? Operation::Addend{y.id, segment, common_.largest_weights_[segment]}
                                      : Operation::Addend{y.id});
    }
    if (operation.addends.empty()) return x;
    push(std::move(operation), x, common_.points_.sum(junction));
    return x;
  }

  bool rescaled(const Branch& branch) const { return common_.rescaled_[branch.segment] != 0; }
  bool added_as_it_is(const Branch& branch) const { return branch.diagonal && !rescaled(branch); }

  /// Maps, with the relinearization where it is cheapest. `first`: of the sum, where this branch is not it.
  Live branch(const Branch& branch, const Live* first) {
    Live x = values_[branch.source];
    if (added_as_it_is(branch)) {
      relinearize(x);
      return x;
    }
    if (rescaled(branch)) {
      relinearize(x);
      rescale(x);
      first = nullptr;  // nothing is left to match
    }
    const Segment& segment = network_.segments[branch.segment];
    // The last map of a shortcut makes up for all scales before it.
    const std::size_t last = first == nullptr ? segment.size() : segment.size() - 1;
    const std::size_t position = x.drop ? relinearize_position(x, segment, last) : 0;
    maps(branch.segment, 0, position, first, x);
    relinearize(x);
    maps(branch.segment, position, segment.size(), first, x);
    return x;
  }

  /// To the scale that its readers want, over one level.
  void rescale(Live& x) {
    Operation operation = make(Kind::polynomial, "");
    operation.term = common_.identity_;
    operation.rescales = true;
    operation.drops = 1;
    x.limbs -= 1;
    ++x.squares;
    push(std::move(operation), x, x.point);
  }

  /// Polynomials, and where they are multiplied with x a product that stays with three parts.
  void approximation(std::size_t k, Live& x) {
    const MonicActivation& a = network_.activations[k];
    const auto spent = static_cast<std::uint32_t>(levels(a));
    PlacedValue argument;
    argument.id = x.id;
    x.id = add_activation(network_, common_.points_, k, argument, out_);
    x.squares += spent;
    x.limbs -= spent;
    x.point = out_.operations.back().point;
    if (!a.approximation->times_input) return;
    x.parts = 3;
    x.drop = 1;
    x.limbs += 1;
  }

  /// The squares of activation k; the last stays with three parts.
  void activation(std::size_t k, Live& x) {
    const MonicActivation& a = network_.activations[k];
    if (a.approximation) return approximation(k, x);
    const Points& points = common_.points_;
    const plan::ValueId before = x.id;
    push_square(k, x, points.square(k));
    if (a.squares == 1) return;
    push_combine(k, before, a.p, a.q, x, points.shifted(k));
    relinearize(x);
    push_square(k, x, points.outer_square(k));
    push_combine(k, before, a.r, kNone, x, points.result(k));
  }

  /// How many of the first `most` maps to apply on three parts: where the whole is cheapest.
  std::size_t relinearize_position(const Live& x, const Segment& segment, std::size_t most) const {
    const double key_switch = common_.cost_.relinearize(choice_.log2_degree, choice_.largest_bits(), x.limbs,
                                                        static_cast<std::uint32_t>(choice_.digit_limbs), *x.drop);
    std::size_t best = 0;
    double least = 0;
    for (std::size_t position = 0; position <= most; ++position) {
      double total = 0;
      std::uint64_t elements = x.elements;
      for (std::size_t m = 0; m <= segment.size(); ++m) {
        if (m == position) total += static_cast<double>(elements) * key_switch;
        if (m == segment.size()) break;
        const bool early = m < position;
        const SparseMatrix& matrix = segment[m].matrix;
        total += common_.cost_.linear(choice_.log2_degree, x.limbs - (early ? 0 : *x.drop), early ? 3 : 2,
                                      matrix.nonzeros(), matrix.cols, matrix.rows);
        elements = matrix.rows;
      }
      if (position == 0 || total < least) {
        best = position;
        least = total;
      }
    }
    return best;
  }

  void maps(std::size_t segment, std::size_t begin, std::size_t end, const Live* first, Live& x) {
    for (std::size_t m = begin; m < end; ++m) {
      const LinearMap& map = network_.segments[segment][m];
      x.elements = map.matrix.rows;
      Operation operation = make(Kind::linear, map.origin);
      operation.segment = segment;
      operation.map = m;
      operation.largest_bias = common_.largest_biases_[segment][m];
      operation.shortcut = first != nullptr;
      operation.scale_matched = first != nullptr && m + 1 == network_.segments[segment].size();
      if (operation.scale_matched) operation.other = first->id;
      push(std::move(operation), x, common_.points_.map(segment, m));
    }
  }

  void push_square(std::size_t k, Live& x, std::size_t point) {
    x.parts = 3;
    x.drop = choice_.drops[x.squares++];
    Operation operation = make(Kind::square, network_.activations[k].origin);
    operation.activation = k;
    push(std::move(operation), x, point);
  }

  /// + coefficient x + constant, where either is not 0. The value is at `point` in any case.
  void push_combine(std::size_t k, plan::ValueId before, const Elements& coefficient, const Elements& constant, Live& x,
                    std::size_t point) {
    x.point = point;
    if (is_zero(coefficient) && is_zero(constant)) return;
    Operation operation = make(Kind::combine, network_.activations[k].origin);
    operation.activation = k;
    operation.other = before;
    if (!is_zero(coefficient)) operation.coefficient = borrow(coefficient);
    if (!is_zero(constant)) operation.constant = borrow(constant);
    operation.largest_coefficient = common_.largest_of(coefficient);
    operation.largest_constant = common_.largest_of(constant);
    push(std::move(operation), x, point);
  }

  /// Nothing where the value has two parts.
  void relinearize(Live& x) {
    if (!x.drop) return;
    Operation operation = make(Kind::relinearize, "");
    operation.drops = *x.drop;
    x.limbs -= *x.drop;
    x.parts = 2;
    x.drop.reset();
    push(std::move(operation), x, x.point);
  }

  static Operation make(Kind kind, const std::string& origin) {
    Operation out;
    out.kind = kind;
    out.origin = origin;
    return out;
  }

  void push(Operation operation, Live& x, std::size_t point) {
    operation.input = x.id;
    operation.point = point;
    operation.ciphertexts = x.elements;
    operation.layout = common_.layout(x.elements, out_.ring_slots());
    out_.operations.push_back(std::move(operation));
    x.id = static_cast<plan::ValueId>(out_.operations.size());
    x.point = point;
  }

  BatchLowering& common_;
  const MonicNetwork& network_;
  const Choice& choice_;
  std::vector<Live> values_;
  Circuit out_;
};

BatchLowering::BatchLowering(const MonicNetwork& network, const CostModel& cost)
    : network_(network),
      cost_(cost),
      points_(network),
      rescaled_(rescaled_shortcuts(network)),
      identity_(identity()),
      readers_(count_readers(network)),
      largest_weights_(network.segments.size(), 0) {
  for (const Segment& segment : network.segments) {
    largest_biases_.emplace_back();
    for (const LinearMap& map : segment) largest_biases_.back().push_back(largest(map.bias));
  }
  for (const Junction& junction : network.junctions) {
    for (const Branch& branch : junction.branches) {
      if (branch.diagonal) largest_weights_[branch.segment] = largest(network.segments[branch.segment][0].matrix.value);
    }
  }
}

std::shared_ptr<const plan::Layout> BatchLowering::layout(std::uint32_t elements, std::uint64_t slots) {
  auto& layout = layouts_[{elements, slots}];
  if (!layout) layout = std::make_shared<const plan::Layout>(plan::batch_layout(elements, slots));
  return layout;
}

double BatchLowering::largest_of(const Elements& values) {
  const auto [found, fresh] = largest_.try_emplace(&values, 0);
  if (fresh) found->second = largest(values);
  return found->second;
}

Circuit BatchLowering::circuit(const Choice& choice) { return Builder(*this, choice).run(); }

}  // namespace obscura::compile
