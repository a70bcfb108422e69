// SPDX-License-Identifier: Apache-2.0
/// What all that computes on polynomials shares, and nothing else of the process has: the buffers of limbs, the NTT
/// tables, the instruction set. Whoever makes a context may hand it the resources of another one; contexts that are
/// used together (client and server in one process, the sessions of a service) should.
///
/// A fresh page costs microseconds to fault in, more than the arithmetic on it, and a network frees and takes
/// gigabytes: so limbs of one degree come from slabs that are recycled. Slabs go back to the system with the last
/// holder of the resources (each Basis and each Poly is one), and before that where trim() finds them free. The
/// high-water mark is the peak of live limbs since the last trim().
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <tuple>
#include <vector>

#include "kernels/kernels.h"

namespace obscura::ring {

using kernels::RingType;

/// threads  concurrent, all of it
class Resources {
 public:
  static std::shared_ptr<Resources> make(const kernels::Kernels& kernels = kernels::best());
  ~Resources();
  Resources(const Resources&) = delete;
  Resources& operator=(const Resources&) = delete;

  /// What everything on these resources computes with: those of make(), which outlive them.
  const kernels::Kernels& kernels() const { return *kernels_; }

  /// Fills `limbs` with buffers of `degree` doubles each, aligned to 64 bytes, uninitialised.
  /// errors  std::bad_alloc; none is taken then
  void take_limbs(std::size_t degree, std::span<double*> limbs);
  /// Back, those that are not null.
  void give_limbs(std::size_t degree, std::span<double* const> limbs) noexcept;
  /// Bytes that one limb of this degree takes.
  static std::size_t limb_bytes(std::size_t degree);

  /// The table of a prime: one for all that ask for it while one of them holds it (bootstrapping has three contexts of
  /// the same primes).
  /// cost    the first time N modular products; all who ask wait
  std::shared_ptr<const kernels::NttTable> table(std::size_t degree, std::uint64_t prime,
                                                 RingType ring = RingType::standard);

  /// Gives slabs of which no limb is taken back to the system: for the end of something large that others outlive.
  /// cost    a sort of the free limbs; taking and giving wait
  void trim();
  /// Of all slabs.
  std::size_t mapped_bytes() const;

 private:
  /// Slabs of one degree and their free limbs.
  struct Pool {
    mutable std::mutex mutex;
    std::vector<double*> slabs;
    std::vector<double*> free;  ///< the last to be given is the next to be taken: it may be in a cache yet
  };
  static constexpr std::size_t kPools = 32;

  explicit Resources(const kernels::Kernels& kernels) : kernels_(&kernels) {}
  Pool& pool_of(std::size_t degree);

  const kernels::Kernels* kernels_;
  std::array<Pool, kPools> pools_;  ///< by the logarithm of the degree
  std::mutex tables_mutex_;
  std::map<std::tuple<std::size_t, std::uint64_t, RingType>, std::weak_ptr<const kernels::NttTable>> tables_;
};

}  // namespace obscura::ring
