// SPDX-License-Identifier: Apache-2.0
#include "ring/poly.h"

#include <tbb/scalable_allocator.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "base/check.h"

namespace obscura::ring {

template <Form kForm>
void Poly<kForm>::Free::operator()(double* p) const {
  scalable_aligned_free(p);
}

template <Form kForm>
std::size_t Poly<kForm>::bytes(std::size_t degree, std::size_t limbs) {
  return (degree + 16) * limbs * sizeof(double);
}

template <Form kForm>
Poly<kForm>::Poly(std::size_t degree, std::size_t limbs) : degree_(degree), limbs_(limbs) {
  if (limbs == 0) return;
  // The scalable allocator keeps freed blocks at hand: a fresh mapping would be zeroed page by page.
  data_.reset(static_cast<double*>(scalable_aligned_malloc(bytes(degree, limbs), 64)));
  if (data_ == nullptr) throw std::bad_alloc();
}

template <Form kForm>
Poly<kForm>::Poly(const Poly& other) : Poly(other.degree_, other.limbs_) {
  if (limbs_ > 0) std::memcpy(data_.get(), other.data_.get(), bytes(degree_, limbs_));
}

template <Form kForm>
Poly<kForm>& Poly<kForm>::operator=(const Poly& other) {
  if (this != &other) *this = Poly(other);
  return *this;
}

template <Form kForm>
void Poly<kForm>::set_zero() {
  for (std::size_t i = 0; i < limbs_; ++i) std::fill_n(limb(i), degree_, 0.0);
}

template <Form kForm>
void Poly<kForm>::drop_to(std::size_t limbs) {
  OBSCURA_CHECK(limbs <= limbs_, "drop_to: {} limbs of {}", limbs, limbs_);
  limbs_ = limbs;
}

template class Poly<Form::coefficient>;
template class Poly<Form::ntt>;

}  // namespace obscura::ring
