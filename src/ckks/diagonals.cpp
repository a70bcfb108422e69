// SPDX-License-Identifier: Apache-2.0
#include "ckks/diagonals.h"

#include <algorithm>
#include <bit>

#include "base/parallel.h"
#include "ckks/keyswitch.h"

namespace obscura::ckks {

namespace {

/// Slots of one repetition that are encoded.
std::size_t period_of(const Context& context, const TransformPlace& place) {
  const std::size_t slots = context.params().slots();
  if (place.period == 0) return slots;
  OBSCURA_CHECK(std::has_single_bit(place.period) && place.period <= slots, "transform: a period of {} in {} slots",
                place.period, slots);
  return std::min(slots, std::max(place.period, context.encoder().least_period()));
}

std::size_t repeat_of(const Context& context, const TransformPlace& place) {
  return std::min(kMostRepeats, context.params().slots() / period_of(context, place));
}

/// Octet q of a row has what stands at vector q * repeat of the whole NTT, row 8 b + c of it (block b, c-th octet of
/// the transposed block), in whose lane r is value 64 b + 8 r + c of N; of the small NTT that is value (..) / gap.
std::vector<std::uint32_t> octets_of(std::size_t degree, std::size_t gap, std::size_t repeat) {
  std::vector<std::uint32_t> out(degree / repeat);
  for (std::size_t j = 0; j < out.size(); ++j) {
    const std::size_t vector = j / 8 * repeat, lane = j % 8;
    const std::size_t value = (vector / 8 * 64 + 8 * lane + vector % 8) / gap;
    out[j] = static_cast<std::uint32_t>(value / 64 * 64 + value % 8 * 8 + value / 8 % 8);
  }
  return out;
}

}  // namespace

std::size_t embedding_bytes(const Context& context, const TransformPlace& place, std::size_t terms) {
  return terms * ring::CoeffPoly::bytes(2 * period_of(context, place), 1);
}

std::size_t residue_bytes(const Context& context, const TransformPlace& place, std::size_t terms) {
  return terms *
         ring::NttPoly::bytes(context.degree() / repeat_of(context, place), place.limbs + context.special_limbs());
}

DiagonalStore::DiagonalStore(std::shared_ptr<const Context> context, std::shared_ptr<const TransformShape> shape,
                             DiagonalValues values, const TransformPlace& place, double scale)
    : context_(std::move(context)),
      shape_(std::move(shape)),
      values_(std::move(values)),
      place_(place),
      scale_(scale),
      period_(period_of(*context_, place)),
      repeat_(repeat_of(*context_, place)),
      kept_(shape_->groups().size()) {
  const std::size_t n = shape_->slots(), terms = shape_->plaintexts();
  if (period_ < n) octets_ = octets_of(2 * n, n / period_, repeat_);
  const std::size_t one = embedding_bytes(*context_, place, 1), whole = residue_bytes(*context_, place, 1);
  const bool all = terms * one <= place.memory;
  std::size_t left = all && terms * whole > place.memory ? place.memory - terms * one : place.memory;
  for (const TransformGroup& group : shape_->groups()) {
    // What more the residues take than the embeddings that are counted already.
    const std::size_t more = group.terms.size() * (terms * whole <= place.memory ? whole : all ? whole - one : one);
    if (more > left) break;
    left -= more;
    ++(all ? residue_groups_ : embedding_groups_);
  }
  if (all) embedding_groups_ = kept_.size();
}

const double* DiagonalStore::Group::row(std::size_t term, std::size_t row, ring::NttPoly& scratch,
                                        std::size_t at) const {
  if (residues_) return (*residues_)[term].limb(row);
  if (scratch.limb(at) == nullptr) scratch.take(at);
  store_->reduce((*embeddings_)[term], row, scratch.limb(at));
  return scratch.limb(at);
}

void DiagonalStore::reduce(const Embedding& embedding, std::size_t row, double* limb) const {
  const std::size_t prime = extended_prime(*context_, place_.limbs, row);
  if (octets_.empty()) return context_->encoder().reduce(embedding, prime, limb);
  double* values = limb + context_->degree() / 2;
  context_->encoder().reduce(embedding, prime, values);
  context_->kernels().permute(limb, values, octets_.data(), octets_.size());
}

std::vector<Embedding> DiagonalStore::embed(const TransformGroup& group) const {
  const std::size_t n = shape_->slots();
  // Rotated right by the giant step, which turns the sum left.
  const std::size_t first = static_cast<std::size_t>(static_cast<std::int64_t>(n) - group.giant) % n;
  std::vector<Embedding> out(group.terms.size());
  base::parallel_for(out.size(), [&](std::size_t k) {
    const Diagonal& diagonal = group.terms[k].diagonal;
    std::vector<std::complex<double>> slots(n);
    values_(diagonal, slots);
    if (group.terms[k].paired) subtract_imaginary(slots, diagonal);
    OBSCURA_CHECK(std::equal(slots.begin() + static_cast<std::ptrdiff_t>(period_), slots.end(), slots.begin()),
                  "transform: the diagonal of step {} does not repeat with period {}", diagonal.step, period_);
    const auto begin = slots.begin(), end = begin + static_cast<std::ptrdiff_t>(period_);
    std::rotate(begin, begin + static_cast<std::ptrdiff_t>(first % period_), end);
    out[k] = context_->encoder().embed_repeated(std::span(slots).first(period_), scale_);
  });
  return out;
}

void DiagonalStore::subtract_imaginary(std::span<std::complex<double>> slots, Diagonal first) const {
  first.step += shape_->split().pair;
  std::vector<std::complex<double>> other(slots.size());
  values_(first, other);
  for (std::size_t j = 0; j < slots.size(); ++j) slots[j] -= std::complex<double>(0, 1) * other[j].real();
}

std::vector<ring::NttPoly> DiagonalStore::reduce_all(const std::vector<Embedding>& embeddings) const {
  const std::size_t rows = place_.limbs + context_->special_limbs(), degree = context_->degree() / repeat_;
  std::vector<ring::NttPoly> out;
  for (std::size_t k = 0; k < embeddings.size(); ++k) out.emplace_back(context_->resources(), degree, rows);
  base::parallel_for(embeddings.size(), [&](std::size_t k) {
    ring::NttPoly scratch(context_->resources(), context_->degree(), 1);
    for (std::size_t row = 0; row < rows; ++row) {
      reduce(embeddings[k], row, scratch.limb(0));
      std::copy_n(scratch.limb(0), degree, out[k].limb(row));
    }
  });
  return out;
}

DiagonalStore::Group DiagonalStore::open(std::size_t group) const {
  {
    const std::lock_guard lock(mutex_);
    if (kept_[group].store_ != nullptr) return kept_[group];
  }
  Group out;
  out.store_ = this;
  out.embeddings_ = std::make_shared<const std::vector<Embedding>>(embed(shape_->groups()[group]));
  if (group >= std::max(residue_groups_, embedding_groups_)) return out;
  if (group < residue_groups_) {
    out.residues_ = std::make_shared<const std::vector<ring::NttPoly>>(reduce_all(*out.embeddings_));
    out.embeddings_.reset();
  }
  const std::lock_guard lock(mutex_);
  if (kept_[group].store_ == nullptr) kept_[group] = std::move(out);
  return kept_[group];
}

std::size_t DiagonalStore::bytes() const {
  const std::lock_guard lock(mutex_);
  std::size_t sum = 0;
  for (const Group& group : kept_) {
    if (group.residues_) sum += residue_bytes(*context_, place_, group.residues_->size());
    if (group.embeddings_) sum += embedding_bytes(*context_, place_, group.embeddings_->size());
  }
  return sum;
}

}  // namespace obscura::ckks
