// SPDX-License-Identifier: Apache-2.0
#include "compile/search/batch_search.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

namespace obscura::compile {
namespace {

constexpr int kMaxDigitLimbs = 4;
constexpr std::uint32_t kMaxFinalLimbs = 3;
constexpr std::uint32_t kMaxDrop = 2;
constexpr int kPreferredBits = 48;  // above, NTTs reduce more often (CostModel::large_prime_factor)
constexpr int kLargestBits = 49;
/// Networks with more squares than this get the same number of limbs dropped after each.
constexpr std::size_t kMaxFreeDrops = 4;
/// Times within this factor of each other count as equal: the cost model is no better.
constexpr double kTie = 1.01;
/// How long to look for a runner-up, in multiples of the best time.
constexpr double kRunnerUpRange = 1.6;

/// All ways to drop 0 .. kMaxDrop limbs after each square but the last.
std::vector<std::vector<std::uint32_t>> drop_patterns(std::size_t squares) {
  if (squares == 0) return {{}};
  std::vector<std::vector<std::uint32_t>> out;
  if (squares - 1 > kMaxFreeDrops) {
    for (std::uint32_t drop = 0; drop <= kMaxDrop; ++drop) {
      out.emplace_back(squares, drop);
      out.back().back() = 0;
    }
    return out;
  }
  std::vector<std::uint32_t> pattern(squares, 0);
  for (;;) {
    out.push_back(pattern);
    std::size_t i = 0;
    while (i + 1 < squares && pattern[i] == kMaxDrop) pattern[i++] = 0;
    if (i + 1 >= squares) return out;
    ++pattern[i];
  }
}

struct Timed {
  Choice choice;
  double nanoseconds = 0;
};

std::uint64_t ciphertexts(int log2_degree, std::uint32_t batch) {
  const std::uint64_t slots = std::uint64_t{1} << (log2_degree - 1);
  return (batch + slots - 1) / slots;
}

/// Sizes of primes, {final, dropped}, that make the best of the secure modulus: all alike where there is room; else
/// every size of the dropped ones with what is left for those that stay.
std::vector<std::pair<int, int>> prime_sizes(const Choice& choice) {
  const std::uint32_t limbs = choice.limbs();
  const std::uint32_t dropped = limbs - choice.final_limbs;
  const double budget = ckks::max_log2_qp(choice.log2_degree);
  const int alike = static_cast<int>(budget / (limbs + choice.digit_limbs));
  if (alike >= kLargestBits || dropped == 0) {
    const int bits = std::min(alike, kLargestBits);
    if (bits > kPreferredBits) return {{kPreferredBits, kPreferredBits}, {bits, bits}};
    return {{bits, bits}};
  }
  std::vector<std::pair<int, int>> out;
  for (int drop = ckks::kMinPrimeBits; drop <= kLargestBits; ++drop) {
    for (int last = kLargestBits; last >= ckks::kMinPrimeBits; --last) {
      if (last * choice.final_limbs + drop * dropped + std::max(last, drop) * choice.digit_limbs > budget) continue;
      out.emplace_back(last, drop);
      break;
    }
  }
  return out;
}

void add_choices(const Setting& setting, const Request& request, Choice choice, std::vector<Timed>& out) {
  const int most = std::min(kMaxDigitLimbs, static_cast<int>(choice.limbs()));
  for (choice.digit_limbs = 1; choice.digit_limbs <= most; ++choice.digit_limbs) {
    for (const auto& [last, drop] : prime_sizes(choice)) {
      if (std::min(last, drop) < ckks::kMinPrimeBits) continue;
      choice.final_bits = last;
      choice.drop_bits = drop;
      const double once = make_schedule(*setting.network, choice, setting.cost).nanoseconds;
      out.push_back({choice, once * static_cast<double>(ciphertexts(choice.log2_degree, request.batch))});
    }
  }
}

std::vector<Timed> list_choices(const Setting& setting, const Request& request) {
  const std::size_t squares = squares_before(*setting.network).back();
  std::vector<Timed> out;
  Choice choice;
  for (int n = ckks::kMinLog2Degree; n <= ckks::kMaxLog2Degree; ++n) {
    if (request.log2_degree && *request.log2_degree != n) continue;
    choice.log2_degree = n;
    for (choice.final_limbs = 1; choice.final_limbs <= kMaxFinalLimbs; ++choice.final_limbs) {
      for (const auto& drops : drop_patterns(squares)) {
        choice.drops = drops;
        add_choices(setting, request, choice, out);
      }
    }
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const Timed& a, const Timed& b) { return a.nanoseconds < b.nanoseconds; });
  return out;
}

/// Judges choices; parameters, whose primes are costly to find, are kept.
class Judge {
 public:
  explicit Judge(const Setting& setting) : setting_(setting) {}

  std::optional<Candidate> operator()(const Choice& choice) {
    const auto key = std::tuple(choice.log2_degree, choice.final_bits, choice.drop_bits, choice.final_limbs,
                                choice.limbs(), choice.digit_limbs);
    auto found = params_.find(key);
    if (found == params_.end()) found = params_.emplace(key, params_of(choice)).first;
    if (!found->second) return std::nullopt;
    ++considered_;
    return judge(setting_, choice, *found->second);
  }
  std::size_t considered() const { return considered_; }

 private:
  static std::optional<ckks::Params> params_of(const Choice& choice) {
    auto literal = make_literal(choice);
    if (!literal.ok()) return std::nullopt;
    auto params = ckks::Params::make(std::move(literal).value());
    if (!params.ok()) return std::nullopt;
    return std::move(params).value();
  }
  const Setting& setting_;
  std::map<std::tuple<int, int, int, std::uint32_t, std::uint32_t, int>, std::optional<ckks::Params>> params_;
  std::size_t considered_ = 0;
};

bool same_family(const Choice& a, const Choice& b) {
  return a.log2_degree == b.log2_degree && a.limbs() == b.limbs() && a.digit_limbs == b.digit_limbs;
}

Error infeasible(const std::optional<Candidate>& closest, const Setting& setting, const Request& request) {
  if (!closest) {
    return error(Code::infeasible,
                 "no secure parameters hold this network: with {}, every choice leaves values below the noise or above "
                 "the modulus",
                 request.log2_degree ? fmt::format("N = 2^{}", *request.log2_degree)
                                     : fmt::format("N up to 2^{}", ckks::kMaxLog2Degree));
  }
  return error(
      Code::infeasible,
      "no secure parameters reach a logit error of {:.3g}; the best found is {:.3g}, with N = 2^{} and {} limbs",
      setting.max_error, closest->logit_error, closest->choice.log2_degree, closest->choice.limbs());
}

}  // namespace

double batch_nanoseconds(const Candidate& candidate, std::uint32_t batch) {
  return candidate.schedule.nanoseconds * static_cast<double>(ciphertexts(candidate.choice.log2_degree, batch));
}

double least_nanoseconds(const MonicNetwork& network, const CostModel& cost, const Request& request) {
  Setting setting;
  setting.network = &network;
  setting.cost = cost;
  const std::vector<Timed> choices = list_choices(setting, request);
  return choices.empty() ? HUGE_VAL : choices.front().nanoseconds;
}

Result<Selection> search(const Setting& setting, const Request& request) {
  Judge judge(setting);
  std::optional<Candidate> best;
  std::optional<Candidate> runner_up;
  std::optional<Candidate> closest;
  double best_time = 0;
  for (const Timed& timed : list_choices(setting, request)) {
    if (best && timed.nanoseconds > kRunnerUpRange * best_time) break;
    const bool tied = !best || timed.nanoseconds <= kTie * best_time;
    if (!tied && (runner_up || same_family(timed.choice, best->choice))) {
      if (runner_up) break;
      continue;
    }
    std::optional<Candidate> candidate = judge(timed.choice);
    if (!candidate) continue;
    if (!closest || candidate->logit_error < closest->logit_error) closest = candidate;
    if (candidate->logit_error > setting.max_error) continue;
    if (!best) best_time = timed.nanoseconds;
    if (!best || (tied && candidate->logit_error < best->logit_error)) {
      std::swap(best, candidate);
    }
    // What did not become, or no longer is, the best may be the runner-up.
    if (candidate && !runner_up && !same_family(candidate->choice, best->choice)) runner_up = std::move(candidate);
  }
  if (!best) return infeasible(closest, setting, request);
  if (runner_up && same_family(runner_up->choice, best->choice)) runner_up.reset();
  return Selection{std::move(*best), std::move(runner_up), judge.considered()};
}

}  // namespace obscura::compile
