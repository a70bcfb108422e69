// SPDX-License-Identifier: Apache-2.0
// Functions of single elements, and copies of elements to other places.
#include <cmath>

#include "nn/reference_kernels.h"

namespace obscura::nn {

void copy(const Call& call, Map& out) { out = call.x(); }

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

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

// log(1 + e^x), without overflow
double log1p_exp(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

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

void relu(const Call& call, Map& out) {
  each(call, out, [](double x) { return x > 0 ? x : 0.0; });
}

void leaky_relu(const Call& call, Map& out) {
  each(call, out, [slope = double{call.node.attributes.alpha}](double x) { return x > 0 ? x : slope * x; });
}

void sigmoid(const Call& call, Map& out) { each(call, out, logistic); }

void tanh(const Call& call, Map& out) {
  each(call, out, [](double x) { return std::tanh(x); });
}

void softplus(const Call& call, Map& out) { each(call, out, log1p_exp); }

void silu(const Call& call, Map& out) {
  each(call, out, [](double x) { return x * logistic(x); });
}

void gelu(const Call& call, Map& out) {
  each(call, out, [](double x) { return x * (1 + std::erf(x / std::sqrt(2.0))) / 2; });
}

void mish(const Call& call, Map& out) {
  each(call, out, [](double x) { return x * std::tanh(log1p_exp(x)); });
}

void concat(const Call& call, Map& out) {
  auto place = out.begin();
  for (std::size_t i = 0; i < call.node.inputs.size(); ++i) {
    place = std::copy(call.x(i).begin(), call.x(i).end(), place);
  }
}

void slice(const Call& call, Map& out) {
  const Attributes& a = call.node.attributes;
  const Shape& from = call.shape();
  std::size_t at = 0;
  for (std::int64_t c = 0; c < a.sizes[0]; ++c) {
    for (std::int64_t h = 0; h < a.sizes[1]; ++h) {
      const std::int64_t row = (a.starts[0] + c * a.steps[0]) * from[1] + a.starts[1] + h * a.steps[1];
      for (std::int64_t w = 0; w < a.sizes[2]; ++w) {
        out[at++] = call.x()[static_cast<std::size_t>(row * from[2] + a.starts[2] + w * a.steps[2])];
      }
    }
  }
}

void pad(const Call& call, Map& out) {
  const Attributes& a = call.node.attributes;
  const Shape& from = call.shape();
  const Shape& to = call.result();
  std::fill(out.begin(), out.end(), all(0));
  auto row = call.x().begin();
  for (std::int64_t c = 0; c < from[0]; ++c) {
    for (std::int64_t h = 0; h < from[1]; ++h) {
      const std::int64_t place = ((c + a.pads_before[0]) * to[1] + h + a.pads_before[1]) * to[2] + a.pads_before[2];
      std::copy(row, row + from[2], out.begin() + place);
      row += from[2];
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
