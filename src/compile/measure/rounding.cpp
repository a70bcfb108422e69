// SPDX-License-Identifier: Apache-2.0
#include "compile/measure/rounding.h"

#include <cmath>

#include "compile/measure/quantize.h"

namespace obscura::compile {
namespace {

/// Bits at which each map is measured alone; the effect of others follows from the ratio of scales.
constexpr int kReferenceBits = 10;

double largest_row_norm(const SparseMatrix& matrix) {
  double largest = 0;
  for (std::size_t r = 0; r < matrix.rows; ++r) {
    double norm = 0;
    for (std::uint64_t k = matrix.start[r]; k < matrix.start[r + 1]; ++k) norm += std::abs(matrix.value[k]);
    largest = std::max(largest, norm);
  }
  return largest;
}

}  // namespace

Result<MapRounding> Rounding::bits_of(std::size_t segment, std::size_t index, Place place) const {
  const LinearMap& map = network_->segments[segment][index];
  MapRounding out;
  out.squares.assign(Points(*network_).count(), 0);
  // Whole weights in a sum get bits like others: their scale makes the headroom for what is added.
  const auto whole = place == Place::alone ? whole_scale(map) : std::nullopt;
  if (whole) {
    out.exact = true;
    out.scale = *whole;
    return out;
  }
  const double norm = largest_row_norm(map.matrix), largest = largest_weight(map);
  const double half = map.matrix.cols / 2.0;  // what rounding can add to a row
  for (int bits = kMinWeightBits; bits <= kMaxWeightBits; ++bits) {
    const double scale = power_scale(largest, bits);
    if (norm * scale + half >= static_cast<double>(ckks::kMaxRowNorm)) break;
    out.scales.push_back(scale);
    out.max_bits = bits;
  }
  if (out.scales.empty()) {
    return error(Code::infeasible, "{}: weights of {} bits add up to 2^{:.1f}; below 2^28 is allowed", map.origin,
                 kMinWeightBits, std::log2(norm * power_scale(largest, kMinWeightBits)));
  }
  out.scale_matched = place == Place::shortcut;
  if (out.scale_matched) out.scale = out.scales.back();
  out.reference = power_scale(largest, kReferenceBits);
  return out;
}

Result<Rounding> Rounding::measure(const MonicNetwork& network, const Images& images) {
  Rounding out(network, images);
  std::vector<Place> places(network.segments.size(), Place::alone);
  const std::vector<char> rescaled = rescaled_shortcuts(network);
  for (const Junction& junction : network.junctions) {
    bool matched = false;
    for (const Branch& branch : std::span(junction.branches).subspan(1)) {
      if (rescaled[branch.segment]) continue;
      places[branch.segment] = Place::shortcut;
      matched = true;
    }
    if (matched) places[junction.branches[0].segment] = Place::first_of_sum;
  }
  std::vector<LaneMaps> alone;  // of each map that is rounded
  for (std::size_t s = 0; s < network.segments.size(); ++s) {
    out.maps_.emplace_back();
    for (std::size_t m = 0; m < network.segments[s].size(); ++m) {
      const Place place = m + 1 == network.segments[s].size() ? places[s] : Place::alone;
      OBSCURA_TRY(MapRounding map, out.bits_of(s, m, place));
      if (!map.exact) {
        alone.push_back(out.exact_);
        alone.back()[s][m] = std::make_shared<const LaneMatrix>(out.exact_[s][m]->rounded(map.reference));
      }
      out.maps_.back().push_back(std::move(map));
    }
  }
  auto squares = rounding_errors(network, out.exact_, alone, images);
  auto next = squares.begin();
  for (auto& segment : out.maps_) {
    for (MapRounding& map : segment) {
      if (!map.exact) map.squares = std::move(*next++);
    }
  }
  return out;
}

WeightBits Rounding::uniform(int bits) const {
  WeightBits out;
  for (const auto& segment : maps_) {
    out.emplace_back();
    for (const auto& map : segment) out.back().push_back(map.fixed() ? 0 : std::min(bits, map.max_bits));
  }
  return out;
}

WeightScales Rounding::scales(const WeightBits& bits) const {
  WeightScales out;
  for (std::size_t s = 0; s < maps_.size(); ++s) {
    out.emplace_back();
    for (std::size_t m = 0; m < maps_[s].size(); ++m) {
      const MapRounding& map = maps_[s][m];
      out.back().push_back(map.fixed() ? map.scale : map.scales[static_cast<std::size_t>(bits[s][m] - kMinWeightBits)]);
    }
  }
  return out;
}

std::vector<double> Rounding::predict(const WeightScales& scales) const {
  std::vector<double> out(maps_[0][0].squares.size(), 0);
  for (std::size_t s = 0; s < maps_.size(); ++s) {
    for (std::size_t m = 0; m < maps_[s].size(); ++m) {
      const MapRounding& map = maps_[s][m];
      if (map.exact) continue;
      const double ratio = map.reference / scales[s][m];
      const double factor = ratio * ratio;
      for (std::size_t p = 0; p < out.size(); ++p) out[p] += map.squares[p] * factor;
    }
  }
  return out;
}

std::vector<double> Rounding::measure_together(const WeightScales& scales) const {
  LaneMaps together = exact_;
  for (std::size_t s = 0; s < maps_.size(); ++s) {
    for (std::size_t m = 0; m < maps_[s].size(); ++m) {
      if (maps_[s][m].exact) continue;
      together[s][m] = std::make_shared<const LaneMatrix>(exact_[s][m]->rounded(scales[s][m]));
    }
  }
  return rounding_errors(*network_, exact_, {together}, images_)[0];
}

bool Rounding::all_exact() const {
  for (const auto& segment : maps_) {
    for (const auto& map : segment) {
      if (!map.exact) return false;
    }
  }
  return true;
}

}  // namespace obscura::compile
