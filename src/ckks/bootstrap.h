// SPDX-License-Identifier: Apache-2.0
/// Bootstrapping: a ciphertext that has few levels left becomes one of the same slots that has more. Arrow run -> ckks.
///
/// With q_0 the lowest prime, and n real slots z at most 1:
///   SlotToCoeff    slots into coefficients, at the lowest levels: z at scale q_0 / 2^log2_ratio
///   encapsulate    mod q_0 under the sparse secret
///   ModRaise       message + q_0 I mod Q, back under the dense secret: I is small since the secret was sparse, and one
///                  digit is enough since what was mod q_0 is smaller than two special primes
///   CoeffToSlot    coefficients x = I + message / q_0 into slots, as real numbers
///   EvalMod        sin(2 pi x), a cosine's Chebyshev series and double angles: I is gone
/// Of the 2 n coefficients only the first n carry slots, so that one EvalMod is enough; what slots had of imaginary
/// parts, noise as a rule, goes into the others and is dropped with them.
/// see  Cheon, Han, Kim, Kim, Song: ePrint 2018/153; Bossuat, Mouchet, Troncoso-Pastoriza, Hubaux: ePrint 2020/1203;
///      Bossuat, Troncoso-Pastoriza, Hubaux: ePrint 2022/024 (sparse secret)
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "ckks/bootstrap_params.h"
#include "ckks/slot_fft.h"
#include "ckks/transform.h"

namespace obscura::ckks {

/// Scales that the rest of a plan wants.
struct BootstrapPlace {
  double input_scale = 1;   ///< of the ciphertext that comes, with 2 limbs
  double output_scale = 1;  ///< of the one that goes, with 1 + levels limbs
  /// Bytes of encoded diagonals that each factor keeps.
  std::size_t memory = static_cast<std::size_t>(std::min<std::uint64_t>(std::uint64_t{1} << 33, SIZE_MAX));
};

/// Predicted deviation of a slot's error after bootstrapping, in slot units, by where it comes from.
struct BootstrapError {
  double slot_to_coeff = 0;
  double encapsulate = 0;
  double coeff_to_slot = 0;  ///< ModRaise and CoeffToSlot, seen through EvalMod
  double eval_mod = 0;
  double sine = 0;  ///< sine and cosine series against the line
  double total() const;
};

/// Bytes that bootstrapping takes, beside keys, input and result.
struct BootstrapMemory {
  std::size_t diagonals = 0;  ///< encoded, that stay: what BootstrapPlace::memory allows of them
  std::size_t tables = 0;     ///< the factors' diagonals as numbers
  std::size_t working = 0;    ///< of one run, at its peak
};

/// Immutable, with all tables; encoded diagonals are made when they are first used.
class Bootstrapper {
 public:
  /// errors  as plan_polynomial; wrong_params: scales that leave the transforms' plaintexts fewer than 20 bits
  static Result<std::shared_ptr<const Bootstrapper>> make(
      const BootstrapParams& params, const BootstrapPlace& place,
      const std::shared_ptr<Resources>& resources = Resources::make());

  const BootstrapParams& params() const { return params_; }
  const std::shared_ptr<const Context>& context() const { return context_; }
  /// The context of BootstrapParams::sparse_params.
  const Context& sparse_context() const { return *sparse_context_; }
  /// The context of BootstrapParams::raise_params.
  const Context& raise_context() const { return *raise_context_; }
  /// X -> X^k for these k, 1 first: ModRaise sums over them and leaves polynomials in X^gap, whose slots repeat. It
  /// needs a key of each.
  std::vector<std::uint64_t> trace() const;
  /// Galois keys that run needs in EvalKeys, besides relinearisation: the power of X, and the most limbs it is used at.
  std::map<std::uint64_t, std::size_t> galois_limbs() const;
  const CompositePlan& eval_mod_plan() const { return eval_mod_; }
  const std::vector<Transform>& coeff_to_slot_factors() const { return coeff_to_slot_; }
  const std::vector<Transform>& slot_to_coeff_factors() const { return slot_to_coeff_; }

  /// result[j] = Re x[j], j < n; the slots repeat with period n where n < N/2, in x as in the result.
  /// limbs   params().limbs().input (more are cut) -> output
  /// scale   place.input_scale -> place.output_scale, exactly
  /// needs   slots at most 1; the keys named above
  /// noise   predict; garbage with a chance of at most 2^params().log2_failure()
  /// errors  ContractError: another scale, too few limbs, an absent key
  /// threads all cores inside of each step
  Ciphertext run(const EvalKeys& keys, const BootstrapKeys& own, const Ciphertext& x) const;

  /// The steps of run, each on what the one before gives.
  Ciphertext slot_to_coeff(const EvalKeys& keys, const Ciphertext& x) const;
  Ciphertext encapsulate(const BootstrapKeys& own, const Ciphertext& x) const;
  Ciphertext mod_raise(const BootstrapKeys& own, const Ciphertext& x) const;
  Ciphertext coeff_to_slot(const EvalKeys& keys, const Ciphertext& x) const;
  Ciphertext eval_mod(const EvalKeys& keys, const Ciphertext& x) const;

  BootstrapMemory memory() const;

  /// For slots like these.
  BootstrapError predict(std::span<const double> slots) const;

 private:
  Bootstrapper(const BootstrapParams& params, const BootstrapPlace& place, const std::shared_ptr<Resources>& resources);
  Result<void> plan_eval_mod();
  Result<void> plan_coeff_to_slot();
  Result<void> plan_slot_to_coeff();
  /// Transforms of consecutive factors, the first times `numbers`, from limbs and scale in, over one prime each, to
  /// scale out.
  Result<std::vector<Transform>> place_factors(std::span<const FftFactor> factors, double numbers, std::size_t limbs,
                                               double scale_in, double scale_out);
  double ratio() const;
  double message_scale() const;

  BootstrapParams params_;
  BootstrapPlace place_;
  std::shared_ptr<const Context> context_, sparse_context_, raise_context_;
  CompositePlan eval_mod_;
  std::vector<Transform> coeff_to_slot_, slot_to_coeff_;
};

}  // namespace obscura::ckks
