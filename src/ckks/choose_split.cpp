// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <unordered_map>

#include "ckks/pairs.h"
#include "ckks/rotation_tree.h"
#include "ckks/switch_size.h"

namespace obscura::ckks {

namespace {

/// A product or permutation of a limb, in NTTs of a limb (kernels_bench at 2^14 .. 2^16).
constexpr double kProductPrice = 0.2;

/// Rows of numbers, alike ones once: ciphertexts often have the same steps.
template <class Number>
class DistinctRows {
 public:
  struct Row {
    std::size_t first = 0, last = 0;
    std::size_t times = 1;
  };

  void push(Number number) { numbers_.push_back(number); }
  /// The index of the row of what was pushed since the row before, which stands `times` times.
  std::uint32_t end_row(std::size_t times = 1) {
    const std::size_t first = rows_.empty() ? 0 : rows_.back().last, last = numbers_.size();
    const std::string key(reinterpret_cast<const char*>(numbers_.data() + first), (last - first) * sizeof(Number));
    const auto [found, fresh] = row_of_.try_emplace(key, static_cast<std::uint32_t>(rows_.size()));
    if (fresh) {
      rows_.push_back({first, last, times});
    } else {
      rows_[found->second].times += times;
      numbers_.resize(first);
    }
    return found->second;
  }

  const std::vector<Row>& rows() const { return rows_; }
  const std::vector<Number>& numbers() const { return numbers_; }
  std::span<const Number> of(const Row& row) const {
    return std::span(numbers_).subspan(row.first, row.last - row.first);
  }
  /// Numbers of all rows, alike or not.
  std::size_t count() const {
    std::size_t sum = 0;
    for (const Row& row : rows_) sum += row.times * (row.last - row.first);
    return sum;
  }

 private:
  std::vector<Number> numbers_;
  std::vector<Row> rows_;
  std::unordered_map<std::string, std::uint32_t> row_of_;
};

/// Diagonals, or pairs of them, by the ciphertexts that they stand between.
struct Steps {
  struct Block {
    std::uint32_t output = 0, input = 0;
    std::uint32_t row = 0;
  };
  DistinctRows<std::int64_t> rows;  ///< ascending
  std::vector<Block> blocks;        ///< ascending
};

/// Steps in (-slots / 2, slots / 2].
Steps steps_of(std::span<const Diagonal> given, std::int64_t slots) {
  std::vector<Diagonal> diagonals(given.begin(), given.end());
  for (Diagonal& d : diagonals) d.step = centred_step(d.step, slots);
  if (!std::is_sorted(diagonals.begin(), diagonals.end())) std::sort(diagonals.begin(), diagonals.end());
  Steps out;
  for (std::size_t k = 0; k < diagonals.size(); ++k) {
    const Diagonal& d = diagonals[k];
    out.rows.push(d.step);
    const bool last =
        k + 1 == diagonals.size() || diagonals[k + 1].output != d.output || diagonals[k + 1].input != d.input;
    if (last) out.blocks.push_back({d.output, d.input, out.rows.end_row()});
  }
  return out;
}

/// What pair_up leaves.
Steps in_pairs(const Steps& steps, std::int64_t pair) {
  if (pair == 0) return steps;
  std::vector<std::vector<Diagonal>> left;
  for (const auto& row : steps.rows.rows()) {
    std::vector<Diagonal> own;
    for (const std::int64_t step : steps.rows.of(row)) own.push_back({0, 0, step});
    left.emplace_back();
    for (const DiagonalPair& one : pair_up(own, pair)) left.back().push_back(one.diagonal);
  }
  Steps out;
  for (const Steps::Block& block : steps.blocks) {
    for (const Diagonal& d : left[block.row]) out.rows.push(d.step);
    out.blocks.push_back({block.output, block.input, out.rows.end_row()});
  }
  return out;
}

/// How many plaintexts pair_up leaves of the same diagonals, time and again.
class PairCounter {
 public:
  explicit PairCounter(const DistinctRows<std::int64_t>& rows) : rows_(rows), taken_(rows.numbers().size()) {}
  std::size_t operator()(std::int64_t pair) {
    std::fill(taken_.begin(), taken_.end(), char{0});
    const std::vector<std::int64_t>& steps = rows_.numbers();
    std::size_t count = 0;
    for (const auto& row : rows_.rows()) {
      for (std::size_t k = row.first, partner = row.first; k < row.last; ++k) {
        if (taken_[k] != 0) continue;
        count += row.times;
        const std::int64_t wanted = steps[k] + pair;
        while (partner < row.last && steps[partner] < wanted) ++partner;
        if (partner < row.last && steps[partner] == wanted) taken_[partner] = 1;
      }
    }
    return count;
  }

 private:
  const DistinctRows<std::int64_t>& rows_;
  std::vector<char> taken_;
};

/// Of the steps by which the first diagonals stand apart those that leave the fewest plaintexts: the least and the
/// largest. A convolution's taps and channels all show there.
std::vector<std::int64_t> pairs_worth_a_try(const DistinctRows<std::int64_t>& rows) {
  constexpr std::size_t kFirstSteps = 128;
  std::set<std::int64_t> apart;
  const auto first = rows.of(rows.rows()[0]);
  for (std::size_t k = 1; k < std::min(first.size(), kFirstSteps); ++k) apart.insert(first[k] - first[0]);
  std::vector<std::int64_t> best;
  const std::size_t all = rows.count();
  std::size_t least = all;
  PairCounter plaintexts(rows);
  for (const std::int64_t pair : apart) {
    const std::size_t count = plaintexts(pair);
    if (count < least) best.clear(), least = count;
    if (count == least && count < all) best.push_back(pair);
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
  Pricing(const Steps& plaintexts, std::int64_t slots, const SplitOptions& options, std::int64_t pair)
      : slots_(slots),
        pair_(pair),
        steps_(plaintexts.rows.numbers()),
        babies_(size(slots)),
        giants_(size(slots)),
        keys_(size(slots)),
        there_(size(slots)) {
    std::sort(steps_.begin(), steps_.end());
    steps_.erase(std::unique(steps_.begin(), steps_.end()), steps_.end());
    for (const std::int64_t step : steps_) unit_ = std::gcd(unit_, step);
    by_input_ = uses_of(plaintexts, &Steps::Block::input);
    by_output_ = uses_of(plaintexts, &Steps::Block::output);
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
  using Uses = DistinctRows<std::uint32_t>;  // of each ciphertext the numbers of its steps, ascending

  /// Those that have the same rows have the same steps.
  Uses uses_of(const Steps& plaintexts, std::uint32_t Steps::Block::*ciphertext) const {
    std::map<std::uint32_t, std::set<std::uint32_t>> rows_of;
    for (const Steps::Block& block : plaintexts.blocks) rows_of[block.*ciphertext].insert(block.row);
    std::map<std::set<std::uint32_t>, std::size_t> times;
    for (const auto& [_, rows] : rows_of) ++times[rows];
    Uses out;
    for (const auto& [rows, count] : times) {
      std::vector<std::uint32_t> numbers;
      for (const std::uint32_t row : rows) {
        for (const std::int64_t step : plaintexts.rows.of(plaintexts.rows.rows()[row])) numbers.push_back(number(step));
      }
      std::sort(numbers.begin(), numbers.end());
      numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
      for (const std::uint32_t one : numbers) out.push(one);
      out.end_row(count);
    }
    return out;
  }
  std::uint32_t number(std::int64_t step) const {
    return static_cast<std::uint32_t>(std::lower_bound(steps_.begin(), steps_.end(), step) - steps_.begin());
  }

  static std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

  /// Rotations of all ciphertexts, and of the one that has the most, where each serves `reach` steps and one is none.
  struct Fewest {
    std::size_t all = 0, of_one = 0;
  };
  static Fewest fewest(const Uses& uses, std::size_t reach) {
    Fewest out;
    for (const auto& row : uses.rows()) {
      const std::size_t own = (row.last - row.first + reach - 1) / reach - 1;
      out = {out.all + row.times * own, std::max(out.of_one, own)};
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
    for (const auto& row : uses.rows()) {
      marks.clear();
      for (std::size_t k = row.first; k < row.last; ++k) {
        const std::size_t rotation = rotations[uses.numbers()[k]];
        if (rotation == 0 || !marks.add(rotation)) continue;
        sum += row.times;
        need(rotation);
        if (--left > 0) continue;
        left = kBetweenLooks;
        if (price() >= most) return false;
      }
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
std::vector<std::int64_t> periods(const std::vector<std::int64_t>& all, std::int64_t slots) {
  constexpr std::size_t kFirstSteps = 64;
  const std::set<std::int64_t> steps(all.begin(), all.end());
  std::set<std::int64_t> out = {slots};
  std::int64_t unit = 0;
  for (const std::int64_t step : steps) unit = std::gcd(unit, step);
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
  const Steps diagonals = steps_of(given, slots);
  std::set<std::uint32_t> inputs, outputs;
  for (const Steps::Block& block : diagonals.blocks) inputs.insert(block.input), outputs.insert(block.output);
  const double pair_price = static_cast<double>(inputs.size() + outputs.size()) *
                            (static_cast<double>(switch_ntts(options.size)) +
                             kProductPrice * static_cast<double>(switch_products(options.size)));
  const double plaintext_price = 2 * kProductPrice * static_cast<double>(options.size.limbs + options.size.special);
  const std::int64_t longest =
      options.longest_period == 0 ? slots : std::min(slots, static_cast<std::int64_t>(options.longest_period));
  std::vector<std::int64_t> pairs = {0};
  if (options.pairs && !given.empty()) {
    for (const std::int64_t pair : pairs_worth_a_try(diagonals.rows)) pairs.push_back(pair);
  }
  std::deque<Pricing> pricings;
  std::vector<Attempt> attempts;
  for (const std::int64_t pair : pairs) {
    const Steps plaintexts = in_pairs(diagonals, pair);
    const double fixed = plaintext_price * static_cast<double>(plaintexts.rows.count()) + (pair == 0 ? 0 : pair_price);
    Pricing& pricing = pricings.emplace_back(plaintexts, slots, options, pair);
    for (const std::int64_t period : periods(plaintexts.rows.numbers(), longest)) {
      const double bound = pricing.least(period, fixed);
      for (const std::int64_t phase : {std::int64_t{0}, -(period / 2)}) {
        attempts.push_back({{period, phase, pair}, &pricing, fixed, bound, attempts.size()});
      }
    }
  }
  return cheapest(std::move(attempts));
}

}  // namespace obscura::ckks
