// SPDX-License-Identifier: Apache-2.0
#include "compile/search/search.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "compile/layout/lower.h"
#include "compile/schedule/fewer_keys.h"
#include "compile/search/bootstrapped.h"
#include "compile/search/pricing.h"
#include "compile/search/refusal.h"
#include "compile/search/weight_bits.h"
#include "plan/keys.h"

namespace obscura::compile {
namespace {

/// Without bootstrapping where the network has few levels: above this bootstrapping is tried first, since every step
/// is cheaper at the few limbs that it needs.
constexpr std::uint32_t kShallowLevels = 24;
/// Ring degrees that are compared in the image layout, from the least that is feasible on.
constexpr std::size_t kDegrees = 2;
/// How long to look for a runner-up, in multiples of the best time.
constexpr double kRunnerUpRange = 1.6;

/// Parameters of choices, whose primes are costly to find, each once.
class Parameters {
 public:
  /// None where there are not enough primes, or they are not secure.
  const ckks::Params* of(const Choice& choice) {
    const auto key = std::tuple(choice.ring, choice.log2_degree, choice.final_bits, choice.drop_bits,
                                choice.final_limbs, choice.limbs(), choice.digit_limbs);
    auto found = made_.find(key);
    if (found == made_.end()) found = made_.emplace(key, make(choice)).first;
    return found->second ? &*found->second : nullptr;
  }

 private:
  static std::optional<ckks::Params> make(const Choice& choice) {
    auto literal = make_literal(choice);
    if (!literal.ok()) return std::nullopt;
    auto params = ckks::Params::make(std::move(literal).value());
    if (!params.ok()) return std::nullopt;
    return std::move(params).value();
  }
  std::map<std::tuple<ckks::RingType, int, int, int, std::uint32_t, std::uint32_t, int>, std::optional<ckks::Params>>
      made_;
};

struct Timed {
  Choice choice;
  double nanoseconds = 0;                           ///< at the least, for the batch
  std::shared_ptr<Lowered> lowered = {};            ///< image layout
  std::shared_ptr<const ckks::Params> params = {};  ///< of bootstrapping
};

class Search {
 public:
  Search(const Setting& setting, const Request& request)
      : setting_(setting), network_(*setting.network), request_(request), pricing_(network_, setting.cost) {}

  Result<std::optional<Selection>> run() {
    std::optional<Selection> best;
    Descent descent;
    std::vector<std::string> compared;
    for (const std::uint32_t images : images_at_once(network_, request_)) {
      OBSCURA_TRY_VOID(consider_images(images));
      if (!found_.any()) continue;
      Selection selection = found_.take(considered_);
      const Choice& choice = selection.best.schedule.choice;
      const double time = selection.best.schedule.total_nanoseconds() * runs_of(choice, request_.batch);
      compared.push_back(fmt::format("{} at once {:.3g}", images, time * 1e-9 / request_.batch));
      if (descent.is_least(time)) best = std::move(selection);
      if (descent.over()) break;
    }
    if (!best && !beyond_) return refusal_.error_of(setting_, request_);
    if (best) best->compared = std::move(compared);
    return best;
  }

 private:
  Result<void> consider_images(std::uint32_t images) {
    found_ = {};
    considered_ = 0;
    const bool deep = images > 0 && levels(network_) > kShallowLevels;
    OBSCURA_TRY_VOID(consider_frames(images, deep));
    if (found_.any()) return {};
    return consider_frames(images, !deep);
  }

  Result<void> consider_frames(std::uint32_t images, bool bootstrap) {
    std::set<int> feasible;
    for (const Choice& frame : frames_of(network_, request_, images, bootstrap)) {
      if (feasible.size() == kDegrees && !feasible.contains(frame.log2_degree)) break;
      if (images == 0) {  // circuits are made in no time: all frames make one list
        list(frame, {}, 1, kMaxDigitLimbs);
        continue;
      }
      const Result<void> listed = bootstrap ? consider_bootstrapped(frame) : consider_levelled(frame);
      if (!listed.ok() && listed.error().code != Code::infeasible) return listed.error();
      if (!listed.ok()) refusal_.lowering(listed.error());
      if (!bootstrap && found_.any()) feasible.insert(frame.log2_degree);
    }
    return consider_list();
  }

  Result<void> consider_levelled(const Choice& frame) {
    const LoweringRequest request{.cache = setting_.cache,
                                  .log2_degree = frame.log2_degree,
                                  .ring = frame.ring,
                                  .slots = static_cast<std::uint32_t>(ckks::slots_of(frame.log2_degree, frame.ring)),
                                  .images = frame.images,
                                  .interleaved = frame.interleaved,
                                  .report = setting_.report};
    OBSCURA_TRY(Circuit circuit,
                run_pass(setting_.passes, Pass::layout, [&] { return lower(network_, request, setting_.cost); }));
    verify_after(Pass::layout, [&] { return verify(circuit); });
    const auto shared = std::make_shared<const Circuit>(std::move(circuit));
    too_large_ = false;
    const int most = setting_.max_key_bytes ? kMaxDigitLimbsForSmallKeys : kMaxDigitLimbs;
    list(frame, shared, 1, most);
    OBSCURA_TRY_VOID(consider_list());
    if (!too_large_ || most == kMaxDigitLimbsForSmallKeys) return {};
    list(frame, shared, most + 1, kMaxDigitLimbsForSmallKeys);
    return consider_list();
  }

  Result<void> consider_bootstrapped(const Choice& frame) {
    OBSCURA_TRY(const ckks::BootstrapParams set, ckks::BootstrapParams::make(frame.bootstrap->literal));
    Choice choice = frame;
    OBSCURA_TRY(Lowered lowered, lower_bootstrapped(setting_, set, choice, resources_));
    const double nanoseconds = pricing_.of(choice, *lowered.circuit, lowered.splits);
    list_.push_back({choice, nanoseconds * runs_of(choice, request_.batch),
                     std::make_shared<Lowered>(std::move(lowered)),
                     std::make_shared<const ckks::Params>(set.params())});
    return consider_list();
  }

  /// All parameters of a frame, with the image layout's circuit.
  void list(const Choice& frame, const std::shared_ptr<const Circuit>& circuit, int least, int most) {
    std::map<std::pair<std::uint32_t, int>, std::shared_ptr<Lowered>> lowered;  // by limbs and digits
    const std::uint32_t drops = circuit != nullptr ? circuit->drops() : 0;
    for (Choice& choice : parameters_of(network_, frame, drops, least, most)) {
      double nanoseconds = runs_of(choice, request_.batch);
      if (circuit == nullptr) {
        nanoseconds *= pricing_.of_batch(choice);
        list_.push_back({std::move(choice), nanoseconds});
        continue;
      }
      auto& at = lowered[{choice.limbs(), choice.digit_limbs}];
      if (at == nullptr) {
        at = std::make_shared<Lowered>(
            Lowered{circuit, run_pass(setting_.passes, Pass::split, [&] { return split_of(choice, *circuit); })});
      }
      nanoseconds *= pricing_.of(choice, *circuit, at->splits);
      list_.push_back({std::move(choice), nanoseconds, at});
    }
  }

  /// With as many keys as may be, in the image layout.
  Splits split_of(const Choice& choice, const Circuit& circuit) const {
    Splits out = split(circuit, choice.limbs(), choice.digit_limbs, setting_.cost);
    const auto& most = setting_.max_key_bytes;
    if (!most || key_bytes(circuit, out, choice.digit_limbs) <= *most) return out;
    return with_fewer_keys(circuit, std::move(out), choice.digit_limbs, setting_.cost, *most);
  }

  /// From the fastest on.
  Result<void> consider_list() {
    std::vector<Timed> list = std::move(list_);
    list_.clear();
    std::stable_sort(list.begin(), list.end(),
                     [](const Timed& a, const Timed& b) { return a.nanoseconds < b.nanoseconds; });
    for (std::size_t k = 0; k < list.size(); ++k) {
      constexpr std::size_t kSteps = 64;  // between two reports
      if (k % kSteps == 0) OBSCURA_TRY_VOID(tell(setting_.report, "parameters", k, list.size()));
      Timed& timed = list[k];
      if (!found_.any() && timed.nanoseconds > request_.most_nanoseconds) {
        beyond_ = true;
        break;
      }
      if (timed.nanoseconds > found_.most_nanoseconds()) {
        const double range = found_.most_nanoseconds() / kTie * kRunnerUpRange;
        if (timed.choice.images > 0 || found_.runner_up() != nullptr || timed.nanoseconds > range) break;
        if (same_family(timed.choice, found_.best().schedule.choice)) continue;
      }
      OBSCURA_TRY_VOID(consider(timed));
    }
    return {};
  }

  Result<void> consider(Timed& timed) {
    const ckks::Params* params = timed.params ? timed.params.get() : parameters_.of(timed.choice);
    if (params == nullptr) return {};
    const std::shared_ptr<Lowered> lowered = timed.lowered ? timed.lowered : batch_lowered(timed.choice);
    if (!lowered->fits || !keys_fit(params->literal(), *lowered)) return {};
    ++considered_;
    std::optional<Candidate> candidate = schedule(timed.choice, *lowered, *params);
    if (!candidate || !precise(*candidate)) return {};
    candidate->circuit = lowered->circuit;
    candidate->bootstrapper = lowered->bootstrapper;
    if (!lowered->memory) OBSCURA_TRY_VOID(measure_memory(*candidate, *lowered));
    if (!lowered->fits) return {};
    candidate->memory = *lowered->memory;
    for (std::size_t k = 0; k < lowered->circuit->operations.size(); ++k) {
      if (lowered->splits.shapes[k]) candidate->schedule.nanoseconds[k] = lowered->splits.nanoseconds[k];
    }
    const double time = candidate->schedule.total_nanoseconds() * runs_of(timed.choice, request_.batch);
    found_.offer(std::move(*candidate), time);
    return {};
  }

  std::optional<Candidate> schedule(const Choice& choice, const Lowered& lowered, const ckks::Params& params) {
    const Trial trial{setting_, *lowered.circuit, lowered.splits, choice, params};
    if (choice.images == 0) return with_best_weight_bits(trial);
    auto made = evaluate(trial, found_.most_nanoseconds() / runs_of(choice, request_.batch));
    if (!made) return std::nullopt;
    return Candidate{nullptr, std::move(*made), params.literal()};
  }

  /// Of a choice in the batch layout, alike for all sizes of primes.
  std::shared_ptr<Lowered> batch_lowered(const Choice& choice) {
    auto& out = batch_[{choice.ring, choice.log2_degree, choice.final_limbs, choice.drops, choice.digit_limbs}];
    if (out != nullptr) return out;
    const auto circuit = run_pass(setting_.passes, Pass::layout,
                                  [&] { return std::make_shared<const Circuit>(pricing_.batch_circuit(choice)); });
    verify_after(Pass::layout, [&] { return verify(*circuit); });
    out =
        std::make_shared<Lowered>(Lowered{circuit, split(*circuit, choice.limbs(), choice.digit_limbs, setting_.cost)});
    const auto larger = [&](const Choice& other) {
      return choice.log2_degree >= other.log2_degree && choice.limbs() >= other.limbs();
    };
    out->fits = std::none_of(too_large_for_batch_.begin(), too_large_for_batch_.end(), larger);
    return out;
  }

  bool precise(const Candidate& candidate) {
    const Schedule& schedule = candidate.schedule;
    refusal_.scheduled(schedule);
    return schedule.logit_error <= setting_.max_error;
  }

  bool keys_fit(const ckks::ParamsLiteral& literal, const Lowered& lowered) {
    if (!setting_.max_key_bytes || lowered.circuit->batch || lowered.bootstrapper) return true;
    plan::KeyRequest request = lowered.splits.keys;
    request.relinearization = true;
    return note_keys(plan::key_bytes(literal, request));
  }

  /// Whether keys are small enough.
  bool note_keys(std::uint64_t bytes) {
    const bool small = !setting_.max_key_bytes || bytes <= *setting_.max_key_bytes;
    if (!small) refusal_.too_large(bytes);
    return small;
  }

  /// Memory and prices with it.
  Result<void> measure_memory(Candidate candidate, Lowered& lowered) {
    const Result<void> predicted = predict_memory(setting_, candidate);
    lowered.memory = candidate.memory;
    if (lowered.circuit->batch) {
      if (predicted.ok()) return {};
      if (predicted.error().code != Code::infeasible) return predicted.error();
      lowered.fits = false;
      too_large_for_batch_.push_back(candidate.schedule.choice);
      refusal_.batch_memory(predicted.error());
      return {};
    }
    lowered.splits.nanoseconds = candidate.schedule.nanoseconds;
    const bool keys = note_keys(candidate.memory.keys), all = candidate.memory.least() <= setting_.memory;
    if (!all) refusal_.too_large(candidate.memory);
    lowered.fits = keys && all;
    too_large_ = too_large_ || !lowered.fits;
    return {};
  }
  const Setting& setting_;
  const MonicNetwork& network_;
  const Request& request_;
  Pricing pricing_;
  Parameters parameters_;
  const std::shared_ptr<ckks::Resources> resources_ = ckks::Resources::make();  // sets have primes in common
  std::map<std::tuple<ckks::RingType, int, std::uint32_t, std::vector<std::uint32_t>, int>, std::shared_ptr<Lowered>>
      batch_;
  std::vector<Timed> list_;
  Found found_;  ///< for so many images at once
  std::size_t considered_ = 0;
  bool beyond_ = false;     ///< whether something was left out that takes more than the request has use for
  bool too_large_ = false;  ///< whether something of the frame is precise, and takes too much memory
  std::vector<Choice> too_large_for_batch_;
  Refusal refusal_;
};

}  // namespace

Result<std::optional<Selection>> search(const Setting& setting, const Request& request) {
  return Search(setting, request).run();
}

}  // namespace obscura::compile
