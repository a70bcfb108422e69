// SPDX-License-Identifier: Apache-2.0
#include "compile/search/batch.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "compile/cost/transform.h"
#include "compile/layout/batch.h"
#include "compile/schedule/price.h"
#include "compile/search/weight_bits.h"
#include "plan/keys.h"
#include "plan/polynomial.h"

namespace obscura::compile {
namespace {

constexpr std::uint32_t kMaxFinalLimbs = 3;
constexpr std::uint32_t kMaxDrop = 2;
constexpr int kPreferredBits = 48;  // above, NTTs reduce more often (CostModel::large_prime_factor)
/// Networks with more squares than this get the same number of limbs dropped after each.
constexpr std::size_t kMaxFreeDrops = 4;
/// How long to look for a runner-up, in multiples of the best time.
constexpr double kRunnerUpRange = 1.6;

/// Every pattern of dropping 0 .. kMaxDrop limbs after each square but the last. Polynomials drop one at each level.
std::vector<std::vector<std::uint32_t>> drop_patterns(const MonicNetwork& network) {
  const std::size_t squares = squares_before(network).back();
  if (squares == 0) return {{}};
  if (is_approximated(network)) return {std::vector<std::uint32_t>(squares, 1)};
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

std::uint64_t ciphertexts(const Choice& choice, std::uint32_t batch) {
  const std::uint64_t slots = ckks::slots_of(choice.log2_degree, choice.ring);
  return (batch + slots - 1) / slots;
}

/// Sizes of primes, {final, dropped}, that make the best of the secure modulus: all alike where it is large enough;
/// else as prime_sizes has them.
std::vector<std::pair<int, int>> sizes_of(const Choice& choice) {
  const std::uint32_t dropped = choice.limbs() - choice.final_limbs;
  const double budget = ckks::max_log2_qp(choice.log2_degree);
  const int alike = static_cast<int>(budget / (choice.limbs() + choice.digit_limbs));
  if (alike < kLargestBits && dropped > 0) {
    return prime_sizes(choice.log2_degree, choice.final_limbs, dropped, choice.digit_limbs);
  }
  const int bits = std::min(alike, kLargestBits);
  if (bits > kPreferredBits) return {{kPreferredBits, kPreferredBits}, {bits, bits}};
  return {{bits, bits}};
}

/// What the polynomials of a circuit take, level by level. Their steps depend on the sizes of primes next to nothing:
/// they are planned once, on numbers of a prime's size.
class PolynomialWork {
 public:
  std::vector<ckks::PolynomialLevelCost> of(const Operation& operation, std::uint32_t limbs) {
    auto [found, fresh] = planned_.try_emplace(operation.term.get());
    const std::uint32_t enough = operation.drops + 1;
    if (fresh) {
      ckks::ParamsLiteral chain;
      chain.chain.assign(enough, std::uint64_t{1} << kPreferredBits);
      const double scale = std::exp2(kPreferredBits);
      const auto composite = plan::composite_of(polynomial_of(operation, scale), chain, enough, scale);
      if (composite.ok()) found->second = composite->cost();
    }
    std::vector<ckks::PolynomialLevelCost> out = found->second;
    for (auto& level : out) level.limbs += limbs - enough;
    return out;
  }

 private:
  std::map<const Approximation::Term*, std::vector<ckks::PolynomialLevelCost>> planned_;
};

/// Choices with their predicted times, the fastest first.
class ChoiceList {
 public:
  ChoiceList(const MonicNetwork& network, const CostModel& cost, const Request& request)
      : network_(network), cost_(cost), request_(request), lowering_(network, cost) {}

  std::vector<Timed> run() {
    for (int n = ckks::kMinLog2Degree; n <= ckks::kMaxLog2Degree; ++n) {
      if (request_.log2_degree && *request_.log2_degree != n) continue;
      for (const ckks::RingType ring : rings(n)) add_degree(ring, n);
    }
    std::stable_sort(out_.begin(), out_.end(),
                     [](const Timed& a, const Timed& b) { return a.nanoseconds < b.nanoseconds; });
    return std::move(out_);
  }

 private:
  /// The one that was asked for, or those that may be fastest: more slots are worth what their NTTs take where they
  /// make fewer ciphertexts.
  std::vector<ckks::RingType> rings(int log2_degree) const {
    if (request_.ring) return {*request_.ring};
    Choice standard, invariant;
    standard.log2_degree = invariant.log2_degree = log2_degree;
    invariant.ring = ckks::RingType::conjugate_invariant;
    if (ciphertexts(invariant, request_.batch) == ciphertexts(standard, request_.batch)) return {standard.ring};
    return {standard.ring, invariant.ring};
  }

  void add_degree(ckks::RingType ring, int log2_degree) {
    Choice choice;
    choice.ring = ring;
    choice.log2_degree = log2_degree;
    for (choice.final_limbs = 1; choice.final_limbs <= kMaxFinalLimbs; ++choice.final_limbs) {
      for (const auto& drops : drop_patterns(network_)) {
        choice.drops = drops;
        add(choice);
      }
    }
  }

  /// All digits and sizes of primes.
  void add(Choice choice) {
    const int most = std::min(kMaxDigitLimbs, static_cast<int>(choice.limbs()));
    for (choice.digit_limbs = 1; choice.digit_limbs <= most; ++choice.digit_limbs) {
      std::optional<double> once[2];  // by whether primes are so large that NTTs take longer: no other size matters
      for (const auto& [last, drop] : sizes_of(choice)) {
        if (std::min(last, drop) < ckks::kMinPrimeBits) continue;
        choice.final_bits = last;
        choice.drop_bits = drop;
        auto& nanoseconds = once[choice.largest_bits() > kPreferredBits ? 1 : 0];
        if (!nanoseconds) nanoseconds = nanoseconds_of(choice);
        out_.push_back({choice, *nanoseconds * static_cast<double>(ciphertexts(choice, request_.batch))});
      }
    }
  }

  double nanoseconds_of(const Choice& choice) {
    const Circuit circuit = lowering_.circuit(choice);
    const Splits splits = split(circuit, choice.limbs(), choice.digit_limbs, cost_);
    const CostModel cost = cost_.of(choice.ring);
    double sum = 0;
    for (std::size_t k = 0; k < circuit.operations.size(); ++k) {
      const Operation& operation = circuit.operations[k];
      if (operation.kind == Operation::Kind::polynomial) {
        const auto work = polynomials_.of(operation, splits.before[k]);
        sum += operation.ciphertexts * cost.polynomial(choice.log2_degree, choice.largest_bits(), work,
                                                       static_cast<std::uint32_t>(choice.digit_limbs));
        continue;
      }
      sum += price(cost, network_, operation, choice, splits.before[k], splits.parts[operation.input]);
    }
    return sum;
  }

  const MonicNetwork& network_;
  const CostModel& cost_;
  const Request& request_;
  BatchLowering lowering_;
  PolynomialWork polynomials_;
  std::vector<Timed> out_;
};

/// Evaluates choices; parameters, whose primes are costly to find, are kept.
class Evaluator {
 public:
  explicit Evaluator(const Setting& setting) : setting_(setting), lowering_(*setting.network, setting.cost) {}

  std::optional<Candidate> operator()(const Choice& choice) {
    const auto key = std::tuple(choice.ring, choice.log2_degree, choice.final_bits, choice.drop_bits,
                                choice.final_limbs, choice.limbs(), choice.digit_limbs);
    auto found = params_.find(key);
    if (found == params_.end()) found = params_.emplace(key, params_of(choice)).first;
    if (!found->second) return std::nullopt;
    ++considered_;
    const auto circuit = run_pass(setting_.passes, Pass::layout,
                                  [&] { return std::make_shared<const Circuit>(lowering_.circuit(choice)); });
    verify_after(Pass::layout, [&] { return verify(*circuit); });
    const Splits splits = split(*circuit, choice.limbs(), choice.digit_limbs, setting_.cost);
    auto candidate = with_best_weight_bits({setting_, *circuit, splits, choice, *found->second});
    if (candidate) candidate->circuit = circuit;
    return candidate;
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
  BatchLowering lowering_;
  std::map<std::tuple<ckks::RingType, int, int, int, std::uint32_t, std::uint32_t, int>, std::optional<ckks::Params>>
      params_;
  std::size_t considered_ = 0;
};

bool same_family(const Choice& a, const Choice& b) {
  return a.ring == b.ring && a.log2_degree == b.log2_degree && a.limbs() == b.limbs() && a.digit_limbs == b.digit_limbs;
}

std::string degree_asked_for(const Request& request) {
  std::string text = request.ring ? fmt::format(" of the {} ring", ckks::name_of(*request.ring)) : "";
  if (request.log2_degree) text += fmt::format("{} N = 2^{}", request.ring ? "," : " of", *request.log2_degree);
  return text;
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
      setting.max_error, closest->schedule.logit_error, closest->schedule.choice.log2_degree,
      closest->schedule.choice.limbs());
}

}  // namespace

double batch_nanoseconds(const Candidate& candidate, std::uint32_t batch) {
  return candidate.schedule.total_nanoseconds() * static_cast<double>(ciphertexts(candidate.schedule.choice, batch));
}

double least_nanoseconds(const MonicNetwork& network, const CostModel& cost, const Request& request) {
  const std::vector<Timed> choices = ChoiceList(network, cost, request).run();
  return choices.empty() ? HUGE_VAL : choices.front().nanoseconds;
}

Result<void> check_levels(const MonicNetwork& network, const CostModel& cost, const Request& request) {
  if (!is_approximated(network) || std::isfinite(least_nanoseconds(network, cost, request))) return {};
  const std::size_t levels = squares_before(network).back();
  const std::string refusal = fmt::format("network '{}': no secure modulus{} holds the {} levels of its polynomials",
                                          network.name, degree_asked_for(request), levels);
  // The set of most levels, in each slot.
  ckks::BootstrapLiteral most;
  most.levels = 0;
  for (const ckks::BootstrapLiteral& set : ckks::BootstrapParams::demonstrated()) {
    if (set.log2_slots + 1 == set.log2_degree && set.levels > most.levels) most = set;
  }
  OBSCURA_TRY(const ckks::BootstrapParams set, ckks::BootstrapParams::make(most));
  const double scale = std::exp2(most.level_bits);
  OBSCURA_TRY(const auto bootstrapper, ckks::Bootstrapper::make(set, {scale, scale, plan::kBootstrapFactorBytes}));
  std::size_t fewest = SIZE_MAX;
  for (const MonicActivation& a : network.activations) fewest = std::min<std::size_t>(fewest, a.elements);
  const std::size_t times = (levels - 1) / static_cast<std::size_t>(most.levels);
  const double seconds = static_cast<double>(times * fewest) * bootstrap_nanoseconds(cost, *bootstrapper) * 1e-9;
  return error(Code::infeasible,
               "{}; in the batch layout, where each of the {} or more values of a layer is a ciphertext, the {} "
               "bootstrappings of each would take {:.0f} core-seconds at least for {} images: take the image layout "
               "(--layout image)",
               refusal, fewest, times, seconds, std::size_t{1} << most.log2_slots);
}

Result<Selection> search_batch(const Setting& setting, const Request& request) {
  Evaluator evaluate(setting);
  std::optional<Candidate> best;
  std::optional<Candidate> runner_up;
  std::optional<Candidate> closest;
  double best_time = 0;
  for (const Timed& timed : ChoiceList(*setting.network, setting.cost, request).run()) {
    if (best && timed.nanoseconds > kRunnerUpRange * best_time) break;
    const bool tied = !best || timed.nanoseconds <= kTie * best_time;
    if (!tied && (runner_up || same_family(timed.choice, best->schedule.choice))) {
      if (runner_up) break;
      continue;
    }
    std::optional<Candidate> candidate = evaluate(timed.choice);
    if (!candidate) continue;
    if (!closest || candidate->schedule.logit_error < closest->schedule.logit_error) closest = candidate;
    if (candidate->schedule.logit_error > setting.max_error) continue;
    if (!best) best_time = timed.nanoseconds;
    if (!best || (tied && candidate->schedule.logit_error < best->schedule.logit_error)) {
      std::swap(best, candidate);
    }
    // What did not become, or no longer is, the best may be the runner-up.
    if (candidate && !runner_up && !same_family(candidate->schedule.choice, best->schedule.choice))
      runner_up = std::move(candidate);
  }
  if (!best) return infeasible(closest, setting, request);
  if (runner_up && same_family(runner_up->schedule.choice, best->schedule.choice)) runner_up.reset();
  return Selection{std::move(*best), std::move(runner_up), evaluate.considered()};
}

}  // namespace obscura::compile
