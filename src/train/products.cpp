// SPDX-License-Identifier: Apache-2.0
#include "train/products.h"

namespace obscura::train {

torch::Tensor dense_product(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias) {
  if (!x.is_cpu()) return torch::linear(x, weight, bias);
  const torch::Tensor image = x.reshape({x.size(0), x.size(1), 1, 1});
  return torch::conv2d(image, weight.reshape({weight.size(0), weight.size(1), 1, 1}), bias).flatten(1);
}

bool multiplies_bfloat16(const torch::Device& device) {
  if (!device.is_cpu()) return true;
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

}  // namespace obscura::train
