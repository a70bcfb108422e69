// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "approx/bent.h"
#include "eval/step.h"

namespace obscura::eval {
namespace {

class AffineStep : public Step {
 public:
  AffineStep(Affine affine, const Layout& layout) : factor_(layout.size()), shift_(layout.size()) {
    for (std::size_t e = 0; e < layout.size(); ++e) {
      factor_[layout.at(e)] = static_cast<float>(affine.factor[e / layout.area()]);
      shift_[layout.at(e)] = static_cast<float>(affine.shift[e / layout.area()]);
    }
  }
  void run(const Call& call) const override {
    const std::size_t size = factor_.size();
    for (std::size_t i = 0; i < call.used; ++i) {
      const float* x = call.in[0] + i * size;
      float* y = call.out + i * size;
      for (std::size_t e = 0; e < size; ++e) y[e] = factor_[e] * x[e] + shift_[e];
    }
  }

 private:
  std::vector<float> factor_;
  std::vector<float> shift_;
};

template <class F>
class BinaryStep : public Step {
 public:
  BinaryStep(Operand left, Operand right, std::size_t size)
      : operands_{std::move(left), std::move(right)}, size_(size) {}

  void run(const Call& call) const override {
    std::array<std::vector<float>, 2> gathered;
    for (std::size_t i = 0; i < call.used; ++i) {
      std::size_t input = 0;  // constants take no place among the inputs
      std::array<const float*, 2> from{};
      for (std::size_t side = 0; side < 2; ++side) {
        const Operand& operand = operands_[side];
        if (!operand.constant.empty()) {
          from[side] = operand.constant.data();
          continue;
        }
        from[side] = call.in[input++] + i * operand.layout.size();
        if (operand.index.empty()) continue;
        gathered[side].resize(size_);
        for (std::size_t e = 0; e < size_; ++e) gathered[side][e] = from[side][operand.index[e]];
        from[side] = gathered[side].data();
      }
      float* out = call.out + i * size_;
      for (std::size_t e = 0; e < size_; ++e) out[e] = F{}(from[0][e], from[1][e]);
    }
  }

 private:
  std::array<Operand, 2> operands_;
  std::size_t size_;
};

class PowerStep : public Step {
 public:
  PowerStep(double exponent, std::size_t size) : exponent_(exponent), size_(size) {}
  void run(const Call& call) const override {
    const std::size_t size = size_ * call.used;
    const float* x = call.in[0];
    if (exponent_ == 2) {
      for (std::size_t e = 0; e < size; ++e) call.out[e] = x[e] * x[e];
    } else {
      for (std::size_t e = 0; e < size; ++e) {
        call.out[e] = static_cast<float>(std::pow(static_cast<double>(x[e]), exponent_));
      }
    }
  }

 private:
  double exponent_;
  std::size_t size_;
};

class ActivationStep : public Step {
 public:
  ActivationStep(const approx::Function& function, const approx::Activation* substitution, std::size_t size)
      : function_(function), size_(size) {
    if (substitution != nullptr) substitution_.emplace(function, *substitution);
  }

  void run(const Call& call) const override {
    const std::span<const float> x(call.in[0], call.used * size_);
    const std::span<float> y(call.out, x.size());
    if (call.observed != nullptr) *call.observed = x;
    Call counted = call;
    counted.arguments = nullptr;
    note_arguments(counted, substitution_ ? &substitution_->activation() : nullptr, x);
    if (substitution_) {
      (*substitution_)(x, y);
    } else {
      exact(x, y);
    }
  }

 private:
  /// The common ones in floats, which vectorise.
  void exact(std::span<const float> x, std::span<float> y) const {
    using Kind = approx::Function::Kind;
    if (function_.kind == Kind::relu || function_.kind == Kind::leaky_relu) {
      const auto slope = static_cast<float>(function_.kind == Kind::relu ? 0 : function_.alpha);
      // One of the two is 0: without a branch, which would not vectorise.
      for (std::size_t e = 0; e < x.size(); ++e) y[e] = std::max(x[e], 0.0F) + slope * std::min(x[e], 0.0F);
    } else if (function_.kind == Kind::clip) {
      const auto low = static_cast<float>(function_.low);
      const auto high = static_cast<float>(function_.high);
      for (std::size_t e = 0; e < x.size(); ++e) {
        const float above = x[e] < low ? low : x[e];
        y[e] = above > high ? high : above;
      }
    } else {
      for (std::size_t e = 0; e < x.size(); ++e) y[e] = static_cast<float>(approx::value(function_, x[e]));
    }
  }

  approx::Function function_;
  std::optional<approx::Replacement> substitution_;
  std::size_t size_;
};

}  // namespace

StepPtr make_affine(Affine affine, const Layout& layout) {
  return std::make_unique<AffineStep>(std::move(affine), layout);
}

StepPtr make_binary(nn::Op op, Operand left, Operand right, const Layout& to) {
  if (op == nn::Op::add) {
    return std::make_unique<BinaryStep<std::plus<float>>>(std::move(left), std::move(right), to.size());
  }
  return std::make_unique<BinaryStep<std::multiplies<float>>>(std::move(left), std::move(right), to.size());
}

StepPtr make_power(double exponent, const Layout& layout) {
  return std::make_unique<PowerStep>(exponent, layout.size());
}

StepPtr make_activation(const approx::Function& function, const approx::Activation* substitution,
                        const Layout& layout) {
  return std::make_unique<ActivationStep>(function, substitution, layout.size());
}

void note_arguments(const Call& call, const approx::Activation* substitution, std::span<const float> arguments) {
  if (call.arguments != nullptr) call.arguments->insert(call.arguments->end(), arguments.begin(), arguments.end());
  if (call.excess == nullptr || substitution == nullptr) return;
  double low = substitution->certificate.low;
  double high = substitution->certificate.high;
  if (substitution->form == approx::Activation::Form::direct) {
    low = substitution->composite.stages.front().low;
    high = substitution->composite.stages.front().high;
  }
  // Floats inside, so that the loop vectorises: none lies between a double and the float that is rounded to its inside.
  auto first = static_cast<float>(low);
  auto last = static_cast<float>(high);
  if (first < low) first = std::nextafter(first, std::numeric_limits<float>::infinity());
  if (last > high) last = std::nextafter(last, -std::numeric_limits<float>::infinity());
  std::uint32_t inside = 0;
  float largest = 0;
  for (const float x : arguments) {
    inside += static_cast<std::uint32_t>(x >= first) & static_cast<std::uint32_t>(x <= last);
    largest = std::max(largest, std::abs(x));
  }
  call.excess->count += arguments.size();
  call.excess->outside += arguments.size() - inside;
  call.excess->largest = std::max(call.excess->largest, static_cast<double>(largest));
}

}  // namespace obscura::eval
