// SPDX-License-Identifier: Apache-2.0
#include "compile/search/candidate.h"

#include <algorithm>

namespace obscura::compile {

bool Found::precise(const Schedule& schedule) {
  closest_ = std::min(closest_, schedule.logit_error);
  return schedule.logit_error <= setting_.max_error;
}

bool Found::fits(std::uint64_t keys) {
  const bool small = !setting_.max_key_bytes || keys <= *setting_.max_key_bytes;
  if (!small) shortfall_.too_large(keys);
  return small;
}

bool Found::fits(const Memory& memory) {
  const bool keys = fits(memory.keys), all = memory.least() <= setting_.memory;
  if (!all) shortfall_.too_large(memory);
  return keys && all;
}

void Found::offer(Candidate candidate) {
  if (best_) {
    const Schedule& own = candidate.schedule;
    const double time = own.total_nanoseconds(), best = best_->schedule.total_nanoseconds();
    const bool tied = time <= kTie * best && best <= kTie * time;
    if (tied ? own.logit_error >= best_->schedule.logit_error : time >= best) return;
  }
  best_ = std::move(candidate);
}

Result<ckks::ParamsLiteral> make_literal(const Choice& choice) {
  const auto special = static_cast<std::size_t>(choice.digit_limbs);
  ckks::ParamsLiteral literal;
  literal.log2_degree = choice.log2_degree;
  literal.digit_limbs = choice.digit_limbs;
  literal.ring = choice.ring;
  std::vector<std::uint64_t> taken;
  const auto take = [&](int bits, std::size_t count, std::vector<std::uint64_t>& into) -> Result<void> {
    OBSCURA_TRY(const auto primes, ckks::make_primes(choice.log2_degree, bits, count, taken, choice.ring));
    into.insert(into.end(), primes.begin(), primes.end());
    taken.insert(taken.end(), primes.begin(), primes.end());
    return {};
  };
  OBSCURA_TRY_VOID(take(choice.largest_bits(), special, literal.special));
  OBSCURA_TRY_VOID(take(choice.final_bits, choice.final_limbs, literal.chain));
  OBSCURA_TRY_VOID(take(choice.drop_bits, choice.limbs() - choice.final_limbs, literal.chain));
  return literal;
}

std::vector<std::pair<int, int>> prime_sizes(int log2_degree, std::uint32_t final_limbs, std::uint32_t dropped,
                                             int digit_limbs) {
  const double budget = ckks::max_log2_qp(log2_degree);
  std::vector<std::pair<int, int>> out;
  for (int drop = ckks::kMinPrimeBits; drop <= kLargestBits; ++drop) {
    for (int last = kLargestBits; last >= ckks::kMinPrimeBits; --last) {
      const double bits = last * static_cast<double>(final_limbs) + drop * static_cast<double>(dropped) +
                          std::max(last, drop) * static_cast<double>(digit_limbs);
      if (bits > budget) continue;
      out.emplace_back(last, drop);
      break;
    }
  }
  return out;
}

}  // namespace obscura::compile
