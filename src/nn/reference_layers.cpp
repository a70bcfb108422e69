// SPDX-License-Identifier: Apache-2.0
// Layers with weights or windows.
#include <cmath>
#include <limits>

#include "nn/reference_kernels.h"

namespace obscura::nn {

// One position of the output after the other, all channels of it: what they read, the window, stays in the cache.
void conv(const Call& call, Map& out) {
  const Attributes& a = call.node.attributes;
  const std::int64_t height = call.shape()[1];
  const std::int64_t width = call.shape()[2];
  const std::int64_t channels = call.shape()[0] / a.groups;  // of one group
  const Shape& to = call.result();
  const std::vector<double>& weight = call.constant(1);
  const Map& x = call.x();
  const std::int64_t plane = to[1] * to[2];
  for (std::int64_t position = 0; position < plane; ++position) {
    const std::int64_t top = position / to[2] * a.strides[0] - a.pads[0];
    const std::int64_t left = position % to[2] * a.strides[1] - a.pads[1];
    const Span rows = inside(a, 0, top, height);
    const Span columns = inside(a, 1, left, width);
    for (std::int64_t co = 0; co < to[0]; ++co) {
      const std::int64_t first_channel = co / (to[0] / a.groups) * channels;
      Lanes sum = all(call.node.inputs.size() > 2 ? call.constant(2)[static_cast<std::size_t>(co)] : 0);
      for (std::int64_t ci = 0; ci < channels; ++ci) {
        for (std::int64_t kh = rows.first; kh < rows.last; ++kh) {
          const double* w = weight.data() + ((co * channels + ci) * a.kernel[0] + kh) * a.kernel[1];
          const Lanes* row = x.data() + ((first_channel + ci) * height + top + kh * a.dilations[0]) * width;
          for (std::int64_t kw = columns.first; kw < columns.last; ++kw) {
            multiply_add(sum, w[kw], row[left + kw * a.dilations[1]]);
          }
        }
      }
      out[static_cast<std::size_t>(co * plane + position)] = sum;
    }
  }
}

void batch_normalization(const Call& call, Map& out) {
  const std::size_t plane = out.size() / static_cast<std::size_t>(call.shape()[0]);
  for (std::size_t e = 0; e < out.size(); ++e) {
    const std::size_t c = e / plane;
    const double factor = call.constant(1)[c] / std::sqrt(call.constant(4)[c] + call.node.attributes.epsilon);
    out[e] = all(call.constant(2)[c] - factor * call.constant(3)[c]);
    multiply_add(out[e], factor, call.x()[e]);
  }
}

// Calls visit(output element, rows inside, columns inside, first element of the window) for each window; the first
// element may lie outside.
template <class Visit>
void for_windows(const Call& call, Visit visit) {
  const Attributes& a = call.node.attributes;
  const std::int64_t height = call.shape()[1];
  const std::int64_t width = call.shape()[2];
  std::size_t at = 0;
  for (std::int64_t c = 0; c < call.result()[0]; ++c) {
    for (std::int64_t oh = 0; oh < call.result()[1]; ++oh) {
      const std::int64_t top = oh * a.strides[0] - a.pads[0];
      const Span rows = inside(a, 0, top, height);
      for (std::int64_t ow = 0; ow < call.result()[2]; ++ow) {
        const std::int64_t left = ow * a.strides[1] - a.pads[1];
        visit(at++, rows, inside(a, 1, left, width), (c * height + top) * width + left);
      }
    }
  }
}

void average_pool(const Call& call, Map& out) {
  const Attributes& a = call.node.attributes;
  const std::int64_t width = call.shape()[2];
  for_windows(call, [&](std::size_t at, Span rows, Span columns, std::int64_t first) {
    const std::int64_t counted =
        a.count_include_pad ? a.kernel[0] * a.kernel[1] : (rows.last - rows.first) * (columns.last - columns.first);
    Lanes sum = all(0);
    for (std::int64_t kh = rows.first; kh < rows.last; ++kh) {
      const Lanes* row = call.x().data() + first + kh * a.dilations[0] * width;
      for (std::int64_t kw = columns.first; kw < columns.last; ++kw) multiply_add(sum, 1, row[kw * a.dilations[1]]);
    }
    for (double& v : sum) v /= static_cast<double>(counted);
    out[at] = sum;
  });
}

void max_pool(const Call& call, Map& out) {
  const Attributes& a = call.node.attributes;
  const std::int64_t width = call.shape()[2];
  for_windows(call, [&](std::size_t at, Span rows, Span columns, std::int64_t first) {
    Lanes largest = all(-std::numeric_limits<double>::infinity());
    for (std::int64_t kh = rows.first; kh < rows.last; ++kh) {
      const Lanes* row = call.x().data() + first + kh * a.dilations[0] * width;
      for (std::int64_t kw = columns.first; kw < columns.last; ++kw) {
        const Lanes& x = row[kw * a.dilations[1]];
        for (std::size_t i = 0; i < kBlock; ++i) largest[i] = std::max(largest[i], x[i]);
      }
    }
    out[at] = largest;
  });
}

void global_average_pool(const Call& call, Map& out) {
  const std::size_t plane = call.x().size() / out.size();
  for (std::size_t c = 0; c < out.size(); ++c) {
    out[c] = all(0);
    for (std::size_t i = 0; i < plane; ++i) multiply_add(out[c], 1, call.x()[c * plane + i]);
    for (double& v : out[c]) v /= static_cast<double>(plane);
  }
}

void gemm(const Call& call, Map& out) {
  const Attributes& a = call.node.attributes;
  const std::size_t inputs = call.x().size();
  const std::size_t row = a.transpose_b ? inputs : 1;         // stride of an output in the weight
  const std::size_t column = a.transpose_b ? 1 : out.size();  // stride of an input
  for (std::size_t o = 0; o < out.size(); ++o) {
    Lanes sum = all(0);
    for (std::size_t i = 0; i < inputs; ++i) multiply_add(sum, call.constant(1)[o * row + i * column], call.x()[i]);
    out[o] = all(call.node.inputs.size() > 2 ? a.beta * call.constant(2)[o] : 0.0);
    multiply_add(out[o], a.alpha, sum);
  }
}

void matmul(const Call& call, Map& out) {
  const Shape& a = call.shape(0);
  const auto rows = static_cast<std::size_t>(a[a.size() - 2]);
  const auto inner = static_cast<std::size_t>(a.back());
  const auto columns = static_cast<std::size_t>(call.result().back());
  for (std::size_t o = 0; o < out.size(); ++o) {
    const std::size_t matrix = o / (rows * columns);
    const Lanes* x = call.x(0).data() + (matrix * rows + o / columns % rows) * inner;
    const Lanes* y = call.x(1).data() + matrix * inner * columns + o % columns;
    out[o] = all(0);
    for (std::size_t k = 0; k < inner; ++k) {
      for (std::size_t i = 0; i < kBlock; ++i) out[o][i] += x[k][i] * y[k * columns][i];
    }
  }
}

}  // namespace obscura::nn
