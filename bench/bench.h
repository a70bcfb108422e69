// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/kernels.h"

namespace obscura::bench {

/// Those of --simd, else the best of this machine.
const kernels::Kernels& chosen_kernels();

}  // namespace obscura::bench
