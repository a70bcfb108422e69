// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

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
      : rows_(rows), columns_(columns), from_(from), block_(std::max(from.block, to.block)) {
    // Channels of one position lie alike in blocks of any size.
    const bool alike = from.block == to.block || from.area() == 1 || to.area() == 1;
    OBSCURA_CHECK(alike && from.channels == to.channels, "a pool changes the channels");
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

/// The maxima of all windows of a plane as a tree, by places: a place below the area is of the plane, place area + k is
/// what pair k gives. Where one of a pair lies in the padding the other goes on.
class MaximumTree {
 public:
  struct Pair {
    std::uint32_t first = 0;
    std::uint32_t second = 0;
  };
  static constexpr std::uint32_t kPadding = std::numeric_limits<std::uint32_t>::max();

  /// First all rows that are read become rows of maxima across the columns, then the rows of a window.
  MaximumTree(const Axis& rows, const Axis& columns) : made_(static_cast<std::uint32_t>(rows.size * columns.size)) {
    std::vector<bool> is_read(static_cast<std::size_t>(rows.size), false);
    for (std::int64_t oh = 0; oh < rows.result; ++oh) {
      for_inside(rows, oh, [&](std::int64_t, std::int64_t row) { is_read[static_cast<std::size_t>(row)] = true; });
    }
    std::vector<Window> across(static_cast<std::size_t>(rows.size * columns.result));
    for (std::size_t w = 0; w < across.size(); ++w) {
      const auto row = static_cast<std::int64_t>(w) / columns.result,
                 ow = static_cast<std::int64_t>(w) % columns.result;
      across[w].assign(static_cast<std::size_t>(columns.kernel), kPadding);
      if (!is_read[static_cast<std::size_t>(row)]) continue;
      for_inside(columns, ow, [&](std::int64_t k, std::int64_t column) {
        across[w][static_cast<std::size_t>(k)] = static_cast<std::uint32_t>(row * columns.size + column);
      });
    }
    const Window maxima = reduce(std::move(across));
    std::vector<Window> down(static_cast<std::size_t>(rows.result * columns.result));
    for (std::size_t w = 0; w < down.size(); ++w) {
      const auto oh = static_cast<std::int64_t>(w) / columns.result, ow = static_cast<std::int64_t>(w) % columns.result;
      down[w].assign(static_cast<std::size_t>(rows.kernel), kPadding);
      for_inside(rows, oh, [&](std::int64_t k, std::int64_t row) {
        down[w][static_cast<std::size_t>(k)] = maxima[static_cast<std::size_t>(row * columns.result + ow)];
      });
    }
    result_ = reduce(std::move(down));
  }

  /// Pairs of one level read places of those before it.
  const std::vector<std::vector<Pair>>& levels() const { return levels_; }
  /// Of each window, in row-major order.
  const std::vector<std::uint32_t>& result() const { return result_; }
  std::size_t pairs() const { return pairs_; }
  std::size_t widest() const { return widest_; }

 private:
  using Window = std::vector<std::uint32_t>;  // places

  /// Calls f(k, position) for those of a window that lie inside.
  template <class F>
  static void for_inside(const Axis& axis, std::int64_t out, F f) {
    const Inside inside = axis.inside(out);
    for (std::int64_t k = inside.first; k < inside.last; ++k) f(k, axis.start(out) + k * axis.dilation);
  }

  /// The place of each window's maximum.
  Window reduce(std::vector<Window> windows) {
    while (windows[0].size() > 1) {
      std::vector<Pair>& level = levels_.emplace_back();
      for (Window& window : windows) {
        Window next;
        for (std::size_t k = 0; k < window.size(); k += 2) {
          const std::uint32_t a = window[k], b = k + 1 < window.size() ? window[k + 1] : kPadding;
          next.push_back(a == kPadding ? b : b == kPadding ? a : made_++);
          if (a != kPadding && b != kPadding) level.push_back({a, b});
        }
        window = std::move(next);
      }
      pairs_ += level.size();
      widest_ = std::max(widest_, level.size());
    }
    Window out;
    for (const Window& window : windows) out.push_back(window[0]);
    return out;
  }

  std::vector<std::vector<Pair>> levels_;
  Window result_;
  std::uint32_t made_;  ///< the place that the next pair gives
  std::size_t pairs_ = 0;
  std::size_t widest_ = 0;  ///< pairs of a level
};

class MaxPool : public Pool {
 public:
  MaxPool(const nn::Attributes& a, const approx::Activation* substitution, const Layout& from, const Layout& to)
      : Pool(axis_of(a, 0, from, to), axis_of(a, 1, from, to), from, to), tree_(rows_, columns_) {
    if (substitution != nullptr) {
      substitution_ = *substitution;
      prepared_ = approx::prepare(*substitution);
    }
  }

  /// What pairs of a plane give, and the differences of a level.
  std::size_t scratch_bytes() const override { return (tree_.pairs() + tree_.widest()) * block_ * sizeof(float); }

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
  void pool_by_tree(const Call& call, const float* in, float* out) const {
    constexpr std::size_t kWidest = 16;  // of oneDNN's layouts: loops over a number that is known are far faster
    if (block_ == kWidest) return by_tree(call, in, out, std::integral_constant<std::size_t, kWidest>());
    by_tree(call, in, out, block_);
  }

  template <class Block>
  void by_tree(const Call& call, const float* in, float* out, Block block) const {
    auto* const made = reinterpret_cast<float*>(call.scratch);
    float* const differences = made + tree_.pairs() * block;
    const auto area = static_cast<std::uint32_t>(from_.area());
    const auto at = [&](std::uint32_t place) {
      return place < area ? in + place * block : made + (place - area) * block;
    };
    float* give = made;
    for (const std::vector<MaximumTree::Pair>& level : tree_.levels()) {
      float* d = differences;
      for (const MaximumTree::Pair& pair : level) {
        const float *a = at(pair.first), *b = at(pair.second);
        for (std::size_t c = 0; c < block; ++c) d[c] = a[c] - b[c];
        d += block;
      }
      const std::span<float> all(differences, d);
      note_arguments(call, substitution_ ? &*substitution_ : nullptr, all);
      if (substitution_) {
        approx::evaluate_blocks(prepared_, all.data(), all.data(), all.size());
      } else {
        for (float& one : all) one = std::max(one, 0.0F);
      }
      d = differences;
      for (const MaximumTree::Pair& pair : level) {
        const float* b = at(pair.second);
        for (std::size_t c = 0; c < block; ++c) give[c] = b[c] + d[c];
        d += block;
        give += block;
      }
    }
    for (const std::uint32_t place : tree_.result()) {
      if (place == MaximumTree::kPadding) {
        std::fill_n(out, std::size_t{block}, 0.0F);
      } else {
        std::copy_n(at(place), std::size_t{block}, out);
      }
      out += block;
    }
  }

  std::optional<approx::Activation> substitution_;
  approx::PreparedActivation prepared_;  ///< of it
  MaximumTree tree_;
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
