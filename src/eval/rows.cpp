// SPDX-License-Identifier: Apache-2.0
// Steps whose results read many elements of their own image: normalization, softmax, products of matrices.
#include <algorithm>
#include <cmath>

#include "eval/step.h"

namespace obscura::eval {
namespace {

class NormalizationStep : public Step {
 public:
  NormalizationStep(double epsilon, const Layout& layout) : epsilon_(epsilon), layout_(layout) {}

  void run(const Call& call) const override {
    for (std::size_t i = 0; i < call.used; ++i) {
      for (std::size_t c = 0; c < layout_.channels; ++c) {
        const std::size_t at = i * layout_.size() + layout_.at(c, 0);
        channel(call.in[0] + at, call.out + at);
      }
    }
  }

 private:
  void channel(const float* x, float* y) const {
    const std::size_t end = layout_.area() * layout_.block;
    const auto count = static_cast<double>(layout_.area());
    double sum = 0;
    for (std::size_t e = 0; e < end; e += layout_.block) sum += x[e];
    const double mean = sum / count;
    double squares = 0;
    for (std::size_t e = 0; e < end; e += layout_.block) squares += (x[e] - mean) * (x[e] - mean);
    const double factor = 1 / std::sqrt(squares / count + epsilon_);
    for (std::size_t e = 0; e < end; e += layout_.block) y[e] = static_cast<float>((x[e] - mean) * factor);
  }

  double epsilon_;
  Layout layout_;
};

class SoftmaxStep : public Step {
 public:
  SoftmaxStep(std::size_t row, const Layout& layout) : row_(row), layout_(layout) {
    OBSCURA_CHECK(layout.size() % row == 0 && (layout.area() % row == 0 || layout.area() == 1),
                  "rows of {} in channels of {}", row, layout.area());
  }

  void run(const Call& call) const override {
    for (std::size_t i = 0; i < call.used; ++i) {
      for (std::size_t first = 0; first < layout_.size(); first += row_) {
        const std::size_t at = i * layout_.size() + layout_.at(first);
        row(call.in[0] + at, call.out + at);
      }
    }
  }

 private:
  void row(const float* x, float* y) const {
    const std::size_t end = row_ * layout_.block;
    float largest = x[0];
    for (std::size_t e = 0; e < end; e += layout_.block) largest = std::max(largest, x[e]);
    double sum = 0;
    for (std::size_t e = 0; e < end; e += layout_.block) sum += y[e] = std::exp(x[e] - largest);
    for (std::size_t e = 0; e < end; e += layout_.block) y[e] = static_cast<float>(y[e] / sum);
  }

  std::size_t row_;
  Layout layout_;
};

class MatmulStep : public Step {
 public:
  MatmulStep(const MatrixSizes& sizes, const Layout& left, const Layout& right, const Layout& to)
      : sizes_(sizes), left_(left), right_(right), to_(to) {}

  void run(const Call& call) const override {
    const std::size_t matrices = to_.size() / (sizes_.rows * sizes_.columns);
    std::vector<float> right(sizes_.inner * sizes_.columns);
    std::vector<float> row(sizes_.columns);
    for (std::size_t i = 0; i < call.used; ++i) {
      const float* a = call.in[0] + i * left_.size();
      const float* b = call.in[1] + i * right_.size();
      float* out = call.out + i * to_.size();
      for (std::size_t m = 0; m < matrices; ++m) {
        for (std::size_t e = 0; e < right.size(); ++e) right[e] = b[right_.at(m * right.size() + e)];
        for (std::size_t r = 0; r < sizes_.rows; ++r) {
          const std::size_t at = m * sizes_.rows + r;
          std::fill(row.begin(), row.end(), 0.0F);
          for (std::size_t k = 0; k < sizes_.inner; ++k) {
            const float factor = a[left_.at(at * sizes_.inner + k)];
            const float* from = right.data() + k * sizes_.columns;
            for (std::size_t c = 0; c < row.size(); ++c) row[c] += factor * from[c];
          }
          for (std::size_t c = 0; c < row.size(); ++c) out[to_.at(at * sizes_.columns + c)] = row[c];
        }
      }
    }
  }

 private:
  MatrixSizes sizes_;
  Layout left_;
  Layout right_;
  Layout to_;
};

}  // namespace

StepPtr make_normalization(double epsilon, const Layout& layout) {
  return std::make_unique<NormalizationStep>(epsilon, layout);
}

StepPtr make_softmax(std::size_t row, const Layout& layout) { return std::make_unique<SoftmaxStep>(row, layout); }

StepPtr make_matmul(const MatrixSizes& sizes, const Layout& left, const Layout& right, const Layout& to) {
  return std::make_unique<MatmulStep>(sizes, left, right, to);
}

}  // namespace obscura::eval
