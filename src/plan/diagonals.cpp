// SPDX-License-Identifier: Apache-2.0
#include "plan/diagonals.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <set>

#include "base/parallel.h"
#include "plan/diagonal_weights.h"
#include "plan/slot_map.h"

namespace obscura::plan {
namespace {

constexpr std::int32_t kMaxWeight = 1 << 24;       // exact in a float
constexpr std::uint64_t kMaxPairs = 1024;          // of an input and an output ciphertext
constexpr std::uint64_t kMaxEntries = 1ULL << 28;  // 2 GB of them

/// What the weights of some entries on one diagonal add up to.
struct WeightSums {
  std::uint32_t count = 0;
  std::uint64_t square = 0;
};

/// The first weights of some entries on one diagonal.
using FewWeights = std::array<std::int32_t, ckks::kFewNumbers>;

/// A diagonal in one period of positions. They are as many as caches hold, and come in any order: what is hardly ever
/// read stands apart.
struct Found {
  ckks::Diagonal place;
  WeightSums first;               ///< in the first copy of the outputs
  WeightSums rest;                ///< in the others
  std::int64_t between_ends = 0;  ///< weights in the first half of the period less those in the second
  std::size_t few = 0;            ///< index of the first weights of `first`; those of `rest` come after it
};

/// Goes over the groups of blocks that lie alike, each of which puts its weights on the same diagonals.
class Finder {
 public:
  Finder(const MapBetween& of, const SlotMap& slot_map)
      : map_(of.map),
        slot_map_(slot_map),
        table_(of.from.ciphertexts(), of.to.ciphertexts(), slot_map.distances()),
        parts_(slot_map.offsets().size()),
        writes_(of.to.ciphertexts(), std::vector<bool>(slot_map.period())) {}

  void run() {
    for (const AlikeBlocks& group : alike_blocks(map_, slot_map_)) {
      const std::size_t rows = map_.blocks[group[0]].outputs.size();
      sources_.clear();
      for (const std::uint32_t input : map_.blocks[group[0]].inputs) sources_.push_back(slot_map_.source(input));
      for (std::uint32_t copy = 0; copy < slot_map_.copies_apart(); ++copy) {
        for (std::size_t r = 0; r < rows; ++r) row(group, r, copy);
      }
    }
  }

  std::vector<Found> take() {
    std::sort(found_.begin(), found_.end(), [](const Found& a, const Found& b) { return a.place < b.place; });
    return std::move(found_);
  }
  const std::vector<FewWeights>& few() const { return few_; }
  /// Positions of a period that have a weight, by output.
  std::vector<std::vector<bool>> take_writes() { return std::move(writes_); }

 private:
  /// A part of an output that a group computes.
  struct Part {
    std::uint64_t row = 0;  ///< that this was made for, counted
    bool first = false;     ///< in the first copy
    std::int64_t between_ends = 0;
  };

  /// One output of each block.
  void row(const AlikeBlocks& group, std::size_t r, std::uint32_t copy) {
    ++rows_;
    const ckks::IntegerBlock& block = map_.blocks[group[0]];
    const std::int32_t* weights = map_.matrices[block.matrix].data.data() + r * block.inputs.size();
    const Place target = slot_map_.target(block.outputs[r]);
    const std::uint32_t position = target.position + copy * slot_map_.to_period();
    const std::uint32_t turn = slot_map_.distances() - 1;  // a power of two
    const auto times = static_cast<std::uint32_t>(group.size());
    for (std::size_t c = 0; c < block.inputs.size(); ++c) {
      const std::int32_t weight = weights[c];
      if (weight == 0) continue;
      const Place& source = sources_[c];
      const std::uint32_t distance = (source.position - position) & turn;
      const std::uint32_t number = slot_map_.part(distance);
      if (parts_[number].row != rows_) open(group, r, copy, number);
      const Part& part = parts_[number];
      const auto offset = static_cast<std::uint32_t>(slot_map_.offsets()[number]);
      Found& at = diagonal(target.ciphertext, source.ciphertext, (distance - offset) & turn);
      WeightSums& sums = part.first ? at.first : at.rest;
      if (sums.count < ckks::kFewNumbers) {
        FewWeights& few = few_[at.few + (part.first ? 0 : 1)];
        std::fill(few.begin() + sums.count, few.begin() + std::min<std::size_t>(few.size(), sums.count + times),
                  weight);
      }
      const auto size = static_cast<std::uint64_t>(std::abs(weight));
      sums.square += size * size * times;
      sums.count += times;
      at.between_ends += part.between_ends * weight;
    }
  }

  void open(const AlikeBlocks& group, std::size_t r, std::uint32_t copy, std::uint32_t number) {
    Part& part = parts_[number];
    part = {rows_, false, 0};
    const std::uint32_t period = slot_map_.period();
    const std::uint32_t more = static_cast<std::uint32_t>(slot_map_.offsets()[number]) + copy * slot_map_.to_period();
    for (const std::uint32_t b : group) {
      const Place target = slot_map_.target(map_.blocks[b].outputs[r]);
      const std::uint32_t position = (target.position + more) & (period - 1);
      part.first = position < slot_map_.to_period();
      part.between_ends += position < period / 2 ? 1 : -1;
      writes_[target.ciphertext][position] = true;
    }
  }

  Found& diagonal(std::uint32_t output, std::uint32_t input, std::uint32_t turned) {
    std::uint32_t& number = table_.of(output, input)[turned];
    if (number == 0) {
      const std::uint32_t distances = slot_map_.distances();
      const std::int64_t step = turned > distances / 2 ? std::int64_t{turned} - distances : std::int64_t{turned};
      found_.push_back({{output, input, step}, {}, {}, 0, few_.size()});
      few_.resize(few_.size() + 2);
      number = static_cast<std::uint32_t>(found_.size());
    }
    return found_[number - 1];
  }

  const ckks::IntegerMap& map_;
  const SlotMap& slot_map_;
  StepTable table_;  ///< of found_, from 1 on
  std::vector<Found> found_;
  std::vector<FewWeights> few_;
  std::vector<Place> sources_;  ///< of the group's first block
  std::uint64_t rows_ = 0;
  std::vector<Part> parts_;  ///< of the row
  std::vector<std::vector<bool>> writes_;
};

/// With the period of the outputs a diagonal repeats where its inputs do so too.
ckks::DiagonalNumbers numbers_of(const Found& found, const std::vector<FewWeights>& few, const SlotMap& slot_map,
                                 const Layout& to, double weight_scale) {
  ckks::DiagonalNumbers out;
  const auto each = static_cast<double>(to.sharing.step());  // slots of a position within a period of slots
  const std::uint64_t periods = slot_map.periods();
  const std::uint64_t all = (std::uint64_t{found.first.count} + found.rest.count) * periods;
  const bool repeats = std::uint64_t{found.first.count} * slot_map.copies() == all;
  out.period =
      repeats ? to.period * each : static_cast<double>(slot_map.period()) * static_cast<double>(periods) * each;
  out.copies = (repeats ? slot_map.copies() : 1) * to.sharing.images / each;
  const double square =
      repeats ? static_cast<double>(found.first.square)
              : static_cast<double>(found.first.square + found.rest.square) * static_cast<double>(periods);
  out.square = square / weight_scale / weight_scale * each;
  if ((repeats ? found.first.count : all) * to.sharing.step() > ckks::kFewNumbers) return out;
  const auto add = [&](const WeightSums& sums, const FewWeights& weights, std::uint64_t times) {
    for (std::uint32_t k = 0; k < sums.count; ++k) {
      out.few.insert(out.few.end(), times * to.sharing.step(), static_cast<double>(weights[k]) / weight_scale);
    }
  };
  add(found.first, few[found.few], repeats ? 1 : periods);
  if (!repeats) add(found.rest, few[found.few + 1], periods);
  return out;
}

/// Values in positions that repeat: of one diagonal after the other.
class Period {
 public:
  explicit Period(std::size_t positions) : values_(positions, 0.0F) {}
  /// The least power of two after which every diagonal so far repeats.
  std::size_t least() const { return least_; }
  void add(std::span<const DiagonalWeights::Weight> weights) {
    for (const auto& w : weights) values_[w.position] += w.weight;
    std::size_t own = values_.size();
    while (own > least_ && halves(weights, own / 2)) own /= 2;
    least_ = own;
    for (const auto& w : weights) values_[w.position] = 0;
  }

 private:
  /// Whether a diagonal that repeats after 2 half does so after half: where both are 0 there is nothing to compare.
  bool halves(std::span<const DiagonalWeights::Weight> weights, std::size_t half) const {
    return std::all_of(weights.begin(), weights.end(),
                       [&](const auto& w) { return values_[w.position] == values_[w.position ^ half]; });
  }

  std::vector<float> values_;
  std::size_t least_ = 1;
};

/// Whether each ciphertext of the inputs and of the outputs has a weight.
bool meets_all(const Transform& transform) {
  std::vector<bool> read(transform.from.ciphertexts()), made(transform.to.ciphertexts());
  std::size_t left = read.size() + made.size();
  const auto mark = [&](std::vector<bool>& seen, const Place& at) {
    if (!seen[at.ciphertext]) --left;
    seen[at.ciphertext] = true;
  };
  for (const ckks::IntegerBlock& block : transform.map.blocks) {
    const std::vector<std::int32_t>& weights = transform.map.matrices[block.matrix].data;
    for (std::size_t k = 0; k < weights.size() && left > 0; ++k) {
      if (weights[k] == 0) continue;
      mark(read, transform.from.place(block.inputs[k % block.inputs.size()]));
      mark(made, transform.to.place(block.outputs[k / block.inputs.size()]));
    }
  }
  return left == 0;
}

std::int64_t least_turn(std::int64_t step, std::int64_t slots) {
  const std::int64_t left = (step % slots + slots) % slots;
  return left > slots / 2 ? left - slots : left;
}

}  // namespace

MapBetween map_between(const Transform& transform) {
  return {transform.map, transform.from, transform.to, transform.spread, transform.weight_scale, transform.bias};
}

Diagonals::Diagonals(const MapBetween& of, std::uint64_t slots)
    : slots_(slots), sharing_(of.to.sharing), weight_scale_(of.weight_scale) {
  const SlotMap slot_map(of.from, of.to, of.spread, of.to.positions(slots));
  Finder finder(of, slot_map);
  finder.run();
  writes_ = finder.take_writes();
  for (const std::vector<bool>& one : writes_) {
    written_.push_back(static_cast<std::size_t>(std::count(one.begin(), one.end(), true)) * slot_map.periods());
  }
  bool whole = false;  // the ends of some diagonal's period differ, so that nothing shorter repeats
  for (const Found& found : finder.take()) {
    places_.push_back(found.place);
    whole |= found.between_ends != 0;
    counts_.push_back((found.first.count + found.rest.count) * slot_map.periods());
    entries_ += counts_.back();
    const auto square = static_cast<double>(found.first.square + found.rest.square);
    squares_.push_back(square / weight_scale_ / weight_scale_ * slot_map.periods());
    numbers_.push_back(numbers_of(found, finder.few(), slot_map, of.to, weight_scale_));
  }
  period_ = whole ? slot_map.period() : least_period(of);
  if (period_ > 1) period_ *= sharing_.step();  // 1: one number everywhere, whatever the images
  for (ckks::Diagonal& d : places_) d.step *= sharing_.step();
}

Diagonals::Diagonals(const Diagonals& of, std::uint32_t images) : Diagonals(of) {
  const bool interleaved = sharing_.interleaved();
  OBSCURA_CHECK(sharing_.images == (interleaved ? 1U : 2U) && images >= sharing_.images,
                "diagonals of {} images as those of {}", sharing_.images, images);
  const std::uint32_t times = images / sharing_.images;
  sharing_.images = images;
  slots_ *= times;
  if (!interleaved) {
    for (ckks::DiagonalNumbers& numbers : numbers_) numbers.copies *= times;
    return;
  }
  if (period_ > 1) period_ *= images;
  for (ckks::Diagonal& d : places_) d.step *= images;
  for (ckks::DiagonalNumbers& numbers : numbers_) {
    numbers.period *= images;
    numbers.square *= images;
    std::vector<double> few;
    if (numbers.few.size() * images <= ckks::kFewNumbers) {
      for (const double one : numbers.few) few.insert(few.end(), images, one);
    }
    numbers.few = std::move(few);
  }
}

std::uint64_t Diagonals::least_period(const MapBetween& of) const {
  const DiagonalWeights weights(of, *this);
  Period period(of.to.positions(slots_));
  for (std::size_t k = 0; k < places_.size(); ++k) period.add(weights.of(k));
  return period.least();
}

std::span<const ckks::DiagonalNumbers> Diagonals::numbers(std::uint32_t output) const {
  const auto of = [](const ckks::Diagonal& place, std::uint32_t o) { return place.output < o; };
  const auto first = std::lower_bound(places_.begin(), places_.end(), output, of) - places_.begin();
  const auto last = std::lower_bound(places_.begin(), places_.end(), output + 1, of) - places_.begin();
  return std::span(numbers_).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(last - first));
}

Result<void> verify_transform(const Transform& transform, std::uint64_t slots, const std::string& place) {
  OBSCURA_TRY_VOID(verify_layout(transform.from, slots, place));
  OBSCURA_TRY_VOID(verify_layout(transform.to, slots, place));
  const auto broken = [&](const std::string& what) { return error(Code::bad_format, "{}: {}", place, what); };
  if (transform.from.elements() != transform.map.inputs || transform.to.elements() != transform.map.outputs) {
    return broken(fmt::format("layouts of {} and {} elements for a map of {} to {}", transform.from.elements(),
                              transform.to.elements(), transform.map.inputs, transform.map.outputs));
  }
  const auto& [images, stride] = transform.to.sharing;
  if (transform.from.sharing != transform.to.sharing) {
    return broken(fmt::format("from a layout of {} images {} slots apart to one of {} images {} apart",
                              transform.from.sharing.images, transform.from.sharing.stride, images, stride));
  }
  if (stride > 1 && !transform.spread.empty()) {
    return broken("in parts, of images one after the other; one part is allowed");
  }
  const std::uint64_t positions = transform.to.positions(slots);
  const std::uint64_t inputs = transform.from.ciphertexts(), outputs = transform.to.ciphertexts();
  if (inputs * outputs > kMaxPairs) return broken(fmt::format("{} ciphertexts meet {}", inputs, outputs));
  std::uint64_t reach = 0;
  for (const std::uint32_t step : transform.spread) reach += step;
  if (transform.spread.size() > kMaxSpreads || reach >= positions ||
      std::uint64_t{1} << std::min<std::size_t>(transform.spread.size(), 40) > positions) {
    return broken(
        fmt::format("{} spread steps that reach {} of {} positions", transform.spread.size(), reach, positions));
  }
  const auto n = static_cast<std::int64_t>(slots);
  if (transform.split.period < 1 || transform.split.period > n || transform.split.phase <= -n ||
      transform.split.phase >= n || transform.split.pair < 0 || transform.split.pair >= n) {
    return broken(fmt::format("a split of period {} and phase {} with pairs {} apart in {} slots",
                              transform.split.period, transform.split.phase, transform.split.pair, slots));
  }
  const std::uint64_t copies = transform.to.copies(slots);
  if (transform.map.multiplications() * copies > kMaxEntries) {
    return broken(fmt::format("{} weights in {} copies", transform.map.multiplications(), copies));
  }
  for (const ckks::IntegerMatrix& matrix : transform.map.matrices) {
    for (const std::int32_t w : matrix.data) {
      if (w <= -kMaxWeight || w >= kMaxWeight) return broken(fmt::format("a weight of {}; below 2^24 is allowed", w));
    }
  }
  if (!meets_all(transform)) return broken("a ciphertext without a weight");
  return {};
}

ckks::TransformNoise noise_of(const ckks::TransformShape& shape, const Diagonals& diagonals, std::uint32_t output) {
  ckks::TransformNoise out;
  const auto square_of = [&](const ckks::Diagonal& place) {
    const auto& places = diagonals.places();
    return diagonals.square(
        static_cast<std::size_t>(std::lower_bound(places.begin(), places.end(), place) - places.begin()));
  };
  for (const ckks::TransformGroup& group : shape.groups()) {
    if (group.output != output) continue;
    out.giant_switches += group.giant != 0 ? 1 : 0;
    out.plaintexts += group.terms.size();
    for (const auto& term : group.terms) {
      double square = square_of(term.diagonal);
      if (term.paired) {
        ckks::Diagonal partner = term.diagonal;
        partner.step += shape.split().pair;
        square += square_of(partner);
      }
      out.weight_square += square;
      const ckks::Baby& baby = shape.babies()[term.baby];
      if (baby.step == 0) continue;
      out.rotated_square += square;
      out.composed_square += square * (baby.switches - 1);
    }
  }
  const auto positions = static_cast<double>(diagonals.written(output));
  out.weight_square /= positions;
  out.rotated_square /= positions;
  out.composed_square /= positions;
  out.written = positions * diagonals.sharing().images;
  out.numbers = diagonals.numbers(output);
  out.paired = shape.split().pair != 0;
  out.partner_switches = shape.partner_turns().size();
  return out;
}

std::vector<std::int64_t> rotations_of(const Fold& fold, std::uint64_t slots) {
  std::set<std::int64_t> steps;
  for (const Fold::Sum& sum : fold.sums) {
    for (std::int64_t k = 1; k < sum.count; ++k)
      steps.insert(least_turn(k * sum.step, static_cast<std::int64_t>(slots)));
  }
  steps.erase(0);
  return {steps.begin(), steps.end()};
}

void add_rotations(KeyRequest& to, std::span<const std::int64_t> steps, std::uint32_t limbs) {
  for (const std::int64_t step : steps) to.rotations[step] = std::max(to.rotations[step], limbs);
}

void add_keys(KeyRequest& to, const ckks::TransformShape& shape, std::uint32_t limbs, std::uint32_t limbs_out) {
  add_rotations(to, shape.rotation_steps(), limbs);
  if (shape.split().pair != 0) to.conjugation = std::max(to.conjugation, limbs_out);
}

ckks::TransformShape with_keys(ckks::TransformShape shape, const KeyRequest& keys, std::uint32_t limbs) {
  std::vector<std::int64_t> there;
  for (const auto& [step, most] : keys.rotations) {
    if (most >= limbs) there.push_back(step);
  }
  if (std::includes(there.begin(), there.end(), shape.rotation_steps().begin(), shape.rotation_steps().end())) {
    return shape;
  }
  auto composed = shape.composed(there);
  return composed ? *std::move(composed) : std::move(shape);
}

TransformShapes transform_shapes(const Plan& plan, std::span<const std::shared_ptr<const Diagonals>> diagonals) {
  const std::uint64_t slots = plan.params.slots();
  TransformShapes out;
  for (std::size_t k = 0; k < plan.steps.size(); ++k) {
    out.by_step.emplace_back();
    if (const auto* fold = std::get_if<Fold>(&plan.steps[k].operation)) {
      add_rotations(out.keys, rotations_of(*fold, slots), plan.value(fold->input).limbs);
    }
    const auto* transform = std::get_if<Transform>(&plan.steps[k].operation);
    if (transform == nullptr) continue;
    const std::uint32_t limbs = plan.value(transform->input).limbs;
    ckks::TransformShape shape(slots, transform->from.ciphertexts(), transform->to.ciphertexts(),
                               diagonals[k]->places(), transform->split);
    out.by_step.back() = std::make_shared<const ckks::TransformShape>(with_keys(std::move(shape), plan.keys, limbs));
    add_keys(out.keys, *out.by_step.back(), limbs, plan.steps[k].output.limbs);
  }
  return out;
}

std::vector<std::shared_ptr<const Diagonals>> diagonals_of(const Plan& plan) {
  const std::uint64_t slots = plan::slots(plan);
  std::vector<std::shared_ptr<const Diagonals>> out(plan.steps.size());
  base::parallel_for(out.size(), [&](std::size_t k) {
    const auto* transform = std::get_if<Transform>(&plan.steps[k].operation);
    if (transform != nullptr) out[k] = std::make_shared<const Diagonals>(map_between(*transform), slots);
  });
  return out;
}

}  // namespace obscura::plan
