// SPDX-License-Identifier: Apache-2.0
#include "compile/layout/map_cache.h"

#include <algorithm>

namespace obscura::compile {

Result<ImageStore::MapPtr> ImageStore::map(MapKey key, const std::function<Result<PreparedMap>()>& make) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(maps_.begin(), maps_.end(), [&](const auto& one) { return one.first == key; });
    if (found != maps_.end()) return found->second;
  }
  OBSCURA_TRY(PreparedMap made, make());
  MapPtr out = std::make_shared<const PreparedMap>(std::move(made));
  const std::lock_guard lock(mutex_);
  maps_.emplace_back(std::move(key), out);
  return out;
}

plan::Transform ImageStore::Spot::transform() const {
  plan::Transform out;
  out.map = *map->integers;
  out.weight_scale = map->weight_scale;
  out.bias = map->map.bias;
  out.from = from;
  out.to = to;
  out.spread = spread;
  return out;
}

ImageStore::At& ImageStore::at(const Spot& spot) {
  std::list<At>& all = spots_[spot.map.get()];
  const auto found = std::find_if(all.begin(), all.end(), [&](const At& one) { return one.spot == spot; });
  return found != all.end() ? *found : all.emplace_back(At{spot, nullptr, {}, {}});
}

std::shared_ptr<const ckks::TransformShape> ImageStore::sketch(const Spot& spot, std::uint64_t ring_slots,
                                                               const ckks::SplitOptions& options) {
  std::shared_ptr<const std::vector<ckks::Diagonal>> sampled;
  {
    const std::lock_guard lock(mutex_);
    const At& here = at(spot);
    for (const Sketch& one : here.sketches) {
      if (one.ring_slots == ring_slots && one.limbs == options.size.limbs) return one.shape;
    }
    sampled = here.sampled;
  }
  if (!sampled) {
    sampled = std::make_shared<const std::vector<ckks::Diagonal>>(
        sampled_diagonals(*spot.map, spot.from, spot.to, spot.spread, spot.slots));
  }
  const std::uint32_t inputs = spot.from.ciphertexts(), outputs = spot.to.ciphertexts();
  std::vector<bool> read(inputs), made(outputs);
  for (const ckks::Diagonal& d : *sampled) read[d.input] = made[d.output] = true;
  const auto all = [](const std::vector<bool>& v) { return std::find(v.begin(), v.end(), false) == v.end(); };
  std::shared_ptr<const ckks::TransformShape> shape;
  if (all(read) && all(made)) {
    shape = std::make_shared<const ckks::TransformShape>(ring_slots, inputs, outputs, *sampled, options);
  }
  const std::lock_guard lock(mutex_);
  At& here = at(spot);
  here.sampled = std::move(sampled);
  here.sketches.push_back({ring_slots, options.size.limbs, shape});
  return shape;
}

ImageStore::DiagonalsPtr ImageStore::diagonals(const Spot& spot, const plan::Transform& transform) {
  {
    const std::lock_guard lock(mutex_);
    if (auto there = at(spot).diagonals.lock()) return there;
  }
  const auto out = std::make_shared<const plan::Diagonals>(transform, spot.slots);
  const std::lock_guard lock(mutex_);
  at(spot).diagonals = out;
  return out;
}

}  // namespace obscura::compile
