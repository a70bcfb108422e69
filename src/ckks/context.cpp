// SPDX-License-Identifier: Apache-2.0
#include "ckks/context.h"

#include <algorithm>
#include <utility>

namespace obscura::ckks {

namespace {

std::vector<std::uint64_t> all_primes(const ParamsLiteral& literal) {
  std::vector<std::uint64_t> primes = literal.chain;
  primes.insert(primes.end(), literal.special.begin(), literal.special.end());
  return primes;
}

std::vector<std::size_t> indices(std::size_t first, std::size_t last) {
  std::vector<std::size_t> out;
  for (std::size_t i = first; i < last; ++i) out.push_back(i);
  return out;
}

}  // namespace

std::shared_ptr<const Context> Context::make(const Params& params, std::shared_ptr<Resources> resources) {
  return std::shared_ptr<const Context>(new Context(params, std::move(resources)));
}

Context::Context(const Params& params, std::shared_ptr<Resources> resources)
    : params_(params),
      basis_(params.degree(), all_primes(params.literal()), std::move(resources), params.ring()),
      encoder_(basis_),
      automorphisms_(basis_.degree(), params.ring()),
      drop_conversions_(2) {
  const std::size_t chain = chain_limbs();
  for (std::size_t i = 0; i < chain; ++i) {
    const std::uint64_t q = basis_.prime(i);
    std::uint64_t product = 1;
    for (const std::uint64_t p : params_.literal().special) product = ring::multiply_mod(product, p % q, q);
    special_products_.push_back(ring::to_reduced(product, q));
  }
  for (std::size_t limbs = 1; limbs <= chain; ++limbs) {
    auto& conversions = digit_conversions_.emplace_back();
    // Nothing is cut into the one digit of Params::one_digit.
    for (std::size_t d = 0; d < digits(limbs) && digit_end(d, chain) - digit_begin(d) <= special_limbs(); ++d) {
      conversions.emplace_back(basis_, indices(digit_begin(d), digit_end(d, limbs)));
    }
    for (const bool with_special : {false, true}) {
      auto& drops = drop_conversions_[with_special ? 1 : 0].emplace_back();
      for (std::size_t rescale = with_special ? 0 : 1; rescale <= std::min(kMaxRescale, limbs - 1); ++rescale) {
        std::vector<std::size_t> sources = indices(limbs - rescale, limbs);
        if (with_special) {
          const std::vector<std::size_t> special = indices(chain, chain + special_limbs());
          sources.insert(sources.end(), special.begin(), special.end());
        }
        drops.emplace_back(basis_, std::move(sources));
      }
    }
  }
}

std::uint64_t Context::galois_element(std::int64_t step) const {
  const auto slots = static_cast<std::int64_t>(params_.slots());
  const auto left = static_cast<std::uint64_t>((step % slots + slots) % slots);
  return ring::power_mod(5, left, basis_.root_order());
}

std::size_t Context::digits(std::size_t limbs) const {
  const auto alpha = static_cast<std::size_t>(params_.literal().digit_limbs);
  return (limbs + alpha - 1) / alpha;
}

std::size_t Context::digit_begin(std::size_t digit) const {
  return digit * static_cast<std::size_t>(params_.literal().digit_limbs);
}

std::size_t Context::digit_end(std::size_t digit, std::size_t limbs) const {
  return std::min(digit_begin(digit + 1), limbs);
}

const ring::Conversion& Context::digit_conversion(std::size_t digit, std::size_t limbs) const {
  OBSCURA_CHECK(digit < digit_conversions_[limbs - 1].size(), "digit {} of a polynomial that is not cut into digits",
                digit);
  return digit_conversions_[limbs - 1][digit];
}

const ring::Conversion& Context::drop_conversion(std::size_t limbs, std::size_t rescale, bool with_special) const {
  OBSCURA_CHECK(rescale < limbs && rescale <= kMaxRescale && (with_special || rescale > 0),
                "division by {} of {} limbs, at most {} are allowed at a time", rescale, limbs, kMaxRescale);
  return drop_conversions_[with_special ? 1 : 0][limbs - 1][with_special ? rescale : rescale - 1];
}

}  // namespace obscura::ckks
