// SPDX-License-Identifier: Apache-2.0
/// The search over sequences of degrees. A sequence is judged by tables; only what is returned is computed.
#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <optional>
#include <tuple>

#include "approx/balance.h"
#include "approx/cost.h"
#include "approx/remez.h"
#include "approx/sign.h"
#include "approx/tables.h"
#include "base/parallel.h"

namespace obscura::approx {
namespace {

/// Bits that an estimate may differ by from the result.
constexpr double kDoubt = 0.003;

/// A sequence of stages, as indices of degrees.
struct Sequence {
  std::vector<int> stages;
  int depth = 0;
  int multiplications = 0;
  double limit = 0;  ///< an upper bound of its bits
};

struct Estimate {
  double epsilon = 0;
  double bits = 0;
};

}  // namespace

struct SignSearch::Impl {
  struct Degree {
    int degree;
    int depth;
    int multiplications;
    double single_bits;  ///< of the ReLU with this polynomial alone
  };
  std::vector<Degree> degrees;
  std::vector<StageTable> tables;

  /// Error of the last stage, from the first stage's interval.
  double error_on(const std::vector<int>& stages, double epsilon) const {
    double v = coordinate_of(epsilon);
    for (const int stage : stages) v = tables[stage].image(v);
    return error_of(v);
  }

  /// The largest bits for which the sequence could serve, were the inner error as small as it ever is.
  double limit_of(const std::vector<int>& stages) const {
    if (stages.size() == 1) return degrees[stages.front()].single_bits;
    const auto bits_at = [&](double log_epsilon) { return 1 - std::log2(error_on(stages, std::exp(log_epsilon))); };
    const auto excess = [&](double log_epsilon) {
      const double bits = bits_at(log_epsilon);
      return std::log(least_inner_share(bits)) + log_epsilon + bits * std::numbers::ln2;
    };
    return bits_at(balance(excess, std::log(0x1p-26), std::log(0.9), 1e-3)) + 0.01;
  }

  double inner_of(const std::vector<int>& stages, double epsilon) const {
    std::vector<std::vector<double>> coefficients(stages.size());
    std::vector<double> inverse_highs;
    double v = coordinate_of(epsilon);
    double high = 1;
    for (std::size_t i = 0; i < stages.size(); ++i) {
      tables[stages[i]].coefficients(v, coefficients[i]);
      inverse_highs.push_back(1 / high);
      v = tables[stages[i]].image(v);
      high = 1 + error_of(v);
    }
    const auto p = [&](double x) {
      for (std::size_t i = 0; i < stages.size(); ++i) x = odd_sum(coefficients[i], x * inverse_highs[i]);
      return x;
    };
    return inner_error(p, epsilon, 1e-4);
  }

  /// sum_k c_k T_{2k+1}(t) = t (b_0 - b_1) with b_k = c_k + 2 s b_{k+1} - b_{k+2}, s = 2 t^2 - 1.
  static double odd_sum(const std::vector<double>& c, double t) {
    const double twice = 4 * t * t - 2;
    double b1 = 0;
    double b2 = 0;
    for (std::size_t k = c.size(); k-- > 0;) {
      const double b0 = c[k] + twice * b1 - b2;
      b2 = b1;
      b1 = b0;
    }
    return t * (b1 - b2);
  }

  Estimate estimate(const std::vector<int>& stages) const {
    if (stages.size() == 1) return {0, degrees[stages.front()].single_bits};
    const auto excess = [&](double log_epsilon) {
      const double epsilon = std::exp(log_epsilon);
      return std::log(inner_of(stages, epsilon) / (error_on(stages, epsilon) / 2));
    };
    const double epsilon = std::exp(balance(excess, std::log(0x1p-26), std::log(0.9), 1e-4));
    return {epsilon, -std::log2(std::max(inner_of(stages, epsilon), error_on(stages, epsilon) / 2))};
  }

  /// All sequences of exactly this depth.
  void enumerate(int depth, int max_degree, Sequence& prefix, std::vector<Sequence>& out) const {
    if (depth == 0) {
      out.push_back(prefix);
      return;
    }
    if (prefix.stages.size() == kMaxStages) return;
    for (std::size_t i = 0; i < degrees.size(); ++i) {
      if (degrees[i].depth > depth || degrees[i].degree > max_degree) break;
      prefix.stages.push_back(static_cast<int>(i));
      prefix.depth += degrees[i].depth;
      prefix.multiplications += degrees[i].multiplications;
      enumerate(depth - degrees[i].depth, max_degree, prefix, out);
      prefix.stages.pop_back();
      prefix.depth -= degrees[i].depth;
      prefix.multiplications -= degrees[i].multiplications;
    }
  }

  std::vector<Sequence> sequences(int depth, int max_degree) const {
    std::vector<Sequence> out;
    Sequence prefix;
    enumerate(depth, max_degree, prefix, out);
    return out;
  }

  SignCandidate candidate(const Sequence& sequence, const Estimate& estimate) const {
    SignCandidate out;
    for (const int stage : sequence.stages) out.choice.degrees.push_back(degrees[stage].degree);
    out.choice.epsilon = estimate.epsilon;
    out.bits = estimate.bits;
    out.depth = sequence.depth;
    out.multiplications = sequence.multiplications;
    return out;
  }
};

namespace {

Result<void> check(const SearchOptions& options) {
  if (options.max_depth < 1 || options.max_depth > kMaxSignDepth) {
    return error(Code::wrong_params, "sign: a depth of at most {}; it lies between 1 and {}", options.max_depth,
                 kMaxSignDepth);
  }
  if (options.max_degree < 3 || options.max_degree > kMaxStageDegree) {
    return error(Code::wrong_params, "sign: degrees of at most {}; it lies between 3 and {}", options.max_degree,
                 kMaxStageDegree);
  }
  return {};
}

Result<void> check(double alpha, const SearchOptions& options) {
  if (!(alpha >= kMinAlpha && alpha <= kMaxAlpha)) {
    return error(Code::wrong_params, "alpha {}; it lies between {} and {}", alpha, kMinAlpha, kMaxAlpha);
  }
  return check(options);
}

/// Whether the composition itself, not its estimate, has these bits.
bool certified(const SignCandidate& candidate, double bits) {
  const Result<Activation> built = relu(SignChoice{candidate.choice.degrees}, 1);
  return built.ok() && -std::log2(built->certificate.max_error) >= bits;
}

/// In ranges of equal cost, cheapest first: the best of the first range with `judge` not empty.
template <class Cost, class Judge>
std::optional<SignCandidate> cheapest(std::vector<Sequence>& sequences, const Cost& cost, const Judge& judge) {
  std::sort(sequences.begin(), sequences.end(),
            [&](const Sequence& a, const Sequence& b) { return cost(a) < cost(b); });
  for (std::size_t i = 0; i < sequences.size();) {
    std::optional<SignCandidate> best;
    std::size_t end = i;
    for (; end < sequences.size() && cost(sequences[end]) == cost(sequences[i]); ++end) {
      const std::optional<SignCandidate> one = judge(sequences[end]);
      if (one && (!best || one->bits > best->bits)) best = one;
    }
    if (best) return best;
    i = end;
  }
  return std::nullopt;
}

/// The cheapest sequence that `keep` lets through and `judge` accepts, by the objective.
template <class Impl, class Keep, class Judge>
std::optional<SignCandidate> search(const Impl& impl, const SearchOptions& options, const Keep& keep,
                                    const Judge& judge) {
  const bool by_depth = options.objective == Objective::depth;
  const auto cost = [](const Sequence& sequence) { return std::pair(sequence.multiplications, sequence.depth); };
  std::vector<Sequence> all;
  for (int depth = 1; depth <= options.max_depth; ++depth) {
    for (Sequence& sequence : impl.sequences(depth, options.max_degree)) {
      if (keep(sequence)) all.push_back(std::move(sequence));
    }
    if (!by_depth) continue;
    if (std::optional<SignCandidate> best = cheapest(all, cost, judge)) return best;
    all.clear();
  }
  return by_depth ? std::nullopt : cheapest(all, cost, judge);
}

Error none_within(const SearchOptions& options, const char* what, double alpha) {
  return error(Code::infeasible, "no composition of depth at most {} and degrees at most {} gives a {} of alpha {}",
               options.max_depth, options.max_degree, what, alpha);
}

}  // namespace

SignSearch::SignSearch(int max_degree) : impl_(std::make_unique<Impl>()) {
  OBSCURA_CHECK(max_degree >= 3 && max_degree <= kMaxStageDegree, "SignSearch: degrees up to {}", max_degree);
  for (int degree = 3; degree <= max_degree; degree += 2) {
    impl_->degrees.push_back({degree, depth_of(degree), multiplications_of(degree, Parity::odd), 0});
  }
  std::vector<std::optional<StageTable>> made(impl_->degrees.size());
  base::parallel_for(made.size(), [&](std::size_t i) {
    Impl::Degree& degree = impl_->degrees[made.size() - 1 - i];  // the dear ones first
    degree.single_bits = -std::log2(quick_minimax_relu_sign(degree.degree, 1).error);
    made[made.size() - 1 - i].emplace(degree.degree);
  });
  for (std::optional<StageTable>& table : made) impl_->tables.push_back(std::move(*table));
}

SignSearch::SignSearch(SignSearch&&) noexcept = default;
SignSearch& SignSearch::operator=(SignSearch&&) noexcept = default;
SignSearch::~SignSearch() = default;

Result<SignCandidate> SignSearch::for_relu(double alpha, const SearchOptions& options) const {
  OBSCURA_TRY_VOID(check(alpha, options));
  const double error = std::exp2(-alpha);
  const double widest = std::min(error / least_inner_share(alpha), 0.9);
  const auto keep = [&](const Sequence& sequence) {
    const std::vector<int>& stages = sequence.stages;
    return stages.size() == 1 || impl_->error_on(stages, widest) / 2 <= error * std::exp2(kDoubt);
  };
  const auto judge = [&](const Sequence& sequence) -> std::optional<SignCandidate> {
    SignCandidate one = impl_->candidate(sequence, impl_->estimate(sequence.stages));
    const bool good = one.bits >= alpha + kDoubt || (one.bits >= alpha - kDoubt && certified(one, alpha));
    return good ? std::optional(std::move(one)) : std::nullopt;
  };
  std::optional<SignCandidate> best = search(*impl_, options, keep, judge);
  if (!best) return none_within(options, "ReLU", alpha);
  OBSCURA_TRY(const Activation built, relu(SignChoice{best->choice.degrees}, 1));
  best->choice.epsilon = best->choice.degrees.size() == 1 ? 0 : built.composite.certificate.low;
  best->bits = -std::log2(built.certificate.max_error);
  return *best;
}

Result<SignCandidate> SignSearch::for_sign(double alpha, const SearchOptions& options) const {
  OBSCURA_TRY_VOID(check(alpha, options));
  const double epsilon = std::exp2(-alpha);
  const auto judge = [&](const Sequence& sequence) -> std::optional<SignCandidate> {
    const double bits = 1 - std::log2(impl_->error_on(sequence.stages, epsilon));
    if (bits < alpha - kDoubt) return std::nullopt;
    SignCandidate one = impl_->candidate(sequence, {epsilon, bits});
    const Result<Composite> built = bits < alpha + kDoubt ? sign(one.choice) : Composite{};
    if (!built.ok() || built->certificate.max_error > 2 * epsilon) return std::nullopt;
    return one;
  };
  std::optional<SignCandidate> best = search(
      *impl_, options, [](const Sequence&) { return true; }, judge);
  if (!best) return none_within(options, "sign", alpha);
  OBSCURA_TRY(const Activation built, relu(best->choice, 1));
  best->bits = -std::log2(built.certificate.max_error);
  return *best;
}

Result<std::vector<SignCandidate>> SignSearch::front(const SearchOptions& options) const {
  OBSCURA_TRY_VOID(check(options));
  std::map<std::pair<int, int>, std::vector<Sequence>> cells;
  for (int depth = 1; depth <= options.max_depth; ++depth) {
    for (Sequence& sequence : impl_->sequences(depth, options.max_degree)) {
      sequence.limit = impl_->limit_of(sequence.stages);
      cells[{depth, sequence.multiplications}].push_back(std::move(sequence));
    }
  }
  std::vector<SignCandidate> front;
  for (auto& [cost, sequences] : cells) {
    const int multiplications = cost.second;
    double best = 0;  // of what costs no more
    for (const SignCandidate& other : front) {
      if (other.multiplications <= multiplications) best = std::max(best, other.bits);
    }
    std::optional<SignCandidate> winner;
    std::sort(sequences.begin(), sequences.end(),
              [](const Sequence& a, const Sequence& b) { return a.limit > b.limit; });
    for (const Sequence& sequence : sequences) {
      if (sequence.limit <= best) break;
      const Estimate estimate = impl_->estimate(sequence.stages);
      if (estimate.bits <= best) continue;
      best = estimate.bits;
      winner = impl_->candidate(sequence, estimate);
    }
    if (winner) front.push_back(std::move(*winner));
  }
  return front;
}

}  // namespace obscura::approx
