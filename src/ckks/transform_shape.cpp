// SPDX-License-Identifier: Apache-2.0
/// The split of a set of diagonals into baby and giant steps, and what it costs.
#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "base/check.h"
#include "ckks/rotation_tree.h"
#include "ckks/switch_size.h"
#include "ckks/transform.h"

namespace obscura::ckks {

namespace {

/// A product or permutation of a limb, in NTTs of a limb (kernels_bench at 2^14 .. 2^16).
constexpr double kProductPrice = 0.2;

std::int64_t floor_mod(std::int64_t a, std::int64_t m) { return (a % m + m) % m; }

std::int64_t baby_of(const Split& split, std::int64_t step) {
  return floor_mod(step - split.phase, split.period) + split.phase;
}

/// A diagonal, or the two of a pair.
struct Plaintext {
  Diagonal diagonal;
  bool paired = false;
};

/// `sorted` by output, input and step.
std::vector<Plaintext> pair_up(std::span<const Diagonal> sorted, std::int64_t pair) {
  std::vector<Plaintext> out;
  if (pair == 0) {
    for (const Diagonal& d : sorted) out.push_back({d, false});
    return out;
  }
  std::vector<bool> taken(sorted.size());
  std::size_t partner = 0;
  for (std::size_t k = 0; k < sorted.size(); ++k) {
    if (taken[k]) continue;
    Diagonal wanted = sorted[k];
    wanted.step += pair;
    while (partner < sorted.size() && sorted[partner] < wanted) ++partner;
    const bool there = partner < sorted.size() && sorted[partner] == wanted;
    if (there) taken[partner] = true;
    out.push_back({sorted[k], there});
  }
  return out;
}

/// How many plaintexts pair_up leaves of the same diagonals, time and again.
class PairCounter {
 public:
  /// `sorted` as in pair_up.
  explicit PairCounter(std::span<const Diagonal> sorted) : taken_(sorted.size()) {
    // One number for each, in the same order, apart enough that a pair never reaches into other ciphertexts.
    constexpr std::int64_t kApart = std::int64_t{1} << 40;
    std::int64_t block = -kApart;
    for (std::size_t k = 0; k < sorted.size(); ++k) {
      const bool fresh = k == 0 || sorted[k].output != sorted[k - 1].output || sorted[k].input != sorted[k - 1].input;
      if (fresh) block += kApart;
      places_.push_back(block + sorted[k].step);
    }
  }
  std::size_t operator()(std::int64_t pair) {
    std::fill(taken_.begin(), taken_.end(), char{0});
    std::size_t partner = 0, count = 0;
    for (std::size_t k = 0; k < places_.size(); ++k) {
      if (taken_[k] != 0) continue;
      ++count;
      const std::int64_t wanted = places_[k] + pair;
      while (partner < places_.size() && places_[partner] < wanted) ++partner;
      if (partner < places_.size() && places_[partner] == wanted) taken_[partner] = 1;
    }
    return count;
  }

 private:
  std::vector<std::int64_t> places_;
  std::vector<char> taken_;
};

/// Of the steps by which the first diagonals stand apart those that leave the fewest plaintexts: the least and the
/// largest. A convolution's taps and channels all show there.
std::vector<std::int64_t> pairs_worth_a_try(std::span<const Diagonal> sorted) {
  constexpr std::size_t kFirstSteps = 128;
  std::set<std::int64_t> apart;
  for (std::size_t k = 1; k < std::min(sorted.size(), kFirstSteps); ++k) {
    if (sorted[k].output != sorted[0].output || sorted[k].input != sorted[0].input) break;
    apart.insert(sorted[k].step - sorted[0].step);
  }
  std::vector<std::int64_t> best;
  std::size_t least = sorted.size();
  PairCounter plaintexts(sorted);
  for (const std::int64_t pair : apart) {
    const std::size_t count = plaintexts(pair);
    if (count < least) best.clear(), least = count;
    if (count == least && count < sorted.size()) best.push_back(pair);
  }
  if (best.size() > 2) best.erase(best.begin() + 1, best.end() - 1);
  return best;
}

/// A set of numbers below a bound that is emptied at no cost; clear() comes first.
class Marks {
 public:
  explicit Marks(std::size_t bound) : marks_(bound, 0) {}
  void clear() { ++now_; }
  /// Whether it is the first of its kind.
  bool add(std::size_t value) {
    if (marks_[value] == now_) return false;
    marks_[value] = now_;
    return true;
  }
  bool contains(std::size_t value) const { return marks_[value] == now_; }

 private:
  std::vector<std::uint32_t> marks_;
  std::uint32_t now_ = 0;
};

/// Prices of splits of the same plaintexts: inputs are rotated by babies, sums of outputs by giants, each rotation by
/// another step needs a key.
class Pricing {
 public:
  /// `sorted` as in pair_up, with steps in (-slots / 2, slots / 2].
  Pricing(std::span<const Diagonal> sorted, std::int64_t slots, const SplitOptions& options, std::int64_t pair)
      : slots_(slots),
        pair_(pair),
        babies_(size(slots)),
        giants_(size(slots)),
        keys_(size(slots)),
        there_(size(slots)) {
    for (const Diagonal& d : sorted) steps_.push_back(d.step);
    std::sort(steps_.begin(), steps_.end());
    steps_.erase(std::unique(steps_.begin(), steps_.end()), steps_.end());
    const auto number = [&](std::int64_t step) {
      return static_cast<std::uint32_t>(std::lower_bound(steps_.begin(), steps_.end(), step) - steps_.begin());
    };
    for (const Diagonal& d : sorted) {
      const std::uint32_t step = number(d.step);
      by_input_.emplace_back(d.input, step);
      by_output_.emplace_back(d.output, step);
      unit_ = std::gcd(unit_, d.step);
    }
    for (Uses* uses : {&by_input_, &by_output_}) {
      std::sort(uses->begin(), uses->end());
      uses->erase(std::unique(uses->begin(), uses->end()), uses->end());
    }
    there_.clear();
    for (const std::int64_t step : options.keys_there) there_.add(size(floor_mod(step, slots)));
    baby_price_ = kProductPrice * static_cast<double>(baby_products(options.size));
    giant_price_ = static_cast<double>(giant_ntts(options.size)) +
                   kProductPrice * static_cast<double>(giant_products(options.size));
    key_price_ = options.key_price;
    keys_there_ = options.keys_there.size();
    baby_.resize(steps_.size());
    giant_.resize(steps_.size());
  }

  /// No split of this period costs less: so many babies do not reach more steps with one giant, nor so many giants
  /// with one baby. Babies and giants have no keys in common unless they go around all slots.
  double least(std::int64_t period, double fixed) const {
    constexpr double kRounding = 1 - 0x1p-30;
    const std::int64_t reach = period / std::gcd(period, std::max<std::int64_t>(unit_, 1));
    const std::int64_t giants = steps_.empty() ? 1 : (steps_.back() - steps_.front()) / period + 2;
    const Fewest baby = fewest(by_input_, size(giants)), giant = fewest(by_output_, size(reach));
    const std::size_t keys = period <= slots_ / 8 ? baby.of_one + giant.of_one : std::max(baby.of_one, giant.of_one);
    return kRounding *
           (fixed + static_cast<double>(baby.all) * baby_price_ + static_cast<double>(giant.all) * giant_price_ +
            static_cast<double>(keys - std::min(keys, keys_there_)) * key_price_);
  }

  /// Infinite where `fixed` and the price of the split are `most` or more together; else what they are.
  double operator()(std::int64_t period, std::int64_t phase, double fixed, double most) {
    rotate(period, phase);
    keys_.clear();
    fresh_ = 0;
    if (pair_ != 0) need(size(pair_));
    std::size_t babies = 0, giants = 0;
    const auto price = [&] {
      return fixed + (static_cast<double>(babies) * baby_price_ + static_cast<double>(giants) * giant_price_ +
                      static_cast<double>(fresh_) * key_price_);
    };
    return count(by_output_, giant_, giants_, giants, price, most) &&
                   count(by_input_, baby_, babies_, babies, price, most)
               ? price()
               : std::numeric_limits<double>::infinity();
  }

 private:
  using Uses = std::vector<std::pair<std::uint32_t, std::uint32_t>>;  // ciphertexts and numbers of steps, ascending
  static std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

  /// Rotations of all ciphertexts, and of the one that has the most, where each serves `reach` steps and one is none.
  struct Fewest {
    std::size_t all = 0, of_one = 0;
  };
  static Fewest fewest(const Uses& uses, std::size_t reach) {
    Fewest out;
    for (std::size_t first = 0, k = 0; k < uses.size(); ++k) {
      if (k + 1 < uses.size() && uses[k + 1].first == uses[first].first) continue;
      const std::size_t own = (k + 1 - first + reach - 1) / reach - 1;
      out = {out.all + own, std::max(out.of_one, own)};
      first = k + 1;
    }
    return out;
  }

  /// Of -2 slots to 2 slots: without a division.
  std::uint32_t modulo(std::int64_t rotation) const {
    while (rotation < 0) rotation += slots_;
    while (rotation >= slots_) rotation -= slots_;
    return static_cast<std::uint32_t>(rotation);
  }

  /// The rotations that steps become.
  void rotate(std::int64_t period, std::int64_t phase) {
    std::int64_t start = steps_.empty() ? 0 : steps_[0] - floor_mod(steps_[0] - phase, period);
    for (std::size_t k = 0; k < steps_.size(); ++k) {
      std::int64_t baby = steps_[k] - start;
      if (baby >= period) {
        const std::int64_t whole = baby / period * period;
        start += whole;
        baby -= whole;
      }
      baby += phase;
      baby_[k] = modulo(baby);
      giant_[k] = modulo(steps_[k] - baby);
    }
  }

  void need(std::size_t rotation) {
    if (keys_.add(rotation) && !there_.contains(rotation)) ++fresh_;
  }

  /// Different rotations of each ciphertext; false as soon as they cost too much.
  template <class Price>
  bool count(const Uses& uses, const std::vector<std::uint32_t>& rotations, Marks& marks, std::size_t& sum,
             const Price& price, double most) {
    constexpr std::size_t kBetweenLooks = 32;
    std::size_t left = kBetweenLooks;
    for (std::size_t k = 0; k < uses.size(); ++k) {
      if (k == 0 || uses[k].first != uses[k - 1].first) marks.clear();
      const std::size_t rotation = rotations[uses[k].second];
      if (rotation == 0 || !marks.add(rotation)) continue;
      ++sum;
      need(rotation);
      if (--left > 0) continue;
      left = kBetweenLooks;
      if (price() >= most) return false;
    }
    return true;
  }

  std::int64_t slots_, pair_;
  std::int64_t unit_ = 0;            ///< that divides all steps
  std::vector<std::int64_t> steps_;  ///< ascending
  Uses by_input_, by_output_;
  std::vector<std::uint32_t> baby_, giant_;  ///< by number of step
  Marks babies_, giants_, keys_, there_;
  std::size_t fresh_ = 0, keys_there_ = 0;  ///< keys that are not there, and at most how many are
  double baby_price_ = 0, giant_price_ = 0, key_price_ = 0;
};

/// Periods worth a try: how far the first steps stand apart (a convolution's rows and channels show there), few for
/// each octave in units of the steps' common divisor, powers of two, and all slots (babies only).
std::vector<std::int64_t> periods(std::span<const Diagonal> diagonals, std::int64_t slots) {
  constexpr std::size_t kFirstSteps = 64;
  std::set<std::int64_t> steps, out = {slots};
  std::int64_t unit = 0;
  for (const Diagonal& d : diagonals) {
    steps.insert(d.step);
    unit = std::gcd(unit, d.step);
  }
  std::size_t seen = 0;
  for (const std::int64_t step : steps) {
    if (seen++ > kFirstSteps) break;
    if (step != *steps.begin() && step - *steps.begin() <= slots) out.insert(step - *steps.begin());
  }
  for (std::int64_t two = 1; two < slots; two *= 2) out.insert(two);
  for (std::int64_t count = 1; unit != 0 && count * unit <= slots; count += std::max<std::int64_t>(1, count / 5)) {
    out.insert(count * unit);
  }
  return {out.begin(), out.end()};
}

/// A split that is worth a look, with the price of its plaintexts and what none of its period undercuts.
struct Attempt {
  Split split;
  Pricing* pricing = nullptr;
  double fixed = 0, bound = 0;
  std::size_t place = 0;
};

/// The first of the cheapest in their order: the most promising are priced first, up to one that cannot be cheaper.
Split cheapest(std::vector<Attempt> attempts) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::stable_sort(attempts.begin(), attempts.end(),
                   [](const Attempt& a, const Attempt& b) { return a.bound < b.bound; });
  const Attempt* best = nullptr;
  double least = kInfinity;
  for (const Attempt& attempt : attempts) {
    if (attempt.bound > least) break;
    const Split& split = attempt.split;
    const double most = std::nextafter(least, kInfinity);  // a tie counts too
    const double price = (*attempt.pricing)(split.period, split.phase, attempt.fixed, most);
    if (price > least || price == kInfinity || (best != nullptr && price == least && best->place < attempt.place)) {
      continue;
    }
    best = &attempt;
    least = price;
  }
  return best == nullptr ? Split{} : best->split;
}

}  // namespace

Split choose_split(std::size_t slot_count, std::span<const Diagonal> given, const SplitOptions& options) {
  const auto slots = static_cast<std::int64_t>(slot_count);
  std::vector<Diagonal> diagonals(given.begin(), given.end());
  for (Diagonal& d : diagonals) d.step = centred_step(d.step, slots);
  std::sort(diagonals.begin(), diagonals.end());
  std::set<std::uint32_t> inputs, outputs;
  for (const Diagonal& d : diagonals) inputs.insert(d.input), outputs.insert(d.output);
  const double pair_price = static_cast<double>(inputs.size() + outputs.size()) *
                            (static_cast<double>(switch_ntts(options.size)) +
                             kProductPrice * static_cast<double>(switch_products(options.size)));
  const double plaintext_price = 2 * kProductPrice * static_cast<double>(options.size.limbs + options.size.special);
  const std::int64_t longest =
      options.longest_period == 0 ? slots : std::min(slots, static_cast<std::int64_t>(options.longest_period));
  std::vector<std::int64_t> pairs = {0};
  if (options.pairs) {
    for (const std::int64_t pair : pairs_worth_a_try(diagonals)) pairs.push_back(pair);
  }
  std::deque<Pricing> pricings;
  std::vector<Attempt> attempts;
  for (const std::int64_t pair : pairs) {
    std::vector<Diagonal> plaintexts;
    for (const Plaintext& p : pair_up(diagonals, pair)) plaintexts.push_back(p.diagonal);
    const double fixed = plaintext_price * static_cast<double>(plaintexts.size()) + (pair == 0 ? 0 : pair_price);
    Pricing& pricing = pricings.emplace_back(plaintexts, slots, options, pair);
    for (const std::int64_t period : periods(plaintexts, longest)) {
      const double bound = pricing.least(period, fixed);
      for (const std::int64_t phase : {std::int64_t{0}, -(period / 2)}) {
        attempts.push_back({{period, phase, pair}, &pricing, fixed, bound, attempts.size()});
      }
    }
  }
  return cheapest(std::move(attempts));
}

TransformShape::TransformShape(std::size_t slots, std::uint32_t inputs, std::uint32_t outputs,
                               const std::vector<Diagonal>& diagonals, const SplitOptions& options)
    : TransformShape(slots, inputs, outputs, diagonals, choose_split(slots, diagonals, options)) {}

TransformShape::TransformShape(std::size_t slots, std::uint32_t inputs, std::uint32_t outputs,
                               std::vector<Diagonal> diagonals, const Split& split)
    : slots_(slots), inputs_(inputs), outputs_(outputs), split_(split) {
  const auto n = static_cast<std::int64_t>(slots);
  OBSCURA_CHECK(!diagonals.empty() && slots > 0, "transform: no diagonals");
  OBSCURA_CHECK(split.period > 0, "transform: a split of period {}", split.period);
  OBSCURA_CHECK(split.pair >= 0 && split.pair < n, "transform: pairs {} apart in {} slots", split.pair, n);
  std::vector<bool> input_used(inputs), output_used(outputs);
  for (Diagonal& d : diagonals) {
    OBSCURA_CHECK(d.output < outputs && d.input < inputs,
                  "transform: a diagonal from input {} of {} to output {} of {}", d.input, inputs, d.output, outputs);
    d.step = centred_step(d.step, n);
    input_used[d.input] = output_used[d.output] = true;
  }
  for (std::size_t i = 0; i < inputs; ++i) OBSCURA_CHECK(input_used[i], "transform: input {} has no diagonal", i);
  for (std::size_t o = 0; o < outputs; ++o) OBSCURA_CHECK(output_used[o], "transform: output {} has no diagonal", o);
  std::sort(diagonals.begin(), diagonals.end());
  const auto twice = std::adjacent_find(diagonals.begin(), diagonals.end());
  OBSCURA_CHECK(twice == diagonals.end(), "transform: the diagonal of step {} from input {} to output {} stands twice",
                twice->step, twice->input, twice->output);
  std::map<std::pair<std::uint32_t, std::int64_t>, std::uint32_t> babies;
  std::map<std::pair<std::uint32_t, std::int64_t>, TransformGroup> groups;
  if (split.pair != 0) partner_turns_ = {centred_step(split.pair, n)};
  const std::vector<Plaintext> plaintexts = pair_up(diagonals, split.pair);
  for (const auto& [d, _] : plaintexts) {
    babies.emplace(std::pair{d.input, centred_step(baby_of(split, d.step), n)}, 0);
  }
  for (auto& [baby, index] : babies) {
    const auto& [input, step] = baby;
    index = static_cast<std::uint32_t>(babies_.size());
    babies_.push_back({input, step, kUnrotated, step, step == 0 ? 0U : 1U});
  }
  for (const auto& [d, paired] : plaintexts) {
    const std::int64_t baby = centred_step(baby_of(split, d.step), n), giant = centred_step(d.step - baby, n);
    TransformGroup& group = groups[{d.output, giant}];
    group.output = d.output;
    group.giant = group.turn = giant;
    group.terms.push_back({d, paired, babies.at({d.input, baby})});
  }
  for (auto& [key, group] : groups) groups_.push_back(std::move(group));
  find_rotation_steps();
}

void TransformShape::find_rotation_steps() {
  std::set<std::int64_t> steps(partner_turns_.begin(), partner_turns_.end());
  for (const Baby& baby : babies_) steps.insert(baby.turn);
  for (const TransformGroup& group : groups_) steps.insert(group.turn);
  steps.erase(0);
  rotation_steps_.assign(steps.begin(), steps.end());
}

std::optional<TransformShape> TransformShape::composed(std::span<const std::int64_t> keys) const {
  TransformShape out(*this);
  if (!out.compose_babies(keys) || !out.compose_groups(keys)) return std::nullopt;
  if (split_.pair != 0) {
    const auto tree = rotation_tree(static_cast<std::int64_t>(slots_), std::span(&split_.pair, 1), keys);
    if (!tree) return std::nullopt;
    out.partner_turns_.clear();
    for (const ComposedRotation& rotation : *tree) out.partner_turns_.push_back(rotation.turn);
  }
  out.find_rotation_steps();
  return out;
}

bool TransformShape::compose_babies(std::span<const std::int64_t> keys) {
  std::vector<bool> read(babies_.size());
  for (const TransformGroup& group : groups_) {
    for (const TransformGroup::Term& term : group.terms) read[term.baby] = true;
  }
  std::map<std::pair<std::uint32_t, std::int64_t>, std::uint32_t> places;
  std::vector<Baby> babies;
  const auto add = [&](const Baby& baby) {
    places.emplace(std::pair{baby.input, baby.step}, static_cast<std::uint32_t>(babies.size()));
    babies.push_back(baby);
  };
  for (std::uint32_t input = 0, b = 0; input < inputs_; ++input) {
    std::vector<std::int64_t> wanted;
    for (; b < babies_.size() && babies_[b].input == input; ++b) {
      if (!read[b]) continue;
      wanted.push_back(babies_[b].step);
      if (wanted.back() == 0) add({input});
    }
    const auto tree = rotation_tree(static_cast<std::int64_t>(slots_), wanted, keys);
    if (!tree) return false;
    const auto first = static_cast<std::uint32_t>(babies.size());
    for (const ComposedRotation& one : *tree) {
      add({input, one.step, one.from == kUnrotated ? kUnrotated : first + one.from, one.turn, one.switches});
    }
  }
  for (TransformGroup& group : groups_) {
    for (TransformGroup::Term& term : group.terms) {
      term.baby = places.at({term.diagonal.input, babies_[term.baby].step});
    }
  }
  babies_ = std::move(babies);
  return true;
}

/// The same trees the other way round: sums go from the ends to the output.
bool TransformShape::compose_groups(std::span<const std::int64_t> keys) {
  std::vector<TransformGroup> groups;
  for (std::size_t g = 0; g < groups_.size();) {
    const std::uint32_t output = groups_[g].output;
    std::map<std::int64_t, TransformGroup*> own;
    std::vector<std::int64_t> wanted;
    for (; g < groups_.size() && groups_[g].output == output; ++g) {
      if (groups_[g].terms.empty()) continue;
      own[groups_[g].giant] = &groups_[g];
      wanted.push_back(groups_[g].giant);
    }
    const auto tree = rotation_tree(static_cast<std::int64_t>(slots_), wanted, keys);
    if (!tree) return false;
    const auto last = static_cast<std::uint32_t>(groups.size() + tree->size()) - 1;
    for (auto one = tree->rbegin(); one != tree->rend(); ++one) {
      TransformGroup& group = groups.emplace_back();
      if (const auto found = own.find(one->step); found != own.end()) group.terms = std::move(found->second->terms);
      group.output = output;
      group.giant = one->step;
      group.turn = one->turn;
      group.into = one->from == kUnrotated ? TransformGroup::kOutput : last - one->from;
    }
    if (const auto found = own.find(0); found != own.end()) groups.push_back(std::move(*found->second));
  }
  groups_ = std::move(groups);
  return true;
}

}  // namespace obscura::ckks
