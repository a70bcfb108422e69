// SPDX-License-Identifier: Apache-2.0
/// The SIMD instances, one table for each Highway target with fused multiply-add, and that of AVX-512 with tiles (AMX).
/// The baseline target has none, so there the portable twin stands in.
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL | HWY_SSE4 | HWY_SSSE3)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first.
#include <hwy/highway.h>

#include "kernels/kernels.h"
#include "kernels/portable.h"
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
#include "kernels/digits-inl.h"
#include "kernels/matrix-inl.h"
#include "kernels/ntt-inl.h"
#include "kernels/pointwise-inl.h"
#endif

HWY_BEFORE_NAMESPACE();
namespace obscura::kernels {
namespace HWY_NAMESPACE {

const Kernels* table() {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
  static constexpr Kernels kTable{HWY_TARGET == HWY_AVX3 ? "avx512" : "avx2",
                                  ntt_forward,
                                  ntt_inverse,
                                  add,
                                  subtract,
                                  multiply,
                                  multiply_pair,
                                  multiply_scalar,
                                  multiply_scalar_add,
                                  subtract_multiply,
                                  reduce,
                                  inner_product,
                                  inner_product_repeated,
                                  weighted_sum,
                                  rounded_sum,
                                  permute,
                                  matrix_product,
                                  nullptr,
                                  nullptr};
  return &kTable;
#else
  return &portable();
#endif
}

#if defined(OBSCURA_AMX) && HWY_TARGET == HWY_AVX3
const Kernels* table_with_tiles() {
  static const Kernels kTable = [] {
    Kernels kernels = *table();
    kernels.name = "avx512+amx";
    kernels.pack_digits = pack_digits;
    kernels.digit_product = digit_product;
    return kernels;
  }();
  return &kTable;
}
#endif

}  // namespace HWY_NAMESPACE
}  // namespace obscura::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace obscura::kernels {

namespace {

// Asked of the compiler's runtime and not of Highway's library, which the client then does not need.

bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
}

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

}  // namespace

std::vector<const Kernels*> simd_tables() {
  std::vector<const Kernels*> tables;
#if HWY_TARGETS & HWY_AVX3
#ifdef OBSCURA_AMX
  if (has_avx512() && amx_available()) tables.push_back(N_AVX3::table_with_tiles());
#endif
  if (has_avx512()) tables.push_back(N_AVX3::table());
#endif
#if HWY_TARGETS & HWY_AVX2
  if (has_avx2()) tables.push_back(N_AVX2::table());
#endif
  return tables;
}

}  // namespace obscura::kernels
#endif  // HWY_ONCE
