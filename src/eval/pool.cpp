// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>

#include "approx/prepared.h"
#include "eval/step.h"

namespace obscura::eval {
namespace {

/// Positions of the window [first, last) that lie inside an axis of `size`, where the window starts at `start`.
struct Inside {
  std::int64_t first = 0;
  std::int64_t last = 0;
};

/// One axis of a pooling window.
struct Axis {
  std::int64_t kernel;
  std::int64_t stride;
  std::int64_t dilation;
  std::int64_t pad;
  std::int64_t size;    ///< of the input
  std::int64_t result;  ///< of the output

  std::int64_t start(std::int64_t out) const { return out * stride - pad; }
  Inside inside(std::int64_t out) const {
    const std::int64_t from = start(out);
    Inside window;
    window.first = from < 0 ? (-from + dilation - 1) / dilation : 0;
    window.last = size > from ? std::min(kernel, (size - from + dilation - 1) / dilation) : 0;
    window.last = std::max(window.first, window.last);
    return window;
  }
};

Axis axis_of(const nn::Attributes& a, std::size_t axis, const Layout& from, const Layout& to) {
  const auto size = static_cast<std::int64_t>(axis == 0 ? from.height : from.width);
  const auto result = static_cast<std::int64_t>(axis == 0 ? to.height : to.width);
  return {a.kernel[axis], a.strides[axis], a.dilations[axis], a.pads[axis], size, result};
}

/// A pool of a fixed window, plane by plane: a plane is height x width positions of `block` channels.
class Pool : public Step {
 public:
  Pool(Axis rows, Axis columns, const Layout& from, const Layout& to)
      : rows_(rows), columns_(columns), from_(from), block_(to.block) {
    OBSCURA_CHECK(from.block == to.block && from.channels == to.channels, "a pool changes the channels");
  }

  void run(const Call& call) const override {
    const std::size_t planes = call.used * (from_.channels / block_);
    const std::size_t in = from_.area() * block_;
    const std::size_t out = static_cast<std::size_t>(rows_.result * columns_.result) * block_;
    for (std::size_t plane = 0; plane < planes; ++plane) {
      pool(call, call.in[0] + plane * in, call.out + plane * out);
    }
  }

 protected:
  virtual void pool(const Call& call, const float* in, float* out) const = 0;

  /// Calls f(y, rows inside, columns inside, x), x at the first element of the window, which may lie outside.
  template <class F>
  void for_each_window(const float* in, float* out, F f) const {
    for (std::int64_t oh = 0; oh < rows_.result; ++oh) {
      const Inside rows = rows_.inside(oh);
      for (std::int64_t ow = 0; ow < columns_.result; ++ow) {
        const std::int64_t at = rows_.start(oh) * columns_.size + columns_.start(ow);
        f(out, rows, columns_.inside(ow), in + at * static_cast<std::int64_t>(block_));
        out += block_;
      }
    }
  }

  /// Calls f(x + element of the window) for those inside.
  template <class F>
  void for_each_inside(const Inside& rows, const Inside& columns, const float* x, F f) const {
    for (std::int64_t kh = rows.first; kh < rows.last; ++kh) {
      for (std::int64_t kw = columns.first; kw < columns.last; ++kw) {
        f(x + (kh * rows_.dilation * columns_.size + kw * columns_.dilation) * static_cast<std::int64_t>(block_));
      }
    }
  }

  Axis rows_;
  Axis columns_;
  Layout from_;
  std::size_t block_;
};

class AveragePool : public Pool {
 public:
  AveragePool(const nn::Attributes& a, const Layout& from, const Layout& to)
      : Pool(axis_of(a, 0, from, to), axis_of(a, 1, from, to), from, to), count_include_pad_(a.count_include_pad) {}

 protected:
  void pool(const Call&, const float* in, float* out) const override {
    for_each_window(in, out, [&](float* y, const Inside& rows, const Inside& columns, const float* x) {
      const std::int64_t counted = count_include_pad_ ? rows_.kernel * columns_.kernel
                                                      : (rows.last - rows.first) * (columns.last - columns.first);
      std::fill_n(y, block_, 0.0F);
      for_each_inside(rows, columns, x, [&](const float* v) {
        for (std::size_t c = 0; c < block_; ++c) y[c] += v[c];
      });
      for (std::size_t c = 0; c < block_; ++c) y[c] /= static_cast<float>(counted);
    });
  }

 private:
  bool count_include_pad_;
};

/// Candidates of one position of the window, for many places: `block` floats a place, where present.
struct Candidates {
  std::vector<float> values;
  std::vector<bool> present;
};

class MaxPool : public Pool {
 public:
  MaxPool(const nn::Attributes& a, const approx::Activation* substitution, const Layout& from, const Layout& to)
      : Pool(axis_of(a, 0, from, to), axis_of(a, 1, from, to), from, to) {
    if (substitution != nullptr) {
      substitution_ = *substitution;
      prepared_ = approx::prepare(*substitution);
    }
    is_read_.assign(static_cast<std::size_t>(rows_.size), false);
    for (std::int64_t oh = 0; oh < rows_.result; ++oh) {
      const Inside rows = rows_.inside(oh);
      for (std::int64_t kh = rows.first; kh < rows.last; ++kh) {
        is_read_[static_cast<std::size_t>(rows_.start(oh) + kh * rows_.dilation)] = true;
      }
    }
  }

 protected:
  void pool(const Call& call, const float* in, float* out) const override {
    if (substitution_ || call.arguments != nullptr) return pool_by_tree(call, in, out);
    for_each_window(in, out, [&](float* y, const Inside& rows, const Inside& columns, const float* x) {
      std::fill_n(y, block_, -std::numeric_limits<float>::infinity());
      for_each_inside(rows, columns, x, [&](const float* v) {
        for (std::size_t c = 0; c < block_; ++c) y[c] = std::max(y[c], v[c]);
      });
    });
  }

 private:
  /// First all rows of the input become rows of maxima across the columns, then the rows of a window.
  void pool_by_tree(const Call& call, const float* in, float* out) const {
    std::vector<Candidates> across(static_cast<std::size_t>(columns_.kernel));
    const std::int64_t width = columns_.result;
    for (std::int64_t k = 0; k < columns_.kernel; ++k) {
      gather(across[static_cast<std::size_t>(k)], rows_.size * width, in, [&](std::int64_t place) {
        const std::int64_t column = columns_.start(place % width) + k * columns_.dilation;
        const bool read = is_read_[static_cast<std::size_t>(place / width)];
        return read && column >= 0 && column < columns_.size ? place / width * columns_.size + column : -1;
      });
    }
    const Candidates maxima = reduce(call, std::move(across));
    std::vector<Candidates> down(static_cast<std::size_t>(rows_.kernel));
    for (std::int64_t k = 0; k < rows_.kernel; ++k) {
      gather(down[static_cast<std::size_t>(k)], rows_.result * width, maxima.values.data(), [&](std::int64_t place) {
        const std::int64_t row = rows_.start(place / width) + k * rows_.dilation;
        const std::int64_t at = row * width + place % width;
        return row >= 0 && row < rows_.size && maxima.present[static_cast<std::size_t>(at)] ? at : -1;
      });
    }
    const Candidates result = reduce(call, std::move(down));
    std::copy(result.values.begin(), result.values.end(), out);
  }

  /// source(place): which vector of `from` stands there, or -1.
  template <class F>
  void gather(Candidates& to, std::int64_t places, const float* from, F source) const {
    to.values.assign(static_cast<std::size_t>(places) * block_, 0);
    to.present.assign(static_cast<std::size_t>(places), false);
    for (std::int64_t place = 0; place < places; ++place) {
      const std::int64_t at = source(place);
      if (at < 0) continue;
      const auto p = static_cast<std::size_t>(place);
      to.present[p] = true;
      std::copy_n(from + static_cast<std::size_t>(at) * block_, block_, to.values.data() + p * block_);
    }
  }

  Candidates reduce(const Call& call, std::vector<Candidates> candidates) const {
    while (candidates.size() > 1) {
      std::vector<Candidates> next;
      for (std::size_t k = 0; k < candidates.size(); k += 2) {
        if (k + 1 < candidates.size()) merge(call, candidates[k], candidates[k + 1]);
        next.push_back(std::move(candidates[k]));
      }
      candidates = std::move(next);
    }
    return std::move(candidates.front());
  }

  /// a = max(a, b) wherever both are, else the one that is.
  void merge(const Call& call, Candidates& a, const Candidates& b) const {
    std::vector<float> difference;
    for (std::size_t p = 0; p < a.present.size(); ++p) {
      if (!b.present[p]) continue;
      float* x = a.values.data() + p * block_;
      const float* y = b.values.data() + p * block_;
      if (!a.present[p]) {
        std::copy_n(y, block_, x);
        continue;
      }
      for (std::size_t c = 0; c < block_; ++c) difference.push_back(x[c] - y[c]);
    }
    note_arguments(call, substitution_ ? &*substitution_ : nullptr, difference);
    if (substitution_) {
      approx::evaluate_blocks(prepared_, difference.data(), difference.data(), difference.size());
    } else {
      for (float& d : difference) d = std::max(d, 0.0F);
    }
    std::size_t at = 0;
    for (std::size_t p = 0; p < a.present.size(); ++p) {
      if (a.present[p] && b.present[p]) {
        for (std::size_t c = 0; c < block_; ++c) a.values[p * block_ + c] = b.values[p * block_ + c] + difference[at++];
      }
      a.present[p] = a.present[p] || b.present[p];
    }
  }

  std::optional<approx::Activation> substitution_;
  approx::PreparedActivation prepared_;  ///< of it: a row of a window has few numbers
  std::vector<bool> is_read_;            ///< by row of the input: whether a window has it
};

class Lrn : public Step {
 public:
  Lrn(const nn::Attributes& a, const approx::Activation* substitution, const Layout& layout)
      : alpha_(static_cast<double>(a.alpha) / static_cast<double>(a.size)),
        beta_(a.beta),
        bias_(a.bias),
        before_(static_cast<std::size_t>((a.size - 1) / 2)),
        after_(static_cast<std::size_t>(a.size / 2)),
        layout_(layout) {
    if (substitution != nullptr) {
      substitution_ = *substitution;
      prepared_ = approx::prepare(*substitution);
    }
  }

  void run(const Call& call) const override {
    std::vector<float> sums(layout_.size());
    for (std::size_t i = 0; i < call.used; ++i) {
      const float* x = call.in[0] + i * layout_.size();
      float* y = call.out + i * layout_.size();
      sum_squares(x, sums);
      note_arguments(call, substitution_ ? &*substitution_ : nullptr, sums);
      if (substitution_) {
        approx::evaluate_blocks(prepared_, sums.data(), sums.data(), sums.size());
      } else {
        for (float& s : sums) s = static_cast<float>(std::pow(bias_ + alpha_ * static_cast<double>(s), -beta_));
      }
      for (std::size_t e = 0; e < sums.size(); ++e) y[e] = x[e] * sums[e];
    }
  }

 private:
  void sum_squares(const float* x, std::vector<float>& sums) const {
    for (std::size_t c = 0; c < layout_.channels; ++c) {
      const std::size_t first = c < before_ ? 0 : c - before_;
      const std::size_t last = std::min(layout_.channels - 1, c + after_);
      for (std::size_t p = 0; p < layout_.area(); ++p) {
        float sum = 0;
        for (std::size_t k = first; k <= last; ++k) sum += x[layout_.at(k, p)] * x[layout_.at(k, p)];
        sums[layout_.at(c, p)] = sum;
      }
    }
  }

  double alpha_;
  double beta_;
  double bias_;
  std::size_t before_;
  std::size_t after_;
  Layout layout_;
  std::optional<approx::Activation> substitution_;
  approx::PreparedActivation prepared_;
};

}  // namespace

StepPtr make_average_pool(const nn::Attributes& attributes, const Layout& from, const Layout& to) {
  return std::make_unique<AveragePool>(attributes, from, to);
}

StepPtr make_max_pool(const nn::Attributes& attributes, const approx::Activation* substitution, const Layout& from,
                      const Layout& to) {
  return std::make_unique<MaxPool>(attributes, substitution, from, to);
}

StepPtr make_lrn(const nn::Attributes& attributes, const approx::Activation* substitution, const Layout& layout) {
  return std::make_unique<Lrn>(attributes, substitution, layout);
}

}  // namespace obscura::eval
