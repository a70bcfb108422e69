// SPDX-License-Identifier: Apache-2.0
#include "ring/pool.h"

#include <sys/mman.h>

#include <array>
#include <bit>
#include <mutex>
#include <new>
#include <vector>

#include "base/check.h"

namespace obscura::ring {

namespace {

/// Limbs a power of two apart fall into the same cache sets; two more lines keep them apart.
constexpr std::size_t kPadding = 16;
constexpr std::size_t kSlabBytes = std::size_t{32} << 20;

/// Free limbs of one degree.
class Pool {
 public:
  double* take(std::size_t degree) {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) grow(degree);
    double* limb = free_.back();
    free_.pop_back();
    return limb;
  }

  void give(double* limb) {
    const std::lock_guard lock(mutex_);
    free_.push_back(limb);
  }

 private:
  void grow(std::size_t degree) {
    void* slab = ::mmap(nullptr, kSlabBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (slab == MAP_FAILED) throw std::bad_alloc();
    ::madvise(slab, kSlabBytes, MADV_HUGEPAGE);  // advice: where it is refused, small pages serve
    const std::size_t count = kSlabBytes / limb_bytes(degree);
    for (std::size_t k = count; k-- > 0;) free_.push_back(static_cast<double*>(slab) + k * (degree + kPadding));
  }

  std::mutex mutex_;
  std::vector<double*> free_;
};

Pool& pool_of(std::size_t degree) {
  OBSCURA_CHECK(std::has_single_bit(degree) && limb_bytes(degree) <= kSlabBytes, "a limb of degree {}", degree);
  // Never destroyed: polynomials of static duration may outlive any order of destruction.
  static auto* pools = new std::array<Pool, 32>();
  return (*pools)[static_cast<std::size_t>(std::countr_zero(degree))];
}

}  // namespace

std::size_t limb_bytes(std::size_t degree) { return (degree + kPadding) * sizeof(double); }
double* take_limb(std::size_t degree) { return pool_of(degree).take(degree); }
void give_limb(std::size_t degree, double* limb) { pool_of(degree).give(limb); }

}  // namespace obscura::ring
