// SPDX-License-Identifier: Apache-2.0
/// Products of matrices, and where bfloat16 pays: a libtorch of a distribution is fast in its convolutions alone.
#pragma once

#include <torch/torch.h>

namespace obscura::train {

/// x weight^T + bias of x {m, k}, weight {n, k}, bias {n} or undefined. On the CPU a convolution of one pixel: Debian's
/// libtorch has a plain BLAS, tens of times slower than its convolutions.
torch::Tensor dense_product(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias = {});

/// Whether bfloat16 is faster there than float: on GPUs, and on processors with AVX512-BF16. Others emulate it, many
/// times slower.
bool multiplies_bfloat16(const torch::Device& device);

}  // namespace obscura::train
