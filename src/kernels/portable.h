// SPDX-License-Identifier: Apache-2.0
/// The portable twin on integers, and the tables of the SIMD instances.
#pragma once

#include "kernels/kernels.h"

namespace obscura::kernels {

const Kernels& portable();

/// The SIMD tables that were compiled and that this CPU can run, best first.
std::vector<const Kernels*> simd_tables();

}  // namespace obscura::kernels
