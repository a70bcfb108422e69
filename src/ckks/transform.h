// SPDX-License-Identifier: Apache-2.0
/// Linear transforms between slot vectors by their non-zero diagonals (arrow: run -> ckks): convolutions and dense
/// layers on packed images, CoeffToSlot and SlotToCoeff. A TransformShape is what is known from the steps alone, once
/// at compile time; a Transform adds the numbers, a level and scales; apply runs it.
///
/// With n slots, y_o[j] = sum over the diagonals (o, i, k) of d_{o,i,k}[j] * x_i[(j + k) mod n]. Four slots, one
/// input, one output, the diagonals d_0 = {1,1,1,1} and d_1 = {2,2,2,0}: {a,b,c,d} becomes {a+2b, b+2c, c+2d, d}.
///
/// Pairs: where the slots and diagonals are real, the imaginary parts are free to carry a second copy of the input that
/// is rotated by a step p. With u = x + i rot(x, p), one plaintext d_k - i d_{k+p} does the work of two diagonals:
/// d_k[j] x[j + k] + d_{k+p}[j] x[j + k + p] = Re((d_k[j] - i d_{k+p}[j]) u[j + k]). It costs one rotation of each
/// input and one conjugation of each output, and no level, since a product with i is a product with X^(N/2).
#pragma once

#include <complex>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "ckks/context.h"
#include "ckks/rotation_tree.h"
#include "ckks/values.h"

namespace obscura::ckks {

class DiagonalStore;

/// The place of a diagonal. Steps count modulo n; kept in (-n/2, n/2].
struct Diagonal {
  std::uint32_t output = 0;
  std::uint32_t input = 0;
  std::int64_t step = 0;
  auto operator<=>(const Diagonal&) const = default;
};

/// What the price of a key switch depends on.
struct SwitchSize {
  std::size_t limbs = 0;    ///< chain limbs of the ciphertexts
  std::size_t special = 0;  ///< special primes
  std::size_t digits = 0;   ///< digits of `limbs` limbs
  RingType ring = RingType::standard;
  static SwitchSize at(const Params& params, std::size_t limbs);
};

struct SplitOptions {
  SwitchSize size;
  /// Steps whose keys exist anyway, for other transforms of the same plan.
  std::vector<std::int64_t> keys_there;
  /// What one more key is worth, in NTTs of one limb: keys take memory and time to make and send.
  double key_price = 100;
  bool pairs = false;  ///< whether diagonals and slots are real, so that Split::pair may be chosen
  /// Slots after which vectors repeat, where that is before the ring's: no period is longer. 0: the ring's.
  std::size_t longest_period = 0;
};

/// Every step k is a baby ((k - phase) mod period) + phase and a giant, the rest. A plan states it, so that the keys
/// which a client made stay the keys that are needed.
struct Split {
  std::int64_t period = 1;
  std::int64_t phase = 0;
  /// p > 0: of each input and output the diagonals of steps k and k + p go through as one where both are there, the
  /// lowest k first. Diagonals and slots must be real then. 0: none do.
  std::int64_t pair = 0;
  bool operator==(const Split&) const = default;
};

/// The cheapest split, deterministic. Tried are periods that the set of steps suggests (distances between steps,
/// multiples of their divisor, powers of two, all slots) at phases 0 and -period / 2: dense ranges, bands and clusters
/// like {dy W + dx + c H W} alike; and the pairs that leave the fewest plaintexts, where they save more than they cost.
Split choose_split(std::size_t slots, std::span<const Diagonal> diagonals, const SplitOptions& options);

/// One giant step of one output: sum over the terms of d * rot(x_input, baby), rotated by `giant` afterwards. Where
/// that has no key, it is rotated by `turn` and added to another group's sum, which goes on from there.
struct TransformGroup {
  /// In place of the index of a group: the output itself.
  static constexpr std::uint32_t kOutput = kUnrotated;
  struct Term {
    Diagonal diagonal;       ///< diagonal.step = baby + giant mod n
    bool paired = false;     ///< with that of diagonal.step + pair
    std::uint32_t baby = 0;  ///< index into babies()
  };
  std::uint32_t output = 0;
  std::int64_t giant = 0;
  std::vector<Term> terms;       ///< none where the group only passes on what others add to it
  std::int64_t turn = 0;         ///< 0 where giant is 0
  std::uint32_t into = kOutput;  ///< index into groups(), of a later one
};

/// A rotation of one input.
struct Baby {
  std::uint32_t input = 0;
  std::int64_t step = 0;
  std::uint32_t from = kUnrotated;  ///< index into babies() of what it is rotated from, an earlier one; or the input
  std::int64_t turn = 0;            ///< by which it is; 0 where step is 0
  std::uint32_t switches = 0;       ///< rotations from the input up to here
};

/// Work of one apply, for the planner's prices. Counts in limbs are of N numbers.
struct TransformCost {
  std::size_t keys = 0;            ///< distinct rotation steps
  std::size_t baby_switches = 0;   ///< inner products with a key, no division
  std::size_t giant_switches = 0;  ///< each with a decomposition and a division by P of one part
  std::size_t between = 0;         ///< babies that others are rotated from, each likewise
  std::size_t decompositions = 0;  ///< of inputs, of babies between and of giant steps
  std::size_t divisions = 0;       ///< by P, of one polynomial
  std::size_t pair_switches = 0;   ///< rotations of inputs and conjugations of outputs, each a whole key switch
  std::size_t plaintexts = 0;      ///< diagonals or pairs: products of an extended ciphertext with a plaintext
  std::size_t ntts = 0;            ///< limb NTTs of all of it, without encoding
  std::size_t products = 0;        ///< limb products and sums of all of it
  std::size_t permutations = 0;    ///< of limbs
  std::size_t conversions = 0;     ///< base conversions, each of a source limb to a target limb
  std::size_t fft_values = 0;      ///< complex, of each of the `plaintexts` FFTs of encoding, unless they are kept
  std::size_t encode_ntts = 0;     ///< limb NTTs that encoding all diagonals takes; many small ones count as one
  std::size_t encoded_limbs = 0;   ///< memory of the residues of all diagonals
  /// Memory of one apply besides, on one core; each core more may add the sums of as many groups and outputs.
  std::size_t working_limbs = 0;
};

/// Which diagonals are not zero, and their baby-step giant-step split: all babies of an input from one decomposition,
/// one key switch for each giant step of an output, unless rotations are composed().
class TransformShape {
 public:
  /// errors  ContractError: no diagonals, a diagonal twice, an output or input out of range or without diagonals.
  TransformShape(std::size_t slots, std::uint32_t inputs, std::uint32_t outputs, std::vector<Diagonal> diagonals,
                 const Split& split);
  /// With the split that choose_split gives.
  TransformShape(std::size_t slots, std::uint32_t inputs, std::uint32_t outputs, const std::vector<Diagonal>& diagonals,
                 const SplitOptions& options);

  std::size_t slots() const { return slots_; }
  std::uint32_t inputs() const { return inputs_; }
  std::uint32_t outputs() const { return outputs_; }
  const Split& split() const { return split_; }
  /// Steps of the Galois keys that apply needs: ascending, distinct, without 0. Where split().pair is not 0 it needs
  /// the key of conjugation as well.
  const std::vector<std::int64_t>& rotation_steps() const { return rotation_steps_; }
  /// Sorted by input.
  const std::vector<Baby>& babies() const { return babies_; }
  /// Sorted by output; each output has at least one.
  const std::vector<TransformGroup>& groups() const { return groups_; }
  /// What rotates an input by split().pair, one after the other; none without pairs.
  const std::vector<std::int64_t>& partner_turns() const { return partner_turns_; }
  /// The same transform with rotations by these steps alone, in any order: the others are composed of them. A step that
  /// is among them stays as it is. More key switches, more noise, fewer keys.
  /// errors  nothing: a rotation cannot be composed of these (rotation_tree)
  std::optional<TransformShape> composed(std::span<const std::int64_t> keys) const;
  std::size_t plaintexts() const;  ///< a pair is one
  /// period: TransformPlace::period
  TransformCost cost(const SwitchSize& size, std::size_t rescale, std::size_t period = 0) const;

 private:
  void find_rotation_steps();
  bool compose_babies(std::span<const std::int64_t> keys);
  bool compose_groups(std::span<const std::int64_t> keys);
  std::size_t slots_;
  std::uint32_t inputs_, outputs_;
  Split split_;
  std::vector<Baby> babies_;
  std::vector<TransformGroup> groups_;
  std::vector<std::int64_t> rotation_steps_, partner_turns_;
};

/// Writes d_{o,i,k}[j] to slots[j]; the n slots are zero before, and k is in (-n/2, n/2] however it was given. Called
/// from several threads, more than once for one diagonal, and lazily: it must stay callable, and give the same numbers,
/// as long as the Transform lives.
using DiagonalValues = std::function<void(const Diagonal& diagonal, std::span<std::complex<double>> slots)>;

/// Where a transform stands in a plan.
struct TransformPlace {
  std::size_t limbs = 0;    ///< of the inputs
  std::size_t rescale = 0;  ///< chain primes dropped; 0 .. kMaxRescale
  double scale_in = 1;
  double scale_out = 1;
  std::size_t memory = 0;  ///< bytes of encoded diagonals that are kept between applications
  /// Slots after which every diagonal repeats: a power of two; 0: none is known. The polynomials then are in X^(n /
  /// period): encoding takes that fraction of the work, and kept diagonals of the memory (an eighth at the least).
  std::size_t period = 0;
};

/// Bytes that `plaintexts` of a transform at this place take when they are kept, as coefficients or as residues.
std::size_t embedding_bytes(const Context& context, const TransformPlace& place, std::size_t plaintexts);
std::size_t residue_bytes(const Context& context, const TransformPlace& place, std::size_t plaintexts);

/// A shape with its numbers. The diagonals are encoded at the scale scale_out * (primes dropped) / scale_in, so that
/// the result lands on scale_out exactly; a group of diagonals is encoded when it is first used, and kept where the
/// bound allows: as residues, or where those of all groups are too many as the coefficients that they are of.
/// Immutable to its users; shared by threads.
class Transform {
 public:
  /// errors  ContractError: a place that the context does not have, a shape of other slots. At the first use: a
  ///         diagonal that does not repeat as the place says.
  Transform(std::shared_ptr<const Context> context, std::shared_ptr<const TransformShape> shape, DiagonalValues values,
            const TransformPlace& place);

  const TransformShape& shape() const { return *shape_; }
  const TransformPlace& place() const { return place_; }
  double plaintext_scale() const { return plaintext_scale_; }
  /// Memory of the encoded diagonals that are kept now.
  std::size_t bytes() const;

 private:
  friend std::vector<Ciphertext> apply(const Context& context, const EvalKeys& keys, const Transform& transform,
                                       std::span<const Ciphertext> x);
  std::shared_ptr<const TransformShape> shape_;
  TransformPlace place_;
  double plaintext_scale_ = 1;
  std::shared_ptr<const DiagonalStore> store_;
};

/// y_o[j] = sum d_{o,i,k}[j] * x_i[(j + k) mod n].
/// limbs   l -> l - place.rescale           scale  place.scale_in -> place.scale_out, exactly
/// needs   two parts, place.limbs limbs and place.scale_in in every input; the Galois keys of shape.rotation_steps();
///         with pairs real slots, and the key of conjugation at place.limbs - place.rescale limbs
/// cost    shape.cost(), and encoding where a group is not kept
/// noise   noise_of_transform (ckks/noise.h)
/// errors  ContractError: inputs of another place; an absent key, named by its step
/// thread  all cores; concurrent applications of one transform are fine
/// see     Bossuat, Mouchet, Troncoso-Pastoriza, Hubaux: ePrint 2020/1203, section 4 (double hoisting)
std::vector<Ciphertext> apply(const Context& context, const EvalKeys& keys, const Transform& transform,
                              std::span<const Ciphertext> x);

}  // namespace obscura::ckks
