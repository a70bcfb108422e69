// SPDX-License-Identifier: Apache-2.0
#include "ckks/uniform.h"

#include <atomic>
#include <mutex>
#include <utility>

#include "ring/sample.h"

namespace obscura::ckks {

struct UniformHalf::State {
  std::size_t degree = 0;
  std::vector<std::uint64_t> primes;
  base::Seed seed{};
  std::vector<ring::NttPoly> polynomials;
  std::vector<std::once_flag> drawn;  ///< one a limb, digit by digit; empty where the residues were given
  std::atomic<std::size_t> limbs_held{0};

  void draw(std::size_t digit, std::size_t i) {
    ring::NttPoly& poly = polynomials[digit];
    poly.take(i);
    ring::sample_uniform(seed, switch_key_domain(digit, i), primes[i], poly.residues(i));
    ++limbs_held;
  }
};

UniformHalf::UniformHalf(const ring::Basis& basis, const base::Seed& seed, std::size_t digits)
    : state_(std::make_shared<State>()) {
  state_->degree = basis.degree();
  state_->seed = seed;
  for (std::size_t i = 0; i < basis.size(); ++i) state_->primes.push_back(basis.prime(i));
  for (std::size_t d = 0; d < digits; ++d) {
    state_->polynomials.push_back(ring::NttPoly::absent(basis.resources(), basis.degree(), basis.size()));
  }
  state_->drawn = std::vector<std::once_flag>(digits * basis.size());
}

UniformHalf::UniformHalf(std::vector<ring::NttPoly> polynomials) : state_(std::make_shared<State>()) {
  for (const ring::NttPoly& poly : polynomials) {
    state_->degree = poly.degree();
    state_->limbs_held += poly.limbs();
  }
  state_->polynomials = std::move(polynomials);
}

std::size_t UniformHalf::digits() const { return state_ ? state_->polynomials.size() : 0; }

const double* UniformHalf::limb(std::size_t digit, std::size_t i) const {
  State& state = *state_;
  if (!state.drawn.empty()) {
    std::call_once(state.drawn[digit * state.primes.size() + i], [&] { state.draw(digit, i); });
  }
  return std::as_const(state.polynomials[digit]).limb(i);
}

std::size_t UniformHalf::bytes() const { return state_ ? ring::NttPoly::bytes(state_->degree, state_->limbs_held) : 0; }

}  // namespace obscura::ckks
