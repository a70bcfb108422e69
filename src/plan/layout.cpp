// SPDX-License-Identifier: Apache-2.0
#include "plan/layout.h"

#include <algorithm>

namespace obscura::plan {

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
  out.sharing.images = static_cast<std::uint32_t>(slots);
  for (std::uint32_t e = 0; e < elements; ++e) out.units.push_back({e, 0});
  return out;
}

Packing::Packing(const Layout& layout, std::uint64_t slots)
    : sharing_(layout.sharing), slots_(slots), period_(layout.period), copies_(layout.copies(slots)) {
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
  const auto& [images, stride] = layout.sharing;
  if (images == 0 || images > slots || slots % images != 0) {
    return broken(fmt::format("of {} images in {} slots; a divisor is allowed", images, slots));
  }
  const std::uint64_t positions = layout.positions(slots);
  if (stride != 1 && (images == 1 || stride != positions)) {
    return broken(
        fmt::format("of {} images {} slots apart; 1 or, of several images, {} is allowed", images, stride, positions));
  }
  if (layout.period == 0 || layout.period > positions || positions % layout.period != 0) {
    return broken(fmt::format("repeats after {} of {} positions; a divisor is allowed", layout.period, positions));
  }
  if (!layout.sharing.interleaved() && layout.period != positions) {
    return broken(fmt::format("repeats after {} of {} positions, of images one after the other; no copies are allowed",
                              layout.period, positions));
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
  std::vector<std::vector<std::uint32_t>> taken(layout.ciphertexts());
  for (std::uint32_t e = 0; e < layout.elements(); ++e) {
    const Place at = layout.place(e);
    taken[at.ciphertext].push_back(at.position);
  }
  std::vector<char> seen(layout.period, 0);
  for (std::size_t c = 0; c < taken.size(); ++c) {
    if (taken[c].empty()) return broken(fmt::format("leaves ciphertext {} empty", c));
    for (const std::uint32_t position : taken[c]) {
      if (seen[position]++) return broken(fmt::format("has two elements at position {} of ciphertext {}", position, c));
    }
    for (const std::uint32_t position : taken[c]) seen[position] = 0;
  }
  return {};
}

}  // namespace obscura::plan
