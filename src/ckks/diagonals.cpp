// SPDX-License-Identifier: Apache-2.0
#include "ckks/diagonals.h"

#include <algorithm>

#include "base/parallel.h"
#include "ckks/keyswitch.h"

namespace obscura::ckks {

DiagonalStore::DiagonalStore(std::shared_ptr<const Context> context, std::shared_ptr<const TransformShape> shape,
                             DiagonalValues values, std::size_t limbs, double scale, std::size_t memory)
    : context_(std::move(context)),
      shape_(std::move(shape)),
      values_(std::move(values)),
      limbs_(limbs),
      scale_(scale),
      kept_(shape_->groups().size()) {
  const std::size_t one = ring::NttPoly::bytes(context_->degree(), limbs + context_->special_limbs());
  for (const TransformGroup& group : shape_->groups()) {
    if (group.terms.size() * one > memory) break;
    memory -= group.terms.size() * one;
    ++kept_groups_;
  }
}

const double* DiagonalStore::Group::row(std::size_t term, std::size_t row, ring::NttPoly& scratch,
                                        std::size_t at) const {
  if (kept_) return (*kept_)[term].limb(row);
  if (scratch.limb(at) == nullptr) scratch.take(at);
  const Context& context = *store_->context_;
  context.encoder().reduce(embeddings_[term], extended_prime(context, store_->limbs_, row), scratch.limb(at));
  return scratch.limb(at);
}

std::vector<Embedding> DiagonalStore::embed(const TransformGroup& group) const {
  const std::size_t n = shape_->slots();
  // Rotated right by the giant step, which turns the sum left.
  const std::size_t first = static_cast<std::size_t>(static_cast<std::int64_t>(n) - group.giant) % n;
  std::vector<Embedding> out(group.terms.size());
  base::parallel_for(out.size(), [&](std::size_t k) {
    std::vector<std::complex<double>> slots(n);
    values_(group.terms[k].diagonal, slots);
    std::rotate(slots.begin(), slots.begin() + static_cast<std::ptrdiff_t>(first), slots.end());
    out[k] = context_->encoder().embed(slots, scale_);
  });
  return out;
}

DiagonalStore::Group DiagonalStore::open(std::size_t group) const {
  Group out;
  out.store_ = this;
  {
    const std::lock_guard lock(mutex_);
    out.kept_ = kept_[group];
  }
  if (out.kept_) return out;
  out.embeddings_ = embed(shape_->groups()[group]);
  if (group >= kept_groups_) return out;
  const std::size_t rows = limbs_ + context_->special_limbs(), terms = out.embeddings_.size();
  auto encoded = std::make_shared<std::vector<ring::NttPoly>>();
  for (std::size_t k = 0; k < terms; ++k) encoded->emplace_back(context_->degree(), rows);
  base::parallel_for(terms * rows, [&](std::size_t task) {
    const std::size_t k = task / rows, row = task % rows;
    context_->encoder().reduce(out.embeddings_[k], extended_prime(*context_, limbs_, row), (*encoded)[k].limb(row));
  });
  out.embeddings_.clear();
  const std::lock_guard lock(mutex_);
  if (!kept_[group]) kept_[group] = std::move(encoded);
  out.kept_ = kept_[group];
  return out;
}

std::size_t DiagonalStore::bytes() const {
  const std::lock_guard lock(mutex_);
  std::size_t terms = 0;
  for (const auto& group : kept_) terms += group ? group->size() : 0;
  return terms * ring::NttPoly::bytes(context_->degree(), limbs_ + context_->special_limbs());
}

}  // namespace obscura::ckks
