// SPDX-License-Identifier: Apache-2.0
#include "compile/search/levelled.h"

#include <algorithm>
#include <cmath>

#include "compile/layout/lower.h"
#include "plan/keys.h"

namespace obscura::compile {
namespace {

/// Longer digits are slower and have smaller keys.
constexpr int kMaxDigitLimbsForSmallKeys = 8;
constexpr std::uint32_t kMostFinalLimbs = 2;
/// Ring degrees that are compared, from the least that is feasible on.
constexpr int kDegrees = 2;
/// log2 of the scale, around the bits of the primes.
constexpr int kScaleBelow = 6;
constexpr int kScaleAbove = 10;

class Search {
 public:
  Search(const Setting& setting, Shortfall& shortfall) : setting_(setting), found_(setting, shortfall) {}

  const Found& found() const { return found_; }
  Selection take() { return found_.take(considered_); }

  Result<void> degree(const std::shared_ptr<const Circuit>& circuit) {
    const std::uint32_t drops = circuit->drops();
    bool large = setting_.max_key_bytes.has_value();
    for (int digits = 1; digits <= (large ? kMaxDigitLimbsForSmallKeys : kMaxDigitLimbs); ++digits) {
      OBSCURA_TRY_VOID(tell(setting_.report, "parameters", static_cast<std::size_t>(digits - 1),
                            static_cast<std::size_t>(large ? kMaxDigitLimbsForSmallKeys : kMaxDigitLimbs)));
      for (std::uint32_t final_limbs = 1; final_limbs <= kMostFinalLimbs; ++final_limbs) {
        const auto sizes = prime_sizes(circuit->log2_degree, final_limbs, drops, digits);
        if (sizes.empty()) continue;
        Splits splits = run_pass(setting_.passes, Pass::split,
                                 [&] { return split(*circuit, final_limbs + drops, digits, setting_.cost); });
        memory_.reset();
        fits_ = true;
        for (const auto& [last, drop] : sizes) {
          primes(circuit, splits, {circuit->log2_degree, circuit->ring, digits, last, drop, final_limbs, {drops}});
        }
        large = large || !fits_;
      }
    }
    return {};
  }

 private:
  void primes(const std::shared_ptr<const Circuit>& circuit, Splits& splits, Choice choice) {
    auto literal = make_literal(choice);
    if (!literal.ok()) return;
    plan::KeyRequest request = splits.keys;
    request.relinearization = true;
    if (!found_.fits(plan::key_bytes(literal.value(), request))) return;
    const auto params = ckks::Params::make(literal.value());
    if (!params.ok()) return;
    for (int above = -kScaleBelow; above <= kScaleAbove; ++above) {
      choice.log2_scale = choice.drop_bits + above;
      ++considered_;
      // Once transforms have their prices, what is slower than the best cannot win whatever its error.
      const double most = memory_ && fits_ ? found_.most_nanoseconds() : HUGE_VAL;
      auto schedule = evaluate({setting_, *circuit, splits, choice, params.value()}, most);
      if (!schedule || !found_.precise(*schedule)) continue;
      Candidate candidate{circuit, std::move(*schedule), literal.value()};
      if (!memory_) measure_memory(candidate, splits);
      if (!fits_) return;
      candidate.memory = *memory_;
      for (std::size_t k = 0; k < circuit->operations.size(); ++k) {
        if (splits.shapes[k]) candidate.schedule.nanoseconds[k] = splits.nanoseconds[k];
      }
      found_.offer(std::move(candidate));
    }
  }

  /// Memory and prices with it, which are the same whatever the sizes of primes and the scales.
  void measure_memory(Candidate candidate, Splits& splits) {
    predict_memory(setting_, candidate);
    memory_ = candidate.memory;
    splits.nanoseconds = candidate.schedule.nanoseconds;
    fits_ = found_.fits(*memory_);
  }

  const Setting& setting_;
  Found found_;
  std::optional<Memory> memory_;  ///< of the splits that are searched, once some primes are precise enough
  bool fits_ = true;
  std::size_t considered_ = 0;
};

/// Elements of the largest value that has slots.
std::uint64_t largest_value(const MonicNetwork& network) {
  auto most = static_cast<std::uint64_t>(nn::element_count(network.input));
  for (const MonicActivation& a : network.activations) most = std::max<std::uint64_t>(most, a.elements);
  return most;
}

}  // namespace

Result<Selection> search_levelled(const Setting& setting, std::optional<int> log2_degree, std::uint32_t images,
                                  Shortfall& shortfall) {
  Search search(setting, shortfall);
  const std::uint32_t drops = levels(*setting.network);
  std::optional<Error> refusal;
  const auto largest = largest_value(*setting.network) * images;
  for (const ckks::RingType ring : {ckks::RingType::standard, ckks::RingType::conjugate_invariant}) {
    if (setting.ring && *setting.ring != ring) continue;
    int tried = 0, secure = 0;
    for (int n = ckks::kMinLog2Degree; n <= ckks::kMaxLog2Degree && tried < kDegrees; ++n) {
      if (log2_degree && *log2_degree != n) continue;
      if (prime_sizes(n, 1, drops, 1).empty()) continue;
      // A larger ring has as many more slots as it is slower: more images save nothing there.
      if (++secure > kDegrees && images > 1) break;
      // Twice the slots save ciphertexts, or nothing; and diagonals are no longer paired.
      const bool saves = largest > ckks::slots_of(n, ckks::RingType::standard);
      if (ring != ckks::RingType::standard && !setting.ring && !saves) continue;
      const LoweringRequest request{.cache = setting.cache,
                                    .log2_degree = n,
                                    .ring = ring,
                                    .slots = static_cast<std::uint32_t>(ckks::slots_of(n, ring)),
                                    .images = images,
                                    .report = setting.report};
      auto circuit =
          run_pass(setting.passes, Pass::layout, [&] { return lower(*setting.network, request, setting.cost); });
      if (!circuit.ok()) {
        refusal = circuit.error();
        if (refusal->code == Code::infeasible) continue;
        return *refusal;
      }
      verify_after(Pass::layout, [&] { return verify(circuit.value()); });
      OBSCURA_TRY_VOID(search.degree(std::make_shared<const Circuit>(std::move(circuit).value())));
      tried += search.found().any() ? 1 : 0;
    }
  }
  if (search.found().any()) return search.take();
  if (search.found().closest() == HUGE_VAL) {
    if (refusal) return *refusal;
    return error(Code::infeasible, "no secure parameters hold this network's {} levels in the image layout", drops);
  }
  return error(Code::infeasible, "the image layout's logit error is {:.3g} at best, {:.3g} is allowed",
               search.found().closest(), setting.max_error);
}

}  // namespace obscura::compile
