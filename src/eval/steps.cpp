// SPDX-License-Identifier: Apache-2.0
// The table of steps: one function for each operator of nn.
#include <cmath>

#include "eval/lower.h"
#include "nn/broadcast.h"
#include "nn/operators.h"

namespace obscura::eval {
namespace {

using nn::Op;

StepPtr convolution(const Site& site) { return make_convolution_step(site, {}, site.to()); }

StepPtr affine(const Site& site) { return make_affine(affine_of(site), site.to()); }

StepPtr average_pool(const Site& site) { return make_average_pool(site.attributes(), site.from(), site.to()); }

StepPtr global_average_pool(const Site& site) {
  nn::Attributes whole;
  whole.kernel = {static_cast<std::int64_t>(site.from().height), static_cast<std::int64_t>(site.from().width)};
  return make_average_pool(whole, site.from(), site.to());
}

StepPtr max_pool(const Site& site) {
  return make_max_pool(site.attributes(), site.substitution, site.from(), site.to());
}

StepPtr dense(const Site& site) {
  const nn::Attributes& a = site.attributes();
  const std::vector<float>& given = site.constant(1);
  const std::size_t outputs = site.to().size();
  const std::size_t inputs = given.size() / outputs;
  std::vector<float> weights(given.size());
  std::vector<float> bias(outputs);
  for (std::size_t o = 0; o < outputs; ++o) {
    for (std::size_t i = 0; i < inputs; ++i) {
      weights[o * inputs + i] = a.alpha * given[a.transpose_b ? o * inputs + i : i * outputs + o];
    }
    if (site.node.inputs.size() > 2) bias[o] = a.beta * site.constant(2)[o];
  }
  return make_dense(weights, bias, site.chunk);
}

StepPtr reshape(const Site& site) { return make_reshape(site.from(), site.to()); }

StepPtr any_move(const Site& site) {
  std::vector<Layout> from;
  std::vector<std::vector<std::uint32_t>> sources;
  for (std::size_t i = 0; i < site.node.inputs.size(); ++i) {
    from.push_back(site.from(i));
    sources.push_back(nn::move_sources(site.graph, site.node, i));
  }
  return make_gather(from, sources, site.to());
}

/// Of at most three axes, which are those of the layout: boxes of elements, a block of channels at a time.
bool moves_boxes(const Site& site) { return site.shape().size() <= 3; }

/// The box of all of a layout.
std::array<std::int64_t, 3> extent(const Layout& layout) {
  return {static_cast<std::int64_t>(layout.channels), static_cast<std::int64_t>(layout.height),
          static_cast<std::int64_t>(layout.width)};
}

void copy_axes(const nn::Shape& from, std::array<std::int64_t, 3>& to) {
  std::copy(from.begin(), from.end(), to.begin());
}

StepPtr concat(const Site& site) {
  if (!moves_boxes(site)) return any_move(site);
  const auto axis = static_cast<std::size_t>(site.attributes().axis);
  std::vector<Move> moves;
  std::int64_t before = 0;
  for (std::size_t i = 0; i < site.node.inputs.size(); ++i) {
    Move move;
    move.from = site.from(i);
    move.input = i;
    move.size = extent(move.from);
    move.place.at(axis) = before;
    before += move.size.at(axis);
    moves.push_back(move);
  }
  return make_moves(std::move(moves), site.to());
}

StepPtr slice(const Site& site) {
  if (!moves_boxes(site)) return any_move(site);
  Move move;
  move.from = site.from();
  move.size = extent(site.to());
  copy_axes(site.attributes().starts, move.start);
  copy_axes(site.attributes().steps, move.step);
  return make_moves({move}, site.to());
}

StepPtr pad(const Site& site) {
  if (!moves_boxes(site)) return any_move(site);
  Move move;
  move.from = site.from();
  move.size = extent(site.from());
  copy_axes(site.attributes().pads_before, move.place);
  return make_moves({move}, site.to());
}

Operand operand(const Site& site, std::size_t input) {
  const nn::Value& value = site.graph.values[site.node.inputs[input]];
  const nn::Shape& result = site.graph.values[site.node.output].shape;
  const Layout& to = site.to();
  Operand out;
  out.layout = site.from(input);
  if (!value.constant && value.shape == result) return out;
  const std::vector<std::uint32_t> index = nn::broadcast_index(value, result);
  if (value.constant) {
    out.constant.resize(index.size());
    for (std::size_t e = 0; e < index.size(); ++e) out.constant[to.at(e)] = value.constant->data[index[e]];
  } else {
    out.index.resize(index.size());
    for (std::size_t e = 0; e < index.size(); ++e) {
      out.index[to.at(e)] = static_cast<std::uint32_t>(out.layout.at(index[e]));
    }
  }
  return out;
}

StepPtr binary(const Site& site) { return make_binary(site.node.op, operand(site, 0), operand(site, 1), site.to()); }

StepPtr power(const Site& site) { return make_power(site.constant(1)[0], site.to()); }

StepPtr function(const Site& site) { return make_activation(site.attributes().function, site.substitution, site.to()); }

StepPtr lrn(const Site& site) { return make_lrn(site.attributes(), site.substitution, site.to()); }

StepPtr normalization(const Site& site) { return make_normalization(site.attributes().epsilon, site.to()); }

StepPtr softmax(const Site& site) { return make_softmax(static_cast<std::size_t>(site.shape().back()), site.to()); }

StepPtr matmul(const Site& site) {
  const auto size = [](const nn::Shape& shape, std::size_t from_last) {
    return static_cast<std::size_t>(shape[shape.size() - from_last]);
  };
  const nn::Shape& left = site.shape(0);
  return make_matmul({size(left, 2), size(left, 1), size(site.shape(1), 1)}, site.from(0), site.from(1), site.to());
}

struct StepOf {
  Op op;
  StepPtr (*make)(const Site&);
};

// In the order of nn::Op.
constexpr std::array<StepOf, nn::kOpCount> kSteps = {{{Op::conv, convolution},
                                                      {Op::batch_normalization, affine},
                                                      {Op::average_pool, average_pool},
                                                      {Op::global_average_pool, global_average_pool},
                                                      {Op::max_pool, max_pool},
                                                      {Op::gemm, dense},
                                                      {Op::reshape, reshape},
                                                      {Op::transpose, any_move},
                                                      {Op::slice, slice},
                                                      {Op::pad, pad},
                                                      {Op::concat, concat},
                                                      {Op::gather, any_move},
                                                      {Op::add, binary},
                                                      {Op::mul, binary},
                                                      {Op::pow, power},
                                                      {Op::function, function},
                                                      {Op::lrn, lrn},
                                                      {Op::normalization, normalization},
                                                      {Op::softmax, softmax},
                                                      {Op::matmul, matmul}}};

/// No operator without a step, and each in its place.
constexpr bool complete() {
  for (std::size_t i = 0; i < kSteps.size(); ++i) {
    if (kSteps[i].op != static_cast<Op>(i) || kSteps[i].make == nullptr) return false;
  }
  return true;
}
static_assert(complete());

}  // namespace

StepPtr make_step(const Site& site) { return kSteps.at(static_cast<std::size_t>(site.node.op)).make(site); }

StepPtr make_convolution_step(const Site& site, const Affine& after, const Layout& to) {
  const std::vector<float>& given = site.constant(1);
  const auto channels = static_cast<std::size_t>(site.shape(1)[0]);
  const std::size_t row = given.size() / channels;
  std::vector<float> weights(given.size());
  std::vector<float> bias(channels);
  for (std::size_t c = 0; c < channels; ++c) {
    const double factor = after.factor.empty() ? 1 : after.factor[c];
    const double shift = after.shift.empty() ? 0 : after.shift[c];
    const double own = site.node.inputs.size() > 2 ? site.constant(2)[c] : 0;
    bias[c] = static_cast<float>(factor * own + shift);
    for (std::size_t i = c * row; i < (c + 1) * row; ++i) weights[i] = static_cast<float>(factor * given[i]);
  }
  return make_convolution(site.attributes(), site.shape(1), weights, bias, site.from(), to, site.chunk);
}

Affine affine_of(const Site& site) {
  Affine out;
  for (std::size_t c = 0; c < site.constant(1).size(); ++c) {
    const double factor =
        site.constant(1)[c] / std::sqrt(static_cast<double>(site.constant(4)[c]) + site.attributes().epsilon);
    out.factor.push_back(factor);
    out.shift.push_back(site.constant(2)[c] - factor * site.constant(3)[c]);
  }
  return out;
}

}  // namespace obscura::eval
