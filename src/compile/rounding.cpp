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

Result<MapRounding> Rounding::measure_map(std::size_t segment, std::size_t index) const {
  const LinearMap& map = network_->segments[segment][index];
  MapRounding out;
  out.squares.assign(Points(*network_).count(), 0);
  if (const auto whole = whole_scale(map)) {
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
  Weights weights = own_weights(*network_);
  weights[segment][index] = rounded(map, power_scale(map, kReferenceBits));
  out.squares = rounding_errors(*network_, weights, images_);
  return out;
}

Result<Rounding> Rounding::measure(const MonicNetwork& network, const Images& images) {
  Rounding out(network, images);
  for (std::size_t s = 0; s < network.segments.size(); ++s) {
    out.maps_.emplace_back();
    for (std::size_t m = 0; m < network.segments[s].size(); ++m) {
      OBSCURA_TRY(MapRounding map, out.measure_map(s, m));
      out.maps_.back().push_back(std::move(map));
    }
  }
  return out;
}

WeightBits Rounding::uniform(int bits) const {
  WeightBits out;
  for (const auto& segment : maps_) {
    out.emplace_back();
    for (const auto& map : segment) out.back().push_back(map.exact ? 0 : std::min(bits, map.max_bits));
  }
  return out;
}

WeightScales Rounding::scales(const WeightBits& bits) const {
  WeightScales out;
  for (std::size_t s = 0; s < maps_.size(); ++s) {
    out.emplace_back();
    for (std::size_t m = 0; m < maps_[s].size(); ++m) {
      const MapRounding& map = maps_[s][m];
      out.back().push_back(map.exact ? map.scale : map.scales[static_cast<std::size_t>(bits[s][m] - kMinWeightBits)]);
    }
  }
  return out;
}

std::vector<double> Rounding::predict(const WeightBits& bits) const {
  std::vector<double> out(maps_[0][0].squares.size(), 0);
  for (std::size_t s = 0; s < maps_.size(); ++s) {
    for (std::size_t m = 0; m < maps_[s].size(); ++m) {
      const MapRounding& map = maps_[s][m];
      if (map.exact) continue;
      const double factor = std::exp2(2.0 * (kReferenceBits - bits[s][m]));
      for (std::size_t p = 0; p < out.size(); ++p) out[p] += map.squares[p] * factor;
    }
  }
  return out;
}

std::vector<double> Rounding::measure_together(const WeightBits& bits) const {
  const WeightScales scale = scales(bits);
  Weights weights = own_weights(*network_);
  for (std::size_t s = 0; s < maps_.size(); ++s) {
    for (std::size_t m = 0; m < maps_[s].size(); ++m) {
      if (!maps_[s][m].exact) weights[s][m] = rounded(network_->segments[s][m], scale[s][m]);
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
