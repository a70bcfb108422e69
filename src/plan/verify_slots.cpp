// SPDX-License-Identifier: Apache-2.0
#include "plan/verify_slots.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

namespace obscura::plan {
namespace {

/// Positions of one ciphertext that may hold what depends on the image. Constants alone do not count.
using Positions = std::vector<bool>;
/// Of all ciphertexts of a value.
using Carriers = std::vector<Positions>;

void add(Positions& to, const Positions& from) {
  for (std::size_t p = 0; p < to.size(); ++p) to[p] = to[p] || from[p];
}

class Slots {
 public:
  Slots(const Plan& plan, std::span<const std::shared_ptr<const Diagonals>> diagonals)
      : plan_(plan),
        diagonals_(diagonals),
        step_of_position_(plan.input.layout.sharing.step()),
        positions_(plan.input.layout.positions(slots(plan))) {}

  /// All copies of all elements.
  Carriers of(const Layout& layout, std::uint32_t ciphertexts) const {
    Carriers out(ciphertexts, Positions(positions_));
    for (const Place& place : layout.places()) {
      for (std::uint64_t p = place.position; p < positions_; p += layout.period) out[place.ciphertext][p] = true;
    }
    return out;
  }

  const Carriers& of(ValueId id) {
    const auto known = known_.find(id);
    if (known != known_.end()) return known->second;
    Carriers carriers;
    if (id == 0) {
      carriers = of(plan_.input.layout, plan_.value(0).elements);
    } else {
      step_ = id - 1;
      carriers = std::visit([this](const auto& operation) { return follow(operation); }, plan_.steps[id - 1].operation);
    }
    return known_.emplace(id, std::move(carriers)).first->second;
  }

 private:
  /// Each output from all inputs: what a map of whole ciphertexts may do at most.
  Carriers follow(const Linear& step) {
    Positions any(positions_);
    for (const Positions& one : of(step.input)) add(any, one);
    return Carriers(step.map.outputs, any);
  }
  Carriers follow(const Multiply& step) { return both(of(step.a), of(step.b)); }
  Carriers follow(const Relinearize& step) { return of(step.input); }
  Carriers follow(const Rescale& step) { return of(step.input); }
  Carriers follow(const Polynomial& step) { return of(step.input); }
  Carriers follow(const Bootstrap& step) { return of(step.input); }

  Carriers follow(const Combine& step) {
    Carriers out = of(step.terms[0].input);
    for (const Combine::Term& term : step.terms) out = both(std::move(out), of(term.input));
    return out;
  }

  /// Positions that a weight writes: nothing of the input is anywhere else.
  Carriers follow(const Transform& step) const {
    const Diagonals& diagonals = *diagonals_[step_];
    Carriers out(step.to.ciphertexts(), Positions(positions_));
    for (std::uint32_t o = 0; o < out.size(); ++o) {
      for (std::uint64_t p = 0; p < positions_; ++p) out[o][p] = diagonals.writes(o, p);
    }
    return out;
  }

  Carriers follow(const Fold& step) {
    Carriers out = of(step.input);
    for (const Fold::Sum& sum : step.sums) {
      for (Positions& one : out) one = summed(one, sum);
    }
    return out;
  }

  Positions summed(const Positions& x, const Fold::Sum& sum) const {
    // Interleaved, the slots of several images meet. One after the other, those of the next do where it leads beyond an
    // image's positions: at its own positions counted from 0.
    if (sum.step % step_of_position_ != 0) return Positions(positions_, true);
    const std::uint64_t step = sum.step / step_of_position_;
    Positions out(positions_);
    for (std::uint32_t k = 0; k < sum.count; ++k) {
      for (std::uint64_t p = 0; p < positions_; ++p) out[p] = out[p] || x[(p + k * step) % positions_];
    }
    return out;
  }

  static Carriers both(Carriers a, const Carriers& b) {
    for (std::size_t c = 0; c < a.size(); ++c) add(a[c], b[c]);
    return a;
  }

  const Plan& plan_;
  std::span<const std::shared_ptr<const Diagonals>> diagonals_;
  std::uint64_t step_of_position_, positions_;
  std::size_t step_ = 0;
  std::map<ValueId, Carriers> known_;
};

}  // namespace

Result<void> verify_answer_slots(const Plan& plan, std::span<const std::shared_ptr<const Diagonals>> diagonals) {
  if (is_batch(plan)) return {};  // every slot is an image's, and has nothing but its logit
  Slots slots(plan, diagonals);
  const Carriers logits = slots.of(plan.output.layout, plan.output.ciphertexts());
  const Carriers& answer = slots.of(static_cast<ValueId>(plan.steps.size()));
  for (std::size_t c = 0; c < answer.size(); ++c) {
    for (std::size_t p = 0; p < answer[c].size(); ++p) {
      if (!answer[c][p] || logits[c][p]) continue;
      return error(Code::bad_format,
                   "plan output: position {} of ciphertext {} holds an intermediate value, and no logit is there", p,
                   c);
    }
  }
  return {};
}

}  // namespace obscura::plan
