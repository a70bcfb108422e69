// SPDX-License-Identifier: Apache-2.0
#include "plan/diagonal_weights.h"

#include <algorithm>

#include "plan/slot_map.h"

namespace obscura::plan {

DiagonalWeights::DiagonalWeights(const MapBetween& of, const Diagonals& diagonals)
    : slots_(diagonals.slots()),
      sharing_(diagonals.sharing()),
      weight_scale_(diagonals.weight_scale()),
      places_(diagonals.places()) {
  const std::uint64_t positions = of.to.positions(slots_);
  const SlotMap slot_map(of.from, of.to, of.spread, positions);
  const std::uint32_t turn = slot_map.distances() - 1;  // a power of two
  StepTable next(of.from.ciphertexts(), of.to.ciphertexts(), slot_map.distances());
  const auto turned = [&](std::int64_t step) { return static_cast<std::uint32_t>(step) & turn; };
  start_.push_back(0);
  for (std::size_t k = 0; k < places_.size(); ++k) {  // where the next entry goes
    next.of(places_[k].output, places_[k].input)[turned(places_[k].step / sharing_.step())] =
        static_cast<std::uint32_t>(start_[k]);
    start_.push_back(start_[k] + diagonals.entries(k));
  }
  weights_.resize(start_.back());
  for (const ckks::IntegerBlock& block : of.map.blocks) {
    const ckks::IntegerMatrix& matrix = of.map.matrices[block.matrix];
    for (std::size_t r = 0; r < block.outputs.size(); ++r) {
      for (std::size_t c = 0; c < block.inputs.size(); ++c) {
        const std::int32_t w = matrix.data[r * matrix.cols + c];
        if (w == 0) continue;
        for (std::uint32_t copy = 0; copy < slot_map.copies(); ++copy) {
          const Entry entry = slot_map.at(block.outputs[r], block.inputs[c], copy);
          const ckks::Diagonal& at = entry.diagonal;
          weights_[next.of(at.output, at.input)[turned(at.step)]++] = {entry.position, static_cast<float>(w)};
        }
      }
    }
  }
  for (std::uint32_t o = 0; o < of.bias.size(); ++o) {
    if (of.bias[o] == 0) continue;
    Place at = of.to.place(o);
    for (; at.position < positions; at.position += of.to.period) biases_.emplace_back(at, of.bias[o]);
  }
}

void DiagonalWeights::fill(const ckks::Diagonal& place, std::span<std::complex<double>> slots) const {
  const auto found = std::lower_bound(places_.begin(), places_.end(), place);
  OBSCURA_CHECK(found != places_.end() && *found == place, "no diagonal of step {}", place.step);
  for (const Weight& w : of(static_cast<std::size_t>(found - places_.begin()))) {
    const double number = static_cast<double>(w.weight) / weight_scale_;
    for (std::uint32_t image = 0; image < sharing_.images; ++image) slots[sharing_.slot(w.position, image)] += number;
  }
}

std::vector<double> DiagonalWeights::bias(std::uint32_t output) const {
  std::vector<double> out(slots_, 0);
  for (const auto& [place, value] : biases_) {
    if (place.ciphertext != output) continue;
    for (std::uint32_t image = 0; image < sharing_.images; ++image) out[sharing_.slot(place.position, image)] = value;
  }
  return out;
}

}  // namespace obscura::plan
