// SPDX-License-Identifier: Apache-2.0
#include "ring/poly.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/random.h"
#include "ring/resources.h"

namespace obscura::ring {

template <Form kForm>
Poly<kForm>::Poly(std::shared_ptr<Resources> resources, std::size_t degree, std::size_t limbs)
    : resources_(std::move(resources)), degree_(degree), limbs_(limbs) {
  resources_->take_limbs(degree, limbs_);
}

template <Form kForm>
Poly<kForm> Poly<kForm>::absent(std::shared_ptr<Resources> resources, std::size_t degree, std::size_t limbs) {
  Poly poly;
  poly.resources_ = std::move(resources);
  poly.degree_ = degree;
  poly.limbs_.assign(limbs, nullptr);
  return poly;
}

template <Form kForm>
Poly<kForm>::Poly(const Poly& other)
    : resources_(other.resources_), degree_(other.degree_), limbs_(other.limbs_.size()) {
  for (std::size_t i = 0; i < limbs(); ++i) {
    OBSCURA_CHECK(other.limbs_[i] != nullptr, "copy of a polynomial whose limb {} is absent", i);
  }
  if (limbs_.empty()) return;
  resources_->take_limbs(degree_, limbs_);
  for (std::size_t i = 0; i < limbs(); ++i) std::copy_n(other.limbs_[i], degree_, limbs_[i]);
}

template <Form kForm>
Poly<kForm>::Poly(Poly&& other) noexcept
    : resources_(std::move(other.resources_)),
      degree_(std::exchange(other.degree_, 0)),
      limbs_(std::exchange(other.limbs_, {})) {}

template <Form kForm>
Poly<kForm>& Poly<kForm>::operator=(const Poly& other) {
  if (this != &other) *this = Poly(other);
  return *this;
}

template <Form kForm>
Poly<kForm>& Poly<kForm>::operator=(Poly&& other) noexcept {
  std::swap(resources_, other.resources_);
  std::swap(degree_, other.degree_);
  std::swap(limbs_, other.limbs_);
  return *this;
}

template <Form kForm>
Poly<kForm>::~Poly() {
  if (!limbs_.empty()) resources_->give_limbs(degree_, limbs_);
}

template <Form kForm>
void Poly<kForm>::take(std::size_t i) {
  OBSCURA_CHECK(limbs_[i] == nullptr, "take: limb {} is there already", i);
  resources_->take_limbs(degree_, std::span(limbs_).subspan(i, 1));
}

template <Form kForm>
void Poly<kForm>::give(std::size_t i) {
  OBSCURA_CHECK(limbs_[i] != nullptr, "give: limb {} is absent", i);
  resources_->give_limbs(degree_, std::span(limbs_).subspan(i, 1));
  limbs_[i] = nullptr;
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
  for (; limbs_.size() > limbs; limbs_.pop_back()) resources_->give_limbs(degree_, std::span(limbs_).last(1));
}

template <Form kForm>
std::size_t Poly<kForm>::bytes(std::size_t degree, std::size_t limbs) {
  return Resources::limb_bytes(degree) * limbs;
}

template class Poly<Form::coefficient>;
template class Poly<Form::ntt>;

}  // namespace obscura::ring
