// SPDX-License-Identifier: Apache-2.0
#include "compile/measure/lane_matrix.h"

#include <cmath>
#include <string_view>
#include <unordered_map>

#include "base/check.h"

namespace obscura::compile {
namespace {

template <class T>
std::string_view bytes(std::span<const T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

std::span<const std::uint32_t> columns(const SparseMatrix& m, std::size_t row) {
  return std::span(m.column).subspan(m.start[row], m.start[row + 1] - m.start[row]);
}

/// Rows with the same columns, in the order of the first of them; those without an entry are left out.
std::vector<std::vector<std::uint32_t>> groups(const SparseMatrix& m) {
  std::vector<std::vector<std::uint32_t>> out;
  std::unordered_map<std::string_view, std::size_t> group_of;
  for (std::uint32_t r = 0; r < m.rows; ++r) {
    const auto own = columns(m, r);
    if (own.empty()) continue;
    const auto [found, fresh] = group_of.try_emplace(bytes(own), out.size());
    if (fresh) out.emplace_back();
    out[found->second].push_back(r);
  }
  return out;
}

}  // namespace

LaneMatrix::LaneMatrix(const SparseMatrix& matrix) : rows_(matrix.rows), cols_(matrix.cols) {
  std::unordered_multimap<std::size_t, Block> known;  // by hash of the weights
  std::vector<double> dense;
  for (const std::vector<std::uint32_t>& rows : groups(matrix)) {
    const auto inputs = columns(matrix, rows[0]);
    Block block{0, inputs_.size(), outputs_.size(), static_cast<std::uint32_t>(rows.size()),
                static_cast<std::uint32_t>(inputs.size())};
    inputs_.insert(inputs_.end(), inputs.begin(), inputs.end());
    outputs_.insert(outputs_.end(), rows.begin(), rows.end());
    dense.clear();
    for (const std::uint32_t r : rows) {
      const auto from = matrix.value.begin() + static_cast<std::ptrdiff_t>(matrix.start[r]);
      dense.insert(dense.end(), from, from + block.cols);
    }
    const std::size_t hash = std::hash<std::string_view>()(bytes<double>(dense));
    const auto [first, last] = known.equal_range(hash);
    auto same = first;
    while (same != last &&
           bytes(std::span<const double>(weights_).subspan(
               same->second.weights, std::size_t{same->second.rows} * same->second.cols)) != bytes<double>(dense)) {
      ++same;
    }
    if (same == last) {
      block.weights = weights_.size();
      weights_.insert(weights_.end(), dense.begin(), dense.end());
      known.emplace(hash, block);
    } else {
      block.weights = same->second.weights;
    }
    blocks_.push_back(block);
  }
}

void LaneMatrix::add_product(std::span<const double> x, std::span<double> y) const {
  OBSCURA_CHECK(x.size() == cols_ * kernels::kVectors && y.size() == rows_ * kernels::kVectors,
                "a matrix of {} columns reads {} elements", cols_, x.size() / kernels::kVectors);
  for (const Block& b : blocks_) {
    kernels::lane_product(
        {weights_.data() + b.weights, b.rows, b.cols, inputs_.data() + b.inputs, outputs_.data() + b.outputs}, x.data(),
        y.data());
  }
}

LaneMatrix LaneMatrix::rounded(double scale) const {
  LaneMatrix out = *this;
  for (double& w : out.weights_) w = std::round(w * scale) / scale;
  return out;
}

LaneMatrix LaneMatrix::squared() const {
  LaneMatrix out = *this;
  for (double& w : out.weights_) w *= w;
  return out;
}

LaneMatrix LaneMatrix::transposed() const {
  LaneMatrix out;
  out.rows_ = cols_;
  out.cols_ = rows_;
  out.inputs_ = outputs_;
  out.outputs_ = inputs_;
  out.weights_.resize(weights_.size());
  std::size_t done = 0;
  for (const Block& b : blocks_) {
    out.blocks_.push_back({b.weights, b.outputs, b.inputs, b.cols, b.rows});
    if (b.weights < done) continue;  // those of a block before
    done = b.weights + std::size_t{b.rows} * b.cols;
    for (std::size_t r = 0; r < b.rows; ++r) {
      for (std::size_t c = 0; c < b.cols; ++c) {
        out.weights_[b.weights + c * b.rows + r] = weights_[b.weights + r * b.cols + c];
      }
    }
  }
  return out;
}

}  // namespace obscura::compile
