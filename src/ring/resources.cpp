// SPDX-License-Identifier: Apache-2.0
#include "ring/resources.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <new>

#include "base/check.h"

namespace obscura::ring {

namespace {

/// Limbs a power of two apart fall into the same cache sets; two more lines keep them apart.
constexpr std::size_t kPadding = 16;
#ifdef __EMSCRIPTEN__
// WebAssembly's memory grows by all of a slab at once, touched or not.
constexpr std::size_t kSlabBytes = std::size_t{4} << 20;
#else
constexpr std::size_t kSlabBytes = std::size_t{32} << 20;
#endif

std::size_t limbs_of_slab(std::size_t degree) { return kSlabBytes / Resources::limb_bytes(degree); }

double* map_slab() {
  void* slab = ::mmap(nullptr, kSlabBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (slab == MAP_FAILED) throw std::bad_alloc();
  ::madvise(slab, kSlabBytes, MADV_HUGEPAGE);  // advice: where it is refused, small pages serve
  return static_cast<double*>(slab);
}

}  // namespace

std::shared_ptr<Resources> Resources::make(const kernels::Kernels& kernels) {
  return std::shared_ptr<Resources>(new Resources(kernels));
}

Resources::~Resources() {
  for (const Pool& pool : pools_) {
    for (double* slab : pool.slabs) ::munmap(slab, kSlabBytes);
  }
}

std::size_t Resources::limb_bytes(std::size_t degree) { return (degree + kPadding) * sizeof(double); }

Resources::Pool& Resources::pool_of(std::size_t degree) {
  OBSCURA_CHECK(std::has_single_bit(degree) && limb_bytes(degree) <= kSlabBytes, "a limb of degree {}", degree);
  return pools_[static_cast<std::size_t>(std::countr_zero(degree))];
}

void Resources::take_limbs(std::size_t degree, std::span<double*> limbs) {
  if (limbs.empty()) return;
  Pool& pool = pool_of(degree);
  const std::lock_guard lock(pool.mutex);
  while (pool.free.size() < limbs.size()) {
    const std::size_t count = limbs_of_slab(degree);
    // All that may fail before there is something to lose; room for every limb, so that giving cannot fail.
    pool.slabs.reserve(pool.slabs.size() + 1);
    pool.free.reserve((pool.slabs.size() + 1) * count);
    double* slab = pool.slabs.emplace_back(map_slab());
    for (std::size_t k = count; k-- > 0;) pool.free.push_back(slab + k * (degree + kPadding));
  }
  for (double*& limb : limbs) {
    limb = pool.free.back();
    pool.free.pop_back();
  }
}

void Resources::give_limbs(std::size_t degree, std::span<double* const> limbs) noexcept {
  if (limbs.empty()) return;
  Pool& pool = pool_of(degree);
  const std::lock_guard lock(pool.mutex);
  // The last was written last, as a rule, so that it is in a cache yet, and will be the next to be taken: the other way
  // round squares at 2^14 took 15 % longer.
  for (double* limb : limbs) {
    if (limb != nullptr) pool.free.push_back(limb);
  }
}

std::shared_ptr<const kernels::NttTable> Resources::table(std::size_t degree, std::uint64_t prime, RingType ring) {
  const std::lock_guard lock(tables_mutex_);
  auto& place = tables_[{degree, prime, ring}];
  auto table = place.lock();
  if (table == nullptr) {
    table = std::make_shared<const kernels::NttTable>(kernels::make_ntt_table(degree, prime, ring));
    place = table;
  }
  return table;
}

void Resources::trim() {
  for (std::size_t k = 0; k < pools_.size(); ++k) {
    Pool& pool = pools_[k];
    const std::lock_guard lock(pool.mutex);
    if (pool.slabs.empty()) continue;
    std::sort(pool.slabs.begin(), pool.slabs.end());
    std::vector<std::size_t> free(pool.slabs.size());
    const auto slab_of = [&](const double* limb) {
      const auto after = std::upper_bound(pool.slabs.begin(), pool.slabs.end(), limb);
      return static_cast<std::size_t>(after - pool.slabs.begin()) - 1;
    };
    for (const double* limb : pool.free) ++free[slab_of(limb)];
    const std::size_t whole = limbs_of_slab(std::size_t{1} << k);
    std::erase_if(pool.free, [&](const double* limb) { return free[slab_of(limb)] == whole; });
    std::vector<double*> kept;
    for (std::size_t i = 0; i < pool.slabs.size(); ++i) {
      if (free[i] < whole) {
        kept.push_back(pool.slabs[i]);
      } else {
        ::munmap(pool.slabs[i], kSlabBytes);
      }
    }
    pool.slabs = std::move(kept);
  }
}

std::size_t Resources::mapped_bytes() const {
  std::size_t slabs = 0;
  for (const Pool& pool : pools_) {
    const std::lock_guard lock(pool.mutex);
    slabs += pool.slabs.size();
  }
  return slabs * kSlabBytes;
}

}  // namespace obscura::ring
