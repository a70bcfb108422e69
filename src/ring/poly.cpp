// SPDX-License-Identifier: Apache-2.0
#include "ring/poly.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/random.h"
#include "ring/pool.h"

namespace obscura::ring {

template <Form kForm>
Poly<kForm>::Poly(std::size_t degree, std::size_t limbs) : degree_(degree) {
  limbs_.reserve(limbs);
  for (std::size_t i = 0; i < limbs; ++i) limbs_.push_back(take_limb(degree));
}

template <Form kForm>
Poly<kForm> Poly<kForm>::absent(std::size_t degree, std::size_t limbs) {
  Poly poly;
  poly.degree_ = degree;
  poly.limbs_.assign(limbs, nullptr);
  return poly;
}

template <Form kForm>
Poly<kForm>::Poly(const Poly& other) : Poly(other.degree_, other.limbs()) {
  for (std::size_t i = 0; i < limbs(); ++i) {
    OBSCURA_CHECK(other.limbs_[i] != nullptr, "copy of a polynomial whose limb {} is absent", i);
    std::copy_n(other.limbs_[i], degree_, limbs_[i]);
  }
}

template <Form kForm>
Poly<kForm>::Poly(Poly&& other) noexcept
    : degree_(std::exchange(other.degree_, 0)), limbs_(std::exchange(other.limbs_, {})) {}

template <Form kForm>
Poly<kForm>& Poly<kForm>::operator=(const Poly& other) {
  if (this != &other) *this = Poly(other);
  return *this;
}

template <Form kForm>
Poly<kForm>& Poly<kForm>::operator=(Poly&& other) noexcept {
  std::swap(degree_, other.degree_);
  std::swap(limbs_, other.limbs_);
  return *this;
}

template <Form kForm>
Poly<kForm>::~Poly() {
  for (double* limb : limbs_) {
    if (limb != nullptr) give_limb(degree_, limb);
  }
}

template <Form kForm>
void Poly<kForm>::take(std::size_t i) {
  OBSCURA_CHECK(limbs_[i] == nullptr, "take: limb {} is there already", i);
  limbs_[i] = take_limb(degree_);
}

template <Form kForm>
void Poly<kForm>::give(std::size_t i) {
  OBSCURA_CHECK(limbs_[i] != nullptr, "give: limb {} is absent", i);
  give_limb(degree_, std::exchange(limbs_[i], nullptr));
}

template <Form kForm>
void Poly<kForm>::set_zero() {
  for (double* limb : limbs_) std::fill_n(limb, degree_, 0.0);
}

template <Form kForm>
void Poly<kForm>::zeroize() {
  for (double* limb : limbs_) base::zeroize(limb, degree_ * sizeof(double));
}

template <Form kForm>
void Poly<kForm>::drop_to(std::size_t limbs) {
  OBSCURA_CHECK(limbs <= limbs_.size(), "drop_to: {} limbs of {}", limbs, limbs_.size());
  for (; limbs_.size() > limbs; limbs_.pop_back()) {
    if (limbs_.back() != nullptr) give_limb(degree_, limbs_.back());
  }
}

template <Form kForm>
std::size_t Poly<kForm>::bytes(std::size_t degree, std::size_t limbs) {
  return limb_bytes(degree) * limbs;
}

template class Poly<Form::coefficient>;
template class Poly<Form::ntt>;

}  // namespace obscura::ring
