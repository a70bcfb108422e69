// SPDX-License-Identifier: Apache-2.0
// Functions of single elements or of rows of them, and copies of elements to other places.
#include <cmath>
#include <limits>

#include "nn/operators.h"

namespace obscura::nn {

void move(const Call& call, Map& out) {
  std::fill(out.begin(), out.end(), all(0));
  for (std::size_t i = 0; i < call.node.inputs.size(); ++i) {
    const std::vector<std::uint32_t>& sources = call.prepared.sources[i];
    for (std::size_t e = 0; e < out.size(); ++e) {
      if (sources[e] != kNoSource) out[e] = call.x(i)[sources[e]];
    }
  }
}

namespace {

template <class F>
void elementwise(const Call& call, Map& out, F f) {
  const auto operand = [&](std::size_t side, std::size_t e) {
    const auto& index = call.prepared.index[side];
    const std::size_t at = index.empty() ? e : index[e];
    const auto& constant = call.constant(side);
    return constant.empty() ? call.x(side)[at] : all(constant[at]);
  };
  for (std::size_t e = 0; e < out.size(); ++e) {
    const Lanes a = operand(0, e);
    const Lanes b = operand(1, e);
    for (std::size_t i = 0; i < kBlock; ++i) out[e][i] = f(a[i], b[i]);
  }
}

template <class F>
void each(const Call& call, Map& out, F f) {
  for (std::size_t e = 0; e < out.size(); ++e) {
    for (std::size_t i = 0; i < kBlock; ++i) out[e][i] = f(call.x()[e][i]);
  }
}

}  // namespace

void add(const Call& call, Map& out) {
  elementwise(call, out, [](double a, double b) { return a + b; });
}

void mul(const Call& call, Map& out) {
  elementwise(call, out, [](double a, double b) { return a * b; });
}

void pow(const Call& call, Map& out) {
  each(call, out, [exponent = call.constant(1)[0]](double x) { return std::pow(x, exponent); });
}

void function(const Call& call, Map& out) {
  each(call, out, [&f = call.node.attributes.function](double x) { return approx::value(f, x); });
}

void normalization(const Call& call, Map& out) {
  const std::size_t area = out.size() / static_cast<std::size_t>(call.shape()[0]);
  for (std::size_t first = 0; first < out.size(); first += area) {
    for (std::size_t i = 0; i < kBlock; ++i) {
      double sum = 0;
      for (std::size_t e = first; e < first + area; ++e) sum += call.x()[e][i];
      const double mean = sum / static_cast<double>(area);
      double squares = 0;
      for (std::size_t e = first; e < first + area; ++e) squares += (call.x()[e][i] - mean) * (call.x()[e][i] - mean);
      const double factor = 1 / std::sqrt(squares / static_cast<double>(area) + call.node.attributes.epsilon);
      for (std::size_t e = first; e < first + area; ++e) out[e][i] = (call.x()[e][i] - mean) * factor;
    }
  }
}

void softmax(const Call& call, Map& out) {
  const auto row = static_cast<std::size_t>(call.shape().back());
  for (std::size_t first = 0; first < out.size(); first += row) {
    for (std::size_t i = 0; i < kBlock; ++i) {
      double largest = -std::numeric_limits<double>::infinity();
      for (std::size_t e = first; e < first + row; ++e) largest = std::max(largest, call.x()[e][i]);
      double sum = 0;
      for (std::size_t e = first; e < first + row; ++e) sum += out[e][i] = std::exp(call.x()[e][i] - largest);
      for (std::size_t e = first; e < first + row; ++e) out[e][i] /= sum;
    }
  }
}

void lrn(const Call& call, Map& out) {
  const Attributes& a = call.node.attributes;
  const std::int64_t channels = call.shape()[0];
  const std::int64_t plane = call.shape()[1] * call.shape()[2];
  const double factor = double{a.alpha} / static_cast<double>(a.size);
  for (std::int64_t c = 0; c < channels; ++c) {
    const std::int64_t first = std::max<std::int64_t>(c - (a.size - 1) / 2, 0);
    const std::int64_t last = std::min(c + a.size / 2, channels - 1);
    for (std::int64_t p = 0; p < plane; ++p) {
      Lanes squares = all(0);
      for (std::int64_t k = first; k <= last; ++k) {
        const Lanes& x = call.x()[static_cast<std::size_t>(k * plane + p)];
        for (std::size_t i = 0; i < kBlock; ++i) squares[i] += x[i] * x[i];
      }
      const auto at = static_cast<std::size_t>(c * plane + p);
      for (std::size_t i = 0; i < kBlock; ++i) {
        out[at][i] = call.x()[at][i] / std::pow(a.bias + factor * squares[i], a.beta);
      }
    }
  }
}

}  // namespace obscura::nn
