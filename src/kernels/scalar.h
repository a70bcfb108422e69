// SPDX-License-Identifier: Apache-2.0
/// The table that needs neither SIMD nor fused multiply-add.
#pragma once

#include "kernels/kernels.h"

namespace obscura::kernels {

const Kernels& scalar();

}  // namespace obscura::kernels
