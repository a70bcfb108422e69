// SPDX-License-Identifier: Apache-2.0
/// Polynomials of Z_q[X]/(X^N+1) in RNS: one limb of N doubles for each prime.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace obscura::ring {

class Resources;

/// Which N numbers stand in a limb: coefficients, or values at the 2N-th roots of unity (in the order of kernels/ntt).
enum class Form { coefficient, ntt };

/// Limbs of residues held as doubles, |x| <= 0.6 p at rest (kernels/kernels.h). A polynomial knows only its size;
/// which prime a limb belongs to is its index in the Basis: chain primes first, special primes after them where the
/// owner says so. Its limbs are of the resources that it was made with, which it keeps alive. Copying copies the
/// residues, into limbs of the same resources; moving is O(1). The form is part of the type, so that a product of
/// coefficients is a compile error.
template <Form kForm>
class Poly {
 public:
  Poly() = default;
  /// Uninitialised residues.
  Poly(std::shared_ptr<Resources> resources, std::size_t degree, std::size_t limbs);
  /// Limbs that are not there yet: each must be taken before it is touched.
  static Poly absent(std::shared_ptr<Resources> resources, std::size_t degree, std::size_t limbs);
  Poly(const Poly& other);
  Poly(Poly&& other) noexcept;
  Poly& operator=(const Poly& other);
  Poly& operator=(Poly&& other) noexcept;
  ~Poly();

  std::size_t degree() const { return degree_; }
  std::size_t limbs() const { return limbs_.size(); }
  double* limb(std::size_t i) { return limbs_[i]; }
  const double* limb(std::size_t i) const { return limbs_[i]; }
  std::span<double> residues(std::size_t i) { return {limbs_[i], degree_}; }
  std::span<const double> residues(std::size_t i) const { return {limbs_[i], degree_}; }
  void set_zero();
  /// set_zero that the compiler may not remove: for secrets, before they go.
  void zeroize();
  /// Makes an absent limb, uninitialised; gives one back, for work that goes through polynomials limb by limb.
  void take(std::size_t i);
  void give(std::size_t i);
  /// Gives the limbs from `limbs` on back.
  void drop_to(std::size_t limbs);
  static std::size_t bytes(std::size_t degree, std::size_t limbs);

 private:
  std::shared_ptr<Resources> resources_;
  std::size_t degree_ = 0;
  std::vector<double*> limbs_;  ///< null where absent
};

using CoeffPoly = Poly<Form::coefficient>;
using NttPoly = Poly<Form::ntt>;

extern template class Poly<Form::coefficient>;
extern template class Poly<Form::ntt>;

}  // namespace obscura::ring
