// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "train/network.h"

namespace obscura::train {
namespace {

/// Coefficients of degree 4, and the bound of the penalty.
struct Parameters {
  std::array<float, 5> a{};
  float range = 0;
};

float value_at(const Parameters& p, float x) {
  return (((p.a[4] * x + p.a[3]) * x + p.a[2]) * x + p.a[1]) * x + p.a[0];
}
float slope_at(const Parameters& p, float x) { return ((4 * p.a[4] * x + 3 * p.a[3]) * x + 2 * p.a[2]) * x + p.a[1]; }
float beyond(const Parameters& p, float x) { return std::max(0.0F, std::abs(x) - p.range); }

/// Spelt in tensor operations the same takes a dozen passes over memory, which is most of the time of these networks.
struct PolynomialFunction : torch::autograd::Function<PolynomialFunction> {
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context, const torch::Tensor& input,
                                                const Parameters& p) {
    const torch::Tensor x = input.contiguous();
    torch::Tensor y = torch::empty_like(x);
    const float* from = x.data_ptr<float>();
    float* to = y.data_ptr<float>();
    float sum = 0;
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      to[i] = value_at(p, from[i]);
      sum += beyond(p, from[i]) * beyond(p, from[i]);
    }
    context->save_for_backward({x});
    for (std::size_t i = 0; i < p.a.size(); ++i) context->saved_data[std::to_string(i)] = static_cast<double>(p.a[i]);
    context->saved_data["range"] = static_cast<double>(p.range);
    return {y, torch::full({}, sum / static_cast<float>(x.numel()))};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    Parameters p;
    for (std::size_t i = 0; i < p.a.size(); ++i) {
      p.a[i] = static_cast<float>(context->saved_data[std::to_string(i)].toDouble());
    }
    p.range = static_cast<float>(context->saved_data["range"].toDouble());
    const torch::Tensor x = context->get_saved_variables()[0];
    const torch::Tensor dy = gradients[0].contiguous();
    const float per_element = gradients[1].item<float>() * 2 / static_cast<float>(x.numel());
    torch::Tensor dx = torch::empty_like(x);
    const float* from = x.data_ptr<float>();
    const float* slope = dy.data_ptr<float>();
    float* to = dx.data_ptr<float>();
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      to[i] = slope[i] * slope_at(p, from[i]) + per_element * std::copysign(beyond(p, from[i]), from[i]);
    }
    return {dx, torch::Tensor()};
  }
};

}  // namespace

std::pair<torch::Tensor, torch::Tensor> activate(const torch::Tensor& x, const std::vector<double>& coefficients,
                                                 double range) {
  Parameters p;
  OBSCURA_CHECK(coefficients.size() <= p.a.size(), "activate: degree {}; at most 4", coefficients.size() - 1);
  for (std::size_t i = 0; i < coefficients.size(); ++i) p.a[i] = static_cast<float>(coefficients[i]);
  p.range = static_cast<float>(range);
  const torch::autograd::variable_list out = PolynomialFunction::apply(x, p);
  return {out[0], out[1]};
}

}  // namespace obscura::train
