// SPDX-License-Identifier: Apache-2.0
#include "compile/rounding.h"

#include <cmath>

#include "compile/quantize.h"

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

std::vector<double> rounded(const LinearMap& map, double scale) {
  std::vector<double> out;
  out.reserve(map.matrix.value.size());
  for (const double v : map.matrix.value) out.push_back(std::round(v * scale) / scale);
  return out;
}

Weights own_weights(const MonicNetwork& network) {
  Weights out;
  for (const auto& segment : network.segments) {
    out.emplace_back();
    for (const auto& map : segment) out.back().push_back(map.matrix.value);
  }
  return out;
}

}  // namespace

Result<MapRounding> Rounding::measure_map(std::size_t segment, std::size_t index, Place place) const {
  const LinearMap& map = network_->segments[segment][index];
  MapRounding out;
  out.squares.assign(Points(*network_).count(), 0);
  // Whole weights in a sum get bits like others: their scale makes the room for what is added.
  const auto whole = place == Place::alone ? whole_scale(map) : std::nullopt;
  if (whole) {
    out.exact = true;
    out.scale = *whole;
    return out;
  }
  const double norm = largest_row_norm(map.matrix);
  const double half = map.matrix.cols / 2.0;  // what rounding can add to a row
  for (int bits = kMinWeightBits; bits <= kMaxWeightBits; ++bits) {
    const double scale = power_scale(map, bits);
    if (norm * scale + half >= static_cast<double>(ckks::kMaxRowNorm)) break;
    out.scales.push_back(scale);
    out.max_bits = bits;
  }
  if (out.scales.empty()) {
    return error(Code::infeasible, "{}: weights of {} bits add up to 2^{:.1f}; below 2^28 is allowed", map.origin,
                 kMinWeightBits, std::log2(norm * power_scale(map, kMinWeightBits)));
  }
  out.balanced = place == Place::beside;
  if (out.balanced) out.scale = out.scales.back();
  Weights weights = own_weights(*network_);
  out.reference = power_scale(map, kReferenceBits);
  weights[segment][index] = rounded(map, out.reference);
  out.squares = rounding_errors(*network_, weights, images_);
  return out;
}

Result<Rounding> Rounding::measure(const MonicNetwork& network, const Images& images) {
  Rounding out(network, images);
  std::vector<Place> places(network.segments.size(), Place::alone);
  for (const Junction& junction : network.junctions) {
    if (junction.branches.size() == 1) continue;
    for (const Branch& branch : junction.branches) places[branch.segment] = Place::beside;
    places[junction.branches[0].segment] = Place::first_of_sum;
  }
  for (std::size_t s = 0; s < network.segments.size(); ++s) {
    out.maps_.emplace_back();
    for (std::size_t m = 0; m < network.segments[s].size(); ++m) {
      const Place place = m + 1 == network.segments[s].size() ? places[s] : Place::alone;
      OBSCURA_TRY(MapRounding map, out.measure_map(s, m, place));
      out.maps_.back().push_back(std::move(map));
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
  Weights weights = own_weights(*network_);
  for (std::size_t s = 0; s < maps_.size(); ++s) {
    for (std::size_t m = 0; m < maps_[s].size(); ++m) {
      if (!maps_[s][m].exact) weights[s][m] = rounded(network_->segments[s][m], scales[s][m]);
    }
  }
  return rounding_errors(*network_, weights, images_);
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
