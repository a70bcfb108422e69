// SPDX-License-Identifier: Apache-2.0
#include "compile/layout/map_cache.h"

#include <algorithm>

namespace obscura::compile {

Result<MapCache::MapPtr> MapCache::map(MapKey key, const std::function<Result<PreparedMap>()>& make) {
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

MapCache::At& MapCache::at(const LaidOutMap& map) {
  std::list<At>& all = laid_out_[map.map.get()];
  const auto found = std::find_if(all.begin(), all.end(), [&](const At& one) { return one.map == map; });
  return found != all.end() ? *found : all.emplace_back(At{map, nullptr, {}, {}});
}

namespace {

/// For as few images as have the same steps in positions, in as many fewer slots: one, or two that are one after the
/// other.
LaidOutMap of_fewest_images(LaidOutMap map) {
  const std::uint32_t images = map.from.sharing.interleaved() ? 1 : 2;
  map.slots = map.slots / map.from.sharing.images * images;
  map.from.sharing.images = map.to.sharing.images = images;
  return map;
}

}  // namespace

std::shared_ptr<const ckks::TransformShape> MapCache::sketch(const LaidOutMap& map, std::uint64_t ring_slots,
                                                             const ckks::SplitOptions& options) {
  const LaidOutMap fewest = of_fewest_images(map);
  std::shared_ptr<const std::vector<ckks::Diagonal>> sampled;
  {
    const std::lock_guard lock(mutex_);
    const At& here = at(map);
    for (const Sketch& one : here.sketches) {
      if (one.ring_slots == ring_slots && one.ring == options.size.ring && one.limbs == options.size.limbs) {
        return one.shape;
      }
    }
    sampled = at(fewest).sampled;
  }
  if (!sampled) {
    sampled = std::make_shared<const std::vector<ckks::Diagonal>>(
        sampled_diagonals(*map.map, fewest.from, fewest.to, map.spread, fewest.slots));
  }
  const std::uint32_t inputs = map.from.ciphertexts(), outputs = map.to.ciphertexts();
  std::vector<bool> read(inputs), made(outputs);
  for (const ckks::Diagonal& d : *sampled) read[d.input] = made[d.output] = true;
  const auto all = [](const std::vector<bool>& v) { return std::find(v.begin(), v.end(), false) == v.end(); };
  std::shared_ptr<const ckks::TransformShape> shape;
  if (all(read) && all(made)) {
    std::vector<ckks::Diagonal> shared = *sampled;
    for (ckks::Diagonal& d : shared) d.step *= map.from.sharing.step();
    shape = std::make_shared<const ckks::TransformShape>(ring_slots, inputs, outputs, shared, options);
  }
  const std::lock_guard lock(mutex_);
  at(fewest).sampled = std::move(sampled);
  at(map).sketches.push_back({ring_slots, options.size.ring, options.size.limbs, shape});
  return shape;
}

MapCache::DiagonalsPtr MapCache::diagonals(const LaidOutMap& map) {
  {
    const std::lock_guard lock(mutex_);
    if (auto there = at(map).diagonals) return there;
  }
  DiagonalsPtr out;
  if (const LaidOutMap fewest = of_fewest_images(map); fewest.slots < map.slots) {
    out = std::make_shared<const plan::Diagonals>(*diagonals(fewest), map.from.sharing.images);
  } else {
    const PreparedMap& own = *map.map;
    const plan::MapBetween between{*own.integers, map.from, map.to, map.spread, own.weight_scale, own.map.bias};
    out = std::make_shared<const plan::Diagonals>(between, map.slots);
  }
  const std::lock_guard lock(mutex_);
  at(map).diagonals = out;
  return out;
}

}  // namespace obscura::compile
