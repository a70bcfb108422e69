// SPDX-License-Identifier: Apache-2.0
/// A Plan: everything that the compiler decided about one network, as a value. The runtime executes it on a backend
/// (ciphertexts or the clear twin), `inspect` prints it, `verify` recomputes it, golden files hold it still.
///
/// Batch layout: a value is a vector of elements (the tensor in C, H, W order), each one ciphertext; slot j of every
/// element belongs to image j. Step k defines value k + 1; value 0 is the encrypted input.
///
/// Vocabulary: limbs = level + 1 (primes of the chain that a value still has); parts = polynomials of a ciphertext
/// (2, or 3 before relinearisation); scale = the factor between the slot's number and what is encrypted.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/check.h"
#include "ckks/integer_map.h"
#include "ckks/params.h"

namespace obscura::plan {

using ValueId = std::uint32_t;

/// y = W x / weight_scale + bias over the elements; the integers multiply exactly.
/// limbs unchanged; parts unchanged; scale out = scale in * weight_scale; the bias is encoded at the scale out.
struct Linear {
  ValueId input = 0;
  ckks::IntegerMap map;
  double weight_scale = 1;
  std::vector<double> bias;  ///< one per output
};

/// y[i] = a[i] * b[i] (a square where a == b). Inputs have 2 parts and equal limbs; parts out = 3; limbs unchanged;
/// scale out = scale a * scale b. No relinearisation, no rescale.
struct Multiply {
  ValueId a = 0;
  ValueId b = 0;
};

/// Back to 2 parts by key switching, then (merged into the same division) away with the last `rescale` limbs.
/// limbs out = limbs in - rescale; scale out = scale in / product of those primes. Input has 3 parts.
struct Relinearize {
  ValueId input = 0;
  std::uint32_t rescale = 0;
};

/// Divides by the last `limbs` primes and rounds. Parts unchanged.
struct Rescale {
  ValueId input = 0;
  std::uint32_t limbs = 1;
};

/// y[i] = sum_t coefficients_t[i] * x_t[i] + constants[i], elementwise.
/// limbs out = the least of the inputs' (others drop limbs, which changes no scale); parts out = the most.
/// Scale out is that of term 0, whose coefficients are exactly 1; the coefficient of term t > 0 is encoded as the
/// integer round(coefficient * scale out / scale of t), so no rescale is spent.
struct Combine {
  struct Term {
    ValueId input = 0;
    std::vector<double> coefficients;  ///< one for all, or one per element
  };
  std::vector<Term> terms;
  std::vector<double> constants;  ///< none, one for all, or one per element
};

using Operation = std::variant<Linear, Multiply, Relinearize, Rescale, Combine>;
inline constexpr int kOperationCount = 5;

/// What is known of a value before anything runs.
struct ValueInfo {
  std::uint32_t elements = 0;
  std::uint32_t limbs = 0;
  std::uint32_t parts = 2;
  double scale = 0;
  double max_abs = 0;    ///< largest |value| seen in calibration, in slot units
  double error_std = 0;  ///< predicted standard deviation of a slot's error (encryption noise and weight rounding)
  bool operator==(const ValueInfo&) const = default;
};

struct Step {
  Operation operation;
  ValueInfo output;
  std::string origin;  ///< the nodes of the network that this step computes, for people
};

/// What the client must do with an image: pixel in 0..255 -> (pixel / 255 - mean[c]) / deviation[c] -> encrypt.
struct InputSpec {
  std::uint32_t channels = 1;
  std::uint32_t height = 0;
  std::uint32_t width = 0;
  std::vector<double> mean;       ///< per channel
  std::vector<double> deviation;  ///< per channel
  std::uint32_t limbs = 0;
  double scale = 0;
  std::uint32_t elements() const { return channels * height * width; }
  bool operator==(const InputSpec&) const = default;
};

/// What comes back: `classes` ciphertexts of logits.
struct OutputSpec {
  std::uint32_t classes = 0;
  std::uint32_t limbs = 0;
  double scale = 0;
  double error_std = 0;  ///< predicted, of a logit
  /// The part of error_std that depends on the key: encryption, key switching and rounding of ciphertexts, without
  /// what rounded weights and coefficients do. `decrypt --publish` sizes its flooding noise from it.
  double noise_std = 0;
  bool operator==(const OutputSpec&) const = default;
};

struct KeyRequest {
  bool relinearization = false;
  bool operator==(const KeyRequest&) const = default;
};

struct Plan {
  std::string name;         ///< the network's
  std::uint32_t batch = 0;  ///< images asked for; images per ciphertext = N/2
  ckks::ParamsLiteral params;
  InputSpec input;
  OutputSpec output;
  KeyRequest keys;
  std::vector<Step> steps;
  std::vector<std::string> reasons;   ///< what the planner chose and why, one sentence each
  double predicted_seconds = 0;       ///< server's work for one full batch of N/2 images, on the planner's cost model
  std::uint64_t predicted_bytes = 0;  ///< peak memory of the executor

  /// Info of a value, 0 = the input.
  ValueInfo value(ValueId id) const;
};

/// What a client may see: no weights, no layers.
struct Offer {
  std::string name;
  std::array<std::uint8_t, 32> plan_digest{};  ///< binds keys and ciphertexts to the plan
  ckks::ParamsLiteral params;
  InputSpec input;
  OutputSpec output;
  KeyRequest keys;
};

/// digest: of the plan's frame (wire/frames.h).
Offer make_offer(const Plan& plan, const std::array<std::uint8_t, 32>& digest);

/// The readable form: parameters, input, one line a step with shape, limbs, scale bits, parts, predicted error, then
/// the reasons and estimates. Weights appear as counts, bit widths and a digest. Deterministic: made for diffs.
std::string to_text(const Plan& plan);

}  // namespace obscura::plan
