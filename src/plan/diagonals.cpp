// SPDX-License-Identifier: Apache-2.0
#include "plan/diagonals.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>

#include "base/parallel.h"

namespace obscura::plan {
namespace {

constexpr std::int32_t kMaxWeight = 1 << 24;       // exact in a float
constexpr std::uint64_t kMaxPairs = 1024;          // of an input and an output ciphertext
constexpr std::uint64_t kMaxEntries = 1ULL << 28;  // 2 GB of them

/// Calls visit(entry, weight) for each weight that is not 0, in each copy of its output.
template <class Visit>
void for_entries(const Transform& transform, const SlotMap& slot_map, Visit visit) {
  const std::uint32_t positions = slot_map.copies() * transform.to.period;
  for (const ckks::IntegerBlock& block : transform.map.blocks) {
    const ckks::IntegerMatrix& matrix = transform.map.matrices[block.matrix];
    for (std::size_t r = 0; r < block.outputs.size(); ++r) {
      for (std::size_t c = 0; c < block.inputs.size(); ++c) {
        const std::int32_t w = matrix.data[r * matrix.cols + c];
        if (w == 0) continue;
        Entry entry = slot_map.at(block.outputs[r], block.inputs[c], 0);
        visit(entry, w);
        for (std::uint32_t copy = 1; copy < slot_map.copies(); ++copy) {
          if (slot_map.alike()) {
            entry.position = (entry.position + transform.to.period) % positions;
          } else {
            entry = slot_map.at(block.outputs[r], block.inputs[c], copy);
          }
          visit(entry, w);
        }
      }
    }
  }
}

/// Numbers diagonals: a table of n steps for each pair of ciphertexts that meet.
class Numbering {
 public:
  Numbering(std::uint32_t inputs, std::uint32_t outputs, std::uint64_t slots)
      : inputs_(inputs), slots_(slots), tables_(std::size_t{inputs} * outputs) {}
  std::uint32_t& operator[](const ckks::Diagonal& d) {
    auto& table = tables_[std::size_t{d.output} * inputs_ + d.input];
    if (table.empty()) table.assign(slots_, 0);
    const std::int64_t step = d.step < 0 ? d.step + static_cast<std::int64_t>(slots_) : d.step;
    return table[static_cast<std::size_t>(step)];
  }

 private:
  std::uint32_t inputs_;
  std::uint64_t slots_;
  std::vector<std::vector<std::uint32_t>> tables_;
};

/// With the period of the outputs a diagonal repeats where its inputs do so too.
ckks::DiagonalNumbers numbers_of(std::span<const Diagonals::Weight> weights, std::uint64_t slots, const Layout& to,
                                 double weight_scale) {
  ckks::DiagonalNumbers out;
  const auto first = static_cast<std::size_t>(
      std::count_if(weights.begin(), weights.end(), [&](const auto& w) { return w.position < to.period; }));
  const bool repeats = first * to.copies(slots) == weights.size();
  const std::uint64_t period = repeats ? std::uint64_t{to.period} * to.images : slots;
  out.period = static_cast<double>(period);
  out.copies = static_cast<double>(slots) / out.period;
  const bool few = (repeats ? first : weights.size()) * to.images <= ckks::kFewNumbers;
  for (const auto& [position, weight] : weights) {
    if (repeats && position >= to.period) continue;
    const double w = static_cast<double>(weight) / weight_scale;
    out.square += w * w * to.images;
    if (few) out.few.insert(out.few.end(), to.images, w);
  }
  return out;
}

/// Values in positions that repeat: of one diagonal after the other.
class Period {
 public:
  explicit Period(std::size_t positions) : values_(positions, 0.0F) {}
  /// The least power of two after which every diagonal so far repeats.
  std::size_t least() const { return least_; }
  void add(std::span<const Diagonals::Weight> weights) {
    for (const auto& w : weights) values_[w.position] += w.weight;
    std::size_t own = values_.size();
    while (own > least_ && halves(weights, own / 2)) own /= 2;
    least_ = own;
    for (const auto& w : weights) values_[w.position] = 0;
  }

 private:
  /// Whether a diagonal that repeats after 2 half does so after half: where both are 0 there is nothing to compare.
  bool halves(std::span<const Diagonals::Weight> weights, std::size_t half) const {
    return std::all_of(weights.begin(), weights.end(),
                       [&](const auto& w) { return values_[w.position] == values_[w.position ^ half]; });
  }

  std::vector<float> values_;
  std::size_t least_ = 1;
};

std::int64_t least_turn(std::int64_t step, std::int64_t slots) {
  const std::int64_t left = (step % slots + slots) % slots;
  return left > slots / 2 ? left - slots : left;
}

}  // namespace

Diagonals::Diagonals(const Transform& transform, std::uint64_t slots)
    : slots_(slots), images_(transform.to.images), weight_scale_(transform.weight_scale) {
  const std::uint64_t positions = transform.to.positions(slots);
  const SlotMap slot_map(transform.from, transform.to, transform.spread, positions);
  Numbering count(transform.from.ciphertexts(), transform.to.ciphertexts(), positions);
  std::vector<ckks::Diagonal> found;
  for_entries(transform, slot_map, [&](const Entry& entry, std::int32_t) {
    if (count[entry.diagonal]++ == 0) found.push_back(entry.diagonal);
  });
  std::sort(found.begin(), found.end());
  places_ = std::move(found);
  start_.push_back(0);
  for (const ckks::Diagonal& d : places_) {
    std::uint32_t& entries = count[d];
    start_.push_back(start_.back() + entries);
    entries = static_cast<std::uint32_t>(start_[start_.size() - 2]);  // where the next entry goes
  }
  weights_.resize(start_.back());
  for_entries(transform, slot_map, [&](const Entry& entry, std::int32_t w) {
    weights_[count[entry.diagonal]++] = {entry.position, static_cast<float>(w)};
  });
  numbers_.resize(places_.size());
  base::parallel_for(places_.size(),
                     [&](std::size_t d) { numbers_[d] = numbers_of(weights(d), slots, transform.to, weight_scale_); });
  Period period(positions);
  std::vector<std::uint32_t> writer(positions, 0);
  written_.assign(transform.to.ciphertexts(), 0);
  for (std::size_t k = 0; k < places_.size(); ++k) {  // ascending by output
    if (period.least() < positions) period.add(weights(k));
    const std::uint32_t output = places_[k].output;
    double sum = 0;
    for (const auto& [position, weight] : weights(k)) {
      const double w = static_cast<double>(weight) / weight_scale_;
      sum += w * w;
      written_[output] += writer[position] == output + 1 ? 0 : 1;
      writer[position] = output + 1;
    }
    squares_.push_back(sum);
  }
  period_ = period.least() > 1 ? period.least() * images_ : 1;  // 1: one number everywhere, whatever the images
  for (ckks::Diagonal& d : places_) d.step *= images_;
  for (std::uint32_t o = 0; o < transform.bias.size(); ++o) {
    if (transform.bias[o] == 0) continue;
    Place at = transform.to.place(o);
    for (; at.position < positions; at.position += transform.to.period) biases_.emplace_back(at, transform.bias[o]);
  }
}

void Diagonals::fill(const ckks::Diagonal& place, std::span<std::complex<double>> slots) const {
  const auto found = std::lower_bound(places_.begin(), places_.end(), place);
  OBSCURA_CHECK(found != places_.end() && *found == place, "no diagonal of step {}", place.step);
  for (const Weight& w : weights(static_cast<std::size_t>(found - places_.begin()))) {
    const double number = static_cast<double>(w.weight) / weight_scale_;
    const std::size_t first = std::size_t{w.position} * images_;
    for (std::size_t j = first; j < first + images_; ++j) slots[j] += number;
  }
}

std::span<const ckks::DiagonalNumbers> Diagonals::numbers(std::uint32_t output) const {
  const auto of = [](const ckks::Diagonal& place, std::uint32_t o) { return place.output < o; };
  const auto first = std::lower_bound(places_.begin(), places_.end(), output, of) - places_.begin();
  const auto last = std::lower_bound(places_.begin(), places_.end(), output + 1, of) - places_.begin();
  return std::span(numbers_).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(last - first));
}

std::vector<double> Diagonals::bias(std::uint32_t output) const {
  std::vector<double> out(slots_, 0);
  for (const auto& [place, value] : biases_) {
    if (place.ciphertext != output) continue;
    std::fill_n(out.begin() + static_cast<std::ptrdiff_t>(std::size_t{place.position} * images_), images_, value);
  }
  return out;
}

Result<void> verify_transform(const Transform& transform, std::uint64_t slots, const std::string& place) {
  OBSCURA_TRY_VOID(verify_layout(transform.from, slots, place));
  OBSCURA_TRY_VOID(verify_layout(transform.to, slots, place));
  const auto broken = [&](const std::string& what) { return error(Code::bad_format, "{}: {}", place, what); };
  if (transform.from.elements() != transform.map.inputs || transform.to.elements() != transform.map.outputs) {
    return broken(fmt::format("layouts of {} and {} elements for a map of {} to {}", transform.from.elements(),
                              transform.to.elements(), transform.map.inputs, transform.map.outputs));
  }
  if (transform.from.images != transform.to.images) {
    return broken(fmt::format("from a layout of {} images to one of {}", transform.from.images, transform.to.images));
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
  std::vector<bool> read(inputs), made(outputs);
  const SlotMap slot_map(transform.from, transform.to, transform.spread, positions);
  for_entries(transform, slot_map, [&](const Entry& entry, std::int32_t) {
    read[entry.diagonal.input] = made[entry.diagonal.output] = true;
  });
  const auto all = [](const std::vector<bool>& v) { return std::find(v.begin(), v.end(), false) == v.end(); };
  if (!all(read) || !all(made)) return broken("a ciphertext without a weight");
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
      if (shape.babies()[term.baby].step != 0) out.rotated_square += square;
    }
  }
  const auto positions = static_cast<double>(diagonals.written(output));
  out.weight_square /= positions;
  out.rotated_square /= positions;
  out.written = positions * diagonals.images();
  out.numbers = diagonals.numbers(output);
  out.paired = shape.split().pair != 0;
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

TransformShapes transform_shapes(const Plan& plan, std::span<const std::shared_ptr<const Diagonals>> diagonals) {
  const std::uint64_t slots = std::uint64_t{1} << (plan.params.log2_degree - 1);
  TransformShapes out;
  for (std::size_t k = 0; k < plan.steps.size(); ++k) {
    out.by_step.emplace_back();
    if (const auto* fold = std::get_if<Fold>(&plan.steps[k].operation)) {
      add_rotations(out.keys, rotations_of(*fold, slots), plan.value(fold->input).limbs);
    }
    const auto* transform = std::get_if<Transform>(&plan.steps[k].operation);
    if (transform == nullptr) continue;
    out.by_step.back() = std::make_shared<const ckks::TransformShape>(
        slots, transform->from.ciphertexts(), transform->to.ciphertexts(), diagonals[k]->places(), transform->split);
    add_keys(out.keys, *out.by_step.back(), plan.value(transform->input).limbs, plan.steps[k].output.limbs);
  }
  return out;
}

std::vector<std::shared_ptr<const Diagonals>> diagonals_of(const Plan& plan) {
  const std::uint64_t slots = plan::slots(plan);
  std::vector<std::shared_ptr<const Diagonals>> out(plan.steps.size());
  base::parallel_for(out.size(), [&](std::size_t k) {
    const auto* transform = std::get_if<Transform>(&plan.steps[k].operation);
    if (transform != nullptr) out[k] = std::make_shared<const Diagonals>(*transform, slots);
  });
  return out;
}

}  // namespace obscura::plan
