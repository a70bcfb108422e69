// SPDX-License-Identifier: Apache-2.0
/// What a network becomes: steps over buffers that hold a few images each.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "eval/network.h"

namespace obscura::eval {

/// Where the elements of one image lie. Channels come in blocks of `block`, the channels of a block side by side
/// (oneDNN's nChw16c and nChw8c; 1: plane after plane). There is no padding: block divides channels.
struct Layout {
  std::size_t channels = 1;
  std::size_t height = 1;
  std::size_t width = 1;
  std::size_t block = 1;

  std::size_t area() const { return height * width; }
  std::size_t size() const { return channels * area(); }
  /// Place of channel c, position p = row * width + column.
  std::size_t at(std::size_t c, std::size_t p) const { return (c / block * area() + p) * block + c % block; }
  /// Place of element e of the tensor in row-major order.
  std::size_t at(std::size_t e) const { return at(e / area(), e % area()); }
  bool operator==(const Layout&) const = default;
};

/// A shape in blocks of `native` channels where they divide the channels and there is more than one position; else
/// planar. {features} are channels of one position.
Layout layout_of(const nn::Shape& shape, std::size_t native);

/// One execution of a step. Buffers hold image after image, each in its layout.
struct Call {
  std::span<const float* const> in;
  float* out = nullptr;
  std::size_t images = 0;                      ///< that the buffers have room for
  std::size_t used = 0;                        ///< of those, the ones that matter: the rest may be computed or not
  std::byte* scratch = nullptr;                ///< scratch_bytes(), on 64 bytes
  Excess* excess = nullptr;                    ///< of an activation: where its arguments are counted; may be null
  std::vector<float>* arguments = nullptr;     ///< of an activation: where its arguments are appended; may be null
  std::span<const float>* observed = nullptr;  ///< where they are said to lie already, in place of that; may be null
};

/// A node, or a few that were folded into one. run() may be called from many threads at a time.
class Step {
 public:
  Step() = default;
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;
  virtual ~Step() = default;
  virtual void run(const Call& call) const = 0;
  virtual std::size_t scratch_bytes() const { return 0; }
};

using StepPtr = std::unique_ptr<Step>;

/// A value of the graph as a step sees it.
struct Operand {
  Layout layout;
  std::vector<float> constant;       ///< of a constant: elements in the layout of the result
  std::vector<std::uint32_t> index;  ///< of a stretched value: the place that meets each place of the result
};

/// y_c = factor_c x_c + shift_c
struct Affine {
  std::vector<double> factor;
  std::vector<double> shift;
};

// onednn.cpp

/// Channels in a block of the layout that oneDNN's convolutions prefer on this machine: 16, 8 or 1.
std::size_t native_block();
/// `weights` as in the graph, `bias` one a channel. throws dnnl::error
StepPtr make_convolution(const nn::Attributes& attributes, const nn::Shape& weight_shape,
                         const std::vector<float>& weights, const std::vector<float>& bias, const Layout& from,
                         const Layout& to, std::size_t images);
/// out = W x + bias, W row-major outputs x inputs. throws dnnl::error
StepPtr make_dense(const std::vector<float>& weights, const std::vector<float>& bias, std::size_t images);

// elementwise.cpp

StepPtr make_affine(Affine affine, const Layout& layout);
/// add and mul
StepPtr make_binary(nn::Op op, Operand left, Operand right, const Layout& to);
StepPtr make_power(double exponent, const Layout& layout);
/// A function as it is, or as its substitution says.
StepPtr make_activation(const approx::Function& function, const approx::Activation* substitution, const Layout& layout);
/// Excess and arguments of one execution; what every step with an activation does first.
void note_arguments(const Call& call, const approx::Activation* substitution, std::span<const float> arguments);

// pool.cpp

StepPtr make_average_pool(const nn::Attributes& attributes, const Layout& from, const Layout& to);
/// The largest of the window, the padding taking no part. Substituted or observed, the maximum is a tree of
/// max(a, b) = b + y(a - b): first across the columns of each row of the window, then over the rows. On each axis
/// positions of the window are paired first with second, third with fourth and so on, one that is left over goes on as
/// it is, and that is repeated until one is left; where one of a pair lies in the padding the other goes on. So 2x2 has
/// two levels of maxima and 3x3 four, as many as the second paper's tree of eight and one more; but what two windows
/// above each other share is computed once.
StepPtr make_max_pool(const nn::Attributes& attributes, const approx::Activation* substitution, const Layout& from,
                      const Layout& to);
StepPtr make_lrn(const nn::Attributes& attributes, const approx::Activation* substitution, const Layout& layout);

// move.cpp

/// A box of one operand that goes to a place of the result.
struct Move {
  Layout from;
  std::size_t input = 0;                ///< which operand
  std::array<std::int64_t, 3> start{};  ///< first element taken, of {C, H, W}
  std::array<std::int64_t, 3> step{1, 1, 1};
  std::array<std::int64_t, 3> place{};  ///< where it goes
  std::array<std::int64_t, 3> size{};
};
/// Zero wherever no box lies.
StepPtr make_moves(std::vector<Move> moves, const Layout& to);
/// The elements in row-major order, from one shape to another of as many.
StepPtr make_reshape(const Layout& from, const Layout& to);
/// Any move: of each operand its layout and, for each element of the result in row-major order, the element that it is
/// (nn::move_sources).
StepPtr make_gather(const std::vector<Layout>& from, const std::vector<std::vector<std::uint32_t>>& sources,
                    const Layout& to);

// rows.cpp

/// (x - mean) / sqrt(variance + epsilon) of the elements of each channel.
StepPtr make_normalization(double epsilon, const Layout& layout);
/// e^x / sum of e^x over `row` elements that follow each other in row-major order: all of a channel's, or a part.
StepPtr make_softmax(std::size_t row, const Layout& layout);
/// Products of matrices {..., rows, inner} and {..., inner, columns}, matrix by matrix.
struct MatrixSizes {
  std::size_t rows = 1;
  std::size_t inner = 1;
  std::size_t columns = 1;
};
StepPtr make_matmul(const MatrixSizes& sizes, const Layout& left, const Layout& right, const Layout& to);

}  // namespace obscura::eval
