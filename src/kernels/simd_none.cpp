// SPDX-License-Identifier: Apache-2.0
/// In place of simd.cpp where there is no instruction set with fused multiply-add.
#include "kernels/portable.h"

namespace obscura::kernels {

std::vector<const Kernels*> simd_tables() { return {}; }

}  // namespace obscura::kernels
