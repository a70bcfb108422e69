// SPDX-License-Identifier: Apache-2.0
/// The batch layout's order of operations for one choice of parameters, with limbs, parts, scales and predicted errors.
///
/// linear -> x;  square -> x^2 (three parts);  combine + p x + q, while the scale is still that of the square, so that
/// the coefficient of x keeps its bits;  relinearize, dropping limbs in the same division;  the same once more for the
/// second square. After the last square of an activation the three parts may stay through the maps that follow, where
/// relinearizing their outputs is cheaper. The logits keep the limbs that are left.
///
/// A sum has the limbs and the scale of its first branch. The others come with the limbs that their fewer squares left
/// them, and are brought to that scale without spending any: by the weight scale of their last map, or, where they are
/// added as they stand, by the integers that their coefficients become. What several branches read is relinearized
/// once, before any of them.
#pragma once

#include <algorithm>
#include <optional>

#include "ckks/params.h"
#include "compile/cost/model.h"
#include "compile/measure/amplification.h"
#include "compile/measure/quantize.h"
#include "plan/plan.h"

namespace obscura::compile {

/// What the search decides.
struct Choice {
  int log2_degree = 0;
  int digit_limbs = 1;
  int final_bits = 0;  ///< of the primes that stay to the end
  int drop_bits = 0;   ///< of the primes that are dropped
  std::uint32_t final_limbs = 1;
  std::vector<std::uint32_t> drops;  ///< limbs dropped after each square on the longest way, in order; the last is 0
  WeightBits weight_bits;

  std::uint32_t limbs() const;
  int largest_bits() const { return std::max(final_bits, drop_bits); }
};

struct Action {
  enum class Kind { linear, square, combine, sum, relinearize };
  /// What is added beside `input`.
  struct Addend {
    plan::ValueId value = 0;
    std::optional<std::size_t> diagonal;  ///< its segment, where its coefficients stand there; else they are 1
  };
  Kind kind = Kind::linear;
  plan::ValueId input = 0;
  plan::ValueId other = 0;      ///< combine: x. linear, balanced: the value whose scale it must reach
  std::size_t segment = 0;      ///< linear; of an activation or a sum: its number
  std::size_t map = 0;          ///< linear
  bool beside = false;          ///< linear: of a branch that is not the first of its sum
  bool balanced = false;        ///< linear: the last of such a branch
  bool outer = false;           ///< square, combine: the second of the activation
  bool with_x = false;          ///< combine: not only a constant
  std::vector<Addend> addends;  ///< sum
  std::uint32_t rescale = 0;    ///< relinearize
  std::size_t point = 0;        ///< whose range the output has
  plan::ValueInfo output;
};

struct Schedule {
  std::vector<Action> actions;
  WeightScales weight_scales;  ///< set by set_scales, with those of balanced maps
  std::uint32_t limbs = 0;
  double input_scale = 0;
  double nanoseconds = 0;  ///< predicted, for one ciphertext's worth of images
  double noise_std = 0;    ///< predicted, of a logit: the part of its error that depends on the key
};

/// The actions with their elements, limbs, parts and cost; no scales yet.
Schedule make_schedule(const MonicNetwork& network, const Choice& choice, const CostModel& cost);

/// Scales from the last modulus backwards: the logits get `final_scale`, and of several readers the first that is on
/// the way of a first branch decides; then forwards, exactly, into schedule. Of a balanced map `weights` has the
/// largest scale that it may have; where the sum's is higher still, its output is added several times.
void set_scales(Schedule& schedule, const std::vector<std::uint64_t>& chain, const WeightScales& weights,
                double final_scale);

/// Ranges and predicted errors: encryption, key switching and rounding (ckks/noise.h) through the measured slopes, and
/// `rounding`, the mean squared effect of rounded weights at each point. The first three alone make noise_std.
void set_errors(Schedule& schedule, const ckks::Params& params, const Statistics& statistics, const Gains& gains,
                const std::vector<double>& rounding);

}  // namespace obscura::compile
