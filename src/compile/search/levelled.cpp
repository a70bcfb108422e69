// SPDX-License-Identifier: Apache-2.0
#include "compile/search/levelled.h"

#include <algorithm>
#include <cmath>

#include "compile/search/candidate.h"
#include "plan/keys.h"

namespace obscura::compile {
namespace {

constexpr int kMaxDigitLimbs = 4;
/// Longer digits are slower and have smaller keys.
constexpr int kMaxDigitLimbsForSmallKeys = 8;
constexpr std::uint32_t kMaxFinalLimbs = 2;
constexpr int kLargestBits = 49;
constexpr double kTie = 1.01;
/// Ring degrees that are compared, from the least that is feasible on.
constexpr int kDegrees = 2;
/// log2 of the scale, around the bits of the primes.
constexpr int kScaleBelow = 6;
constexpr int kScaleAbove = 10;

/// The primes of the choice, as the batch layout would take them.
Result<ckks::ParamsLiteral> literal_of(const ImageChoice& choice, std::uint32_t drops) {
  return make_literal(Choice{
      choice.log2_degree, choice.digit_limbs, choice.final_bits, choice.drop_bits, choice.final_limbs, {drops}, {}});
}

/// Sizes {final, dropped} within the secure modulus: every size of the dropped ones with what is left for the others.
std::vector<std::pair<int, int>> prime_sizes(int log2_degree, std::uint32_t final_limbs, std::uint32_t drops,
                                             int digit_limbs) {
  const double budget = ckks::max_log2_qp(log2_degree);
  std::vector<std::pair<int, int>> out;
  for (int drop = ckks::kMinPrimeBits; drop <= kLargestBits; ++drop) {
    for (int last = kLargestBits; last >= ckks::kMinPrimeBits; --last) {
      const double bits = last * static_cast<double>(final_limbs) + drop * static_cast<double>(drops) +
                          std::max(last, drop) * static_cast<double>(digit_limbs);
      if (bits > budget) continue;
      out.emplace_back(last, drop);
      break;
    }
  }
  return out;
}

class Search {
 public:
  Search(const ImageSetting& setting, ImageSelection& selection, Shortfall& shortfall)
      : setting_(setting), selection_(selection), shortfall_(shortfall) {}

  /// Whether anything reached the precision.
  bool found() const { return found_; }
  double closest() const { return closest_; }

  Result<void> degree(const ImageNetwork& network) {
    const std::uint32_t drops = network.drops();
    bool large = setting_.max_key_bytes.has_value();
    for (int digits = 1; digits <= (large ? kMaxDigitLimbsForSmallKeys : kMaxDigitLimbs); ++digits) {
      OBSCURA_TRY_VOID(tell(setting_.report, "parameters", static_cast<std::size_t>(digits - 1),
                            static_cast<std::size_t>(large ? kMaxDigitLimbsForSmallKeys : kMaxDigitLimbs)));
      for (std::uint32_t final_limbs = 1; final_limbs <= kMaxFinalLimbs; ++final_limbs) {
        const auto sizes = prime_sizes(network.log2_degree, final_limbs, drops, digits);
        if (sizes.empty()) continue;
        ImageSplits splits = split(network, final_limbs + drops, digits, setting_.cost);
        memory_.reset();
        for (const auto& [last, drop] : sizes) {
          primes(network, splits, {network.log2_degree, digits, last, drop, final_limbs, 0});
        }
        large = large || !fits();
      }
    }
    return {};
  }

 private:
  bool fits() const { return !memory_ || memory_->least() <= setting_.memory; }

  void primes(const ImageNetwork& network, ImageSplits& splits, ImageChoice choice) {
    auto literal = literal_of(choice, network.drops());
    if (!literal.ok()) return;
    plan::KeyRequest request = splits.keys;
    request.relinearization = true;
    const std::uint64_t keys = plan::key_bytes(literal.value(), request);
    if (setting_.max_key_bytes && keys > *setting_.max_key_bytes) return shortfall_.too_large(keys);
    const auto params = ckks::Params::make(literal.value());
    if (!params.ok()) return;
    for (int above = -kScaleBelow; above <= kScaleAbove; ++above) {
      choice.log2_scale = choice.drop_bits + above;
      ++selection_.considered;
      auto schedule = judge(setting_, network, splits, choice, params.value());
      if (!schedule) continue;
      closest_ = std::min(closest_, schedule->logit_error);
      if (schedule->logit_error > setting_.max_error) continue;
      if (!memory_) settle(network, splits, *schedule, literal.value());
      if (!fits()) return;
      for (std::size_t k = 0; k < network.steps.size(); ++k) {
        if (splits.shapes[k]) schedule->nanoseconds[k] = splits.nanoseconds[k];
      }
      const double time = schedule->total_nanoseconds();
      const double best = found_ ? selection_.schedule.total_nanoseconds() : HUGE_VAL;
      const bool tied = time <= kTie * best && best <= kTie * time;
      if (tied ? schedule->logit_error >= selection_.schedule.logit_error : time >= best) continue;
      found_ = true;
      selection_.network = network;
      selection_.schedule = std::move(*schedule);
      selection_.literal = literal.value();
      selection_.memory = *memory_;
    }
  }

  /// Memory and prices with it, which are the same whatever the sizes of primes and the scales.
  void settle(const ImageNetwork& network, ImageSplits& splits, const ImageSchedule& schedule,
              const ckks::ParamsLiteral& literal) {
    ImageSelection one{network, schedule, literal};
    settle_memory(setting_, one);
    memory_ = one.memory;
    splits.nanoseconds = one.schedule.nanoseconds;
    if (!fits()) shortfall_.too_large(*memory_);
  }

  const ImageSetting& setting_;
  ImageSelection& selection_;
  Shortfall& shortfall_;
  std::optional<ImageMemory> memory_;  ///< of the splits that are searched, once some primes are precise enough
  bool found_ = false;
  double closest_ = HUGE_VAL;
};

}  // namespace

Result<ImageSelection> search_image(const ImageSetting& setting, std::optional<int> log2_degree, std::uint32_t images,
                                    Shortfall& shortfall) {
  ImageSelection selection;
  Search search(setting, selection, shortfall);
  const std::uint32_t drops = levels(*setting.network);
  std::optional<Error> refusal;
  int tried = 0, secure = 0;
  for (int n = ckks::kMinLog2Degree; n <= ckks::kMaxLog2Degree && tried < kDegrees; ++n) {
    if (log2_degree && *log2_degree != n) continue;
    if (prime_sizes(n, 1, drops, 1).empty()) continue;
    // A larger ring has as many more slots as it is slower: more images gain nothing there.
    if (++secure > kDegrees && images > 1) break;
    ImageBuild build;
    build.store = setting.store;
    build.log2_degree = n;
    build.slots = std::uint32_t{1} << (n - 1);
    build.images = images;
    build.report = setting.report;
    auto network = make_image_network(*setting.network, build, setting.cost);
    if (!network.ok()) {
      refusal = network.error();
      if (network.error().code == Code::infeasible) continue;
      return network.error();
    }
    OBSCURA_TRY_VOID(search.degree(network.value()));
    tried += search.found() ? 1 : 0;
  }
  if (search.found()) return selection;
  if (search.closest() == HUGE_VAL) {
    if (refusal) return *refusal;
    return error(Code::infeasible, "no secure parameters hold this network's {} levels in the image layout", drops);
  }
  return error(Code::infeasible, "the image layout's logit error is {:.3g} at best, {:.3g} is allowed",
               search.closest(), setting.max_error);
}

}  // namespace obscura::compile
