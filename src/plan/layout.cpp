// SPDX-License-Identifier: Apache-2.0
#include "plan/layout.h"

#include <algorithm>
#include <bit>
#include <cstdlib>

namespace obscura::plan {
namespace {

std::int64_t floor_mod(std::int64_t a, std::int64_t m) { return (a % m + m) % m; }

/// Into (-m/2, m/2].
std::int64_t centred(std::int64_t a, std::int64_t m) {
  const std::int64_t left = floor_mod(a, m);
  return left > m / 2 ? left - m : left;
}

}  // namespace

Place Layout::place(std::uint32_t element) const {
  const std::uint32_t x = element % width;
  const std::uint32_t y = element / width % height;
  const std::uint32_t c = element / width / height;
  const Place unit = units[(c * phases + y % phases) * phases + x % phases];
  return {unit.ciphertext, unit.position + y / phases * row + x / phases * column};
}

std::vector<Place> Layout::places() const {
  std::vector<Place> out;
  out.reserve(elements());
  for (std::uint32_t e = 0; e < elements(); ++e) out.push_back(place(e));
  return out;
}

std::uint32_t Layout::ciphertexts() const {
  std::uint32_t most = 0;
  for (const Place& unit : units) most = std::max(most, unit.ciphertext + 1);
  return most;
}

Layout batch_layout(std::uint32_t elements, std::uint64_t slots) {
  Layout out;
  out.channels = elements;
  out.period = 1;
  out.images = static_cast<std::uint32_t>(slots);
  for (std::uint32_t e = 0; e < elements; ++e) out.units.push_back({e, 0});
  return out;
}

Packing::Packing(const Layout& layout, std::uint64_t slots)
    : slots_(slots), images_(layout.images), stride_(std::uint64_t{layout.period} * layout.images) {
  by_ciphertext_.resize(layout.ciphertexts());
  for (std::uint32_t e = 0; e < layout.elements(); ++e) {
    const Place at = layout.place(e);
    by_ciphertext_[at.ciphertext].push_back({e, at.position});
  }
}

Result<void> verify_layout(const Layout& layout, std::uint64_t slots, const std::string& place) {
  const auto broken = [&](const std::string& what) {
    return error(Code::bad_format, "{}: a layout of {}x{}x{} {}", place, layout.channels, layout.height, layout.width,
                 what);
  };
  const auto within = [](std::uint32_t size) { return size > 0 && size <= kMaxLayoutElements; };
  if (!within(layout.channels) || !within(layout.height) || !within(layout.width) ||
      std::uint64_t{layout.channels} * layout.height > kMaxLayoutElements ||
      std::uint64_t{layout.channels} * layout.height * layout.width > kMaxLayoutElements) {
    return broken(fmt::format("; 1 to {} elements are allowed", kMaxLayoutElements));
  }
  if (layout.phases == 0 || layout.phases > std::max(layout.height, layout.width)) {
    return broken(fmt::format("in {} phases", layout.phases));
  }
  if (layout.units.size() != std::uint64_t{layout.channels} * layout.phases * layout.phases) {
    return broken(fmt::format("in {} phases has {} units", layout.phases, layout.units.size()));
  }
  if (layout.images == 0 || layout.images > slots || slots % layout.images != 0) {
    return broken(fmt::format("of {} images in {} slots; a divisor is allowed", layout.images, slots));
  }
  const std::uint64_t positions = layout.positions(slots);
  if (layout.period == 0 || layout.period > positions || positions % layout.period != 0) {
    return broken(fmt::format("repeats after {} of {} positions; a divisor is allowed", layout.period, positions));
  }
  if (layout.row >= layout.period || layout.column >= layout.period) {
    return broken(
        fmt::format("has rows {} and columns {} apart in {} positions", layout.row, layout.column, layout.period));
  }
  for (const Place& unit : layout.units) {
    const std::uint64_t last = std::uint64_t{unit.position} +
                               std::uint64_t{(layout.height - 1) / layout.phases} * layout.row +
                               std::uint64_t{(layout.width - 1) / layout.phases} * layout.column;
    if (unit.ciphertext >= layout.elements() || last >= layout.period) {
      return broken(fmt::format("reaches position {} of ciphertext {}; {} ciphertexts of {} are allowed", last,
                                unit.ciphertext, layout.elements(), layout.period));
    }
  }
  std::vector<Place> taken = layout.places();
  std::sort(taken.begin(), taken.end());
  const auto twice = std::adjacent_find(taken.begin(), taken.end());
  if (twice != taken.end()) {
    return broken(fmt::format("has two elements at position {} of ciphertext {}", twice->position, twice->ciphertext));
  }
  std::uint32_t next = 0;  // every ciphertext holds something
  for (const Place& at : taken) {
    if (at.ciphertext > next) return broken(fmt::format("leaves ciphertext {} empty", next));
    next = at.ciphertext + 1;
  }
  return {};
}

SlotMap::SlotMap(const Layout& from, const Layout& to, const std::vector<std::uint32_t>& spread,
                 std::uint64_t positions)
    : from_(from.places()),
      to_(to.places()),
      offsets_{0},
      positions_(static_cast<std::int64_t>(positions)),
      from_period_(from.period),
      to_period_(to.period),
      copies_(static_cast<std::uint32_t>(positions / to.period)) {
  for (const std::uint32_t step : spread) {
    const std::size_t size = offsets_.size();
    for (std::size_t i = 0; i < size; ++i) offsets_.push_back(offsets_[i] + step);
  }
  std::sort(offsets_.begin(), offsets_.end());
}

Entry SlotMap::at(std::uint32_t row, std::uint32_t column, std::uint32_t copy) const {
  const Place source = from_[column];
  const std::int64_t target = to_[row].position + std::int64_t{copy} * to_period_;
  // Periods and positions are powers of two.
  const std::int64_t distance = (source.position - target) & (from_period_ - 1);
  const std::int64_t offset = offsets_.size() == 1 ? 0 : nearest(distance);
  std::int64_t step = (distance - offset) & (from_period_ - 1);
  if (step > from_period_ / 2) step -= from_period_;
  Entry entry;
  entry.diagonal = {to_[row].ciphertext, source.ciphertext, step};
  entry.position = static_cast<std::uint32_t>((target + offset) & (positions_ - 1));
  return entry;
}

std::int64_t SlotMap::nearest(std::int64_t distance) const {
  const auto above = std::lower_bound(offsets_.begin(), offsets_.end(), distance);
  const std::int64_t after = above == offsets_.end() ? offsets_.front() : *above;
  const std::int64_t before = above == offsets_.begin() ? offsets_.back() : *(above - 1);
  const std::int64_t to_after = centred(distance - after, from_period_);
  const std::int64_t to_before = centred(distance - before, from_period_);
  return std::abs(to_before) <= std::abs(to_after) ? before : after;
}

}  // namespace obscura::plan
