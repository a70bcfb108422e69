// SPDX-License-Identifier: Apache-2.0
#include "compile/search/candidate.h"

#include <algorithm>

namespace obscura::compile {

bool same_family(const Choice& a, const Choice& b) {
  return a.ring == b.ring && a.log2_degree == b.log2_degree && a.limbs() == b.limbs() && a.digit_limbs == b.digit_limbs;
}

const Candidate& Found::best() const {
  const auto error = [](const Timed& timed) { return timed.candidate.schedule.logit_error; };
  return std::min_element(kept_.begin(), kept_.end(),
                          [&](const Timed& a, const Timed& b) { return error(a) < error(b); })
      ->candidate;
}

const Candidate* Found::runner_up() const {
  for (const Timed& first : firsts_) {
    if (!same_family(first.candidate.schedule.choice, best().schedule.choice)) return &first.candidate;
  }
  return nullptr;
}

void Found::note_family(const Candidate& candidate, double nanoseconds) {
  constexpr std::size_t kFamilies = 2;
  const auto same = std::find_if(firsts_.begin(), firsts_.end(), [&](const Timed& first) {
    return same_family(first.candidate.schedule.choice, candidate.schedule.choice);
  });
  if (same == firsts_.end()) {
    if (firsts_.size() < kFamilies) firsts_.push_back({candidate, nanoseconds});
  } else if (nanoseconds <= kTie * same->nanoseconds &&
             candidate.schedule.logit_error < same->candidate.schedule.logit_error) {
    same->candidate = candidate;
  }
}

void Found::offer(Candidate candidate, double nanoseconds) {
  note_family(candidate, nanoseconds);
  fastest_ = std::min(fastest_, nanoseconds);
  const double error = candidate.schedule.logit_error;
  const auto beaten = [&](const Timed& a, double time, double least) {
    return a.nanoseconds <= time && a.candidate.schedule.logit_error <= least;
  };
  if (nanoseconds > most_nanoseconds() ||
      std::any_of(kept_.begin(), kept_.end(), [&](const Timed& a) { return beaten(a, nanoseconds, error); })) {
    return;
  }
  std::erase_if(kept_, [&](const Timed& a) {
    const bool worse = a.nanoseconds >= nanoseconds && a.candidate.schedule.logit_error >= error;
    return worse || a.nanoseconds > most_nanoseconds();
  });
  kept_.push_back({std::move(candidate), nanoseconds});
}

Selection Found::take(std::size_t considered) {
  Selection out{best(), {}, considered};
  if (const Candidate* next = runner_up()) out.runner_up = *next;
  return out;
}

}  // namespace obscura::compile
