// SPDX-License-Identifier: Apache-2.0
#include "compile/search/choices.h"

#include <algorithm>
#include <bit>

#include "compile/layout/batch.h"
#include "compile/layout/candidates.h"
#include "compile/layout/lower.h"

namespace obscura::compile {
namespace {

using ckks::RingType;

constexpr std::uint32_t kMaxDrop = 2;
/// Networks with more squares than this get the same number of limbs dropped after each.
constexpr std::size_t kMaxFreeDrops = 4;
/// Ring degrees that are compared in the image layout where several images share ciphertexts: a larger ring has as
/// many more slots as it is slower, so that more images save nothing there.
constexpr std::size_t kSharedDegrees = 2;
/// From so many images on they are one after the other: that a diagonal is encoded for all of them as one then saves
/// more than the diagonals of both directions take. With both tried for every number shipped networks came to the same.
constexpr std::uint32_t kFewestInSequence = 8;
/// Sets with fewer slots are left out where a value would take more ciphertexts: halving the slots saves far less.
constexpr std::size_t kMostCiphertexts = 2;
/// log2 of the scale, around the bits of the primes that are dropped (image layout).
constexpr int kScaleBelow = 6;
constexpr int kScaleAbove = 10;

std::uint32_t most_final_limbs(const Choice& frame) { return frame.images == 0 ? 3 : 2; }

/// Limbs dropped in the image layout: all as one number. In the batch layout every pattern of 0 .. kMaxDrop limbs after
/// each square but the last; polynomials drop one at each level.
std::vector<std::vector<std::uint32_t>> drop_patterns(const MonicNetwork& network, const Choice& frame,
                                                      std::uint32_t drops) {
  if (frame.images > 0) return {{drops}};
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

using Sizes = std::vector<std::pair<int, int>>;

/// Sizes of primes, {final, dropped}, within the secure modulus: every size of the dropped ones with what is left for
/// those that stay.
Sizes prime_sizes(int log2_degree, std::uint32_t final_limbs, std::uint32_t dropped, int digit_limbs) {
  const double budget = ckks::max_log2_qp(log2_degree);
  Sizes out;
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

/// In the batch layout, whose scales follow from the weights' bits, what makes the best of the secure modulus: all
/// alike where it is large enough.
Sizes sizes_of(const Choice& choice) {
  const std::uint32_t dropped = choice.limbs() - choice.final_limbs;
  const int alike = static_cast<int>(ckks::max_log2_qp(choice.log2_degree) / (choice.limbs() + choice.digit_limbs));
  if (choice.images > 0 || (alike < kLargestBits && dropped > 0)) {
    return prime_sizes(choice.log2_degree, choice.final_limbs, dropped, choice.digit_limbs);
  }
  const int bits = std::min(alike, kLargestBits);
  if (bits < ckks::kMinPrimeBits) return {};
  if (bits > kPreferredBits) return {{kPreferredBits, kPreferredBits}, {bits, bits}};
  return {{bits, bits}};
}

void add_scales(Choice choice, std::vector<Choice>& out) {
  if (choice.images == 0) return out.push_back(std::move(choice));
  for (int above = -kScaleBelow; above <= kScaleAbove; ++above) {
    choice.log2_scale = choice.drop_bits + above;
    out.push_back(choice);
  }
}

std::vector<Choice> bootstrapped_frames(const MonicNetwork& network, std::uint32_t images) {
  std::size_t most = 0;
  for (const MonicActivation& a : network.activations) most = std::max<std::size_t>(most, a.elements);
  std::vector<Choice> out;
  for (const ckks::BootstrapLiteral& set : ckks::BootstrapParams::demonstrated()) {
    const bool sparse = set.log2_slots + 1 < set.log2_degree;
    if (sparse && most * images > kMostCiphertexts << set.log2_slots) continue;
    out.push_back(bootstrapped_choice(set, images));
  }
  return out;
}

/// More slots are worth what their NTTs take, and diagonals that are no longer paired, only where they make fewer
/// ciphertexts or runs.
bool may_be_fastest(const MonicNetwork& network, const Request& request, const Choice& frame) {
  if (frame.ring == RingType::standard) return true;
  Choice other = frame;
  other.ring = RingType::standard;
  if (frame.images == 0) return runs_of(frame, request.batch) < runs_of(other, request.batch);
  auto most = static_cast<std::uint64_t>(nn::element_count(network.input));
  for (const MonicActivation& a : network.activations) most = std::max<std::uint64_t>(most, a.elements);
  return most * frame.images > ckks::slots_of(other.log2_degree, other.ring);
}

}  // namespace

Choice bootstrapped_choice(const ckks::BootstrapLiteral& set, std::uint32_t images) {
  Choice out;
  out.images = images;
  out.interleaved = images < kFewestInSequence;
  out.log2_degree = set.log2_degree;
  out.final_bits = set.base_bits;
  out.drop_bits = set.level_bits;
  out.log2_scale = set.level_bits;
  const double scale = std::exp2(set.level_bits);
  out.bootstrap = plan::BootstrapSpec{set, scale, scale};
  return out;
}

std::uint32_t runs_of(const Choice& choice, std::uint32_t batch) {
  const auto slots = static_cast<std::uint32_t>(ckks::slots_of(choice.log2_degree, choice.ring));
  const std::uint32_t images = choice.images > 0 ? choice.images : slots;
  return (batch + images - 1) / images;
}

std::vector<std::uint32_t> images_at_once(const MonicNetwork& network, const Request& request) {
  if (!request.image_layout) return {0};
  constexpr std::uint32_t kMostSlots = std::uint32_t{1} << ckks::kMaxLog2Degree;
  std::vector<std::uint32_t> out;
  for (std::uint32_t images = std::bit_ceil(std::min(request.batch, kMostSlots)); images > 0; images /= 2) {
    if (make_grid(network.input, kMostSlots, images)) out.push_back(images);
  }
  return out;
}

std::vector<Choice> frames_of(const MonicNetwork& network, const Request& request, std::uint32_t images,
                              bool bootstrap) {
  constexpr int kBootstrapDegree = 16;
  if (bootstrap) {
    const bool there = images > 0 && request.log2_degree.value_or(kBootstrapDegree) == kBootstrapDegree &&
                       request.ring.value_or(RingType::standard) == RingType::standard;
    return there ? bootstrapped_frames(network, images) : std::vector<Choice>();
  }
  std::vector<Choice> out;
  const std::uint32_t drops = images > 0 ? levels(network) : 0;
  std::size_t degrees = 0;
  for (int n = ckks::kMinLog2Degree; n <= ckks::kMaxLog2Degree; ++n) {
    if (request.log2_degree && *request.log2_degree != n) continue;
    if (images > 0 && prime_sizes(n, 1, drops, 1).empty()) continue;
    if (images > 1 && degrees++ == kSharedDegrees) break;
    for (const RingType ring : {RingType::standard, RingType::conjugate_invariant}) {
      Choice frame;
      frame.images = images;
      frame.interleaved = images < kFewestInSequence;
      frame.ring = ring;
      frame.log2_degree = n;
      if (request.ring ? ring == *request.ring : may_be_fastest(network, request, frame)) out.push_back(frame);
    }
  }
  return out;
}

std::vector<Choice> parameters_of(const MonicNetwork& network, const Choice& frame, std::uint32_t drops, int least,
                                  int most) {
  std::vector<Choice> out;
  Choice choice = frame;
  for (choice.final_limbs = 1; choice.final_limbs <= most_final_limbs(frame); ++choice.final_limbs) {
    for (const auto& pattern : drop_patterns(network, frame, drops)) {
      choice.drops = pattern;
      const int longest = frame.images > 0 ? most : std::min(most, static_cast<int>(choice.limbs()));
      for (choice.digit_limbs = least; choice.digit_limbs <= longest; ++choice.digit_limbs) {
        for (const auto& [last, drop] : sizes_of(choice)) {
          choice.final_bits = last;
          choice.drop_bits = drop;
          add_scales(choice, out);
        }
      }
    }
  }
  return out;
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

}  // namespace obscura::compile
