// SPDX-License-Identifier: Apache-2.0
/// A Plan: everything that the compiler decided about one network, as a value. The runtime executes it on a backend
/// (ciphertexts or the plaintext simulator), `inspect` prints it, `verify` recomputes it, golden files hold it still.
///
/// A value is the tensors of B images in some ciphertexts, also called its elements, by a Layout (plan/layout.h). Batch
/// layout: B = n, each ciphertext is one element of the tensor (in C, H, W order), and slot j belongs to image j. Image
/// layout: B < n, and the slots of an image hold many elements. B is the same for all values of a plan. Step k defines
/// value k + 1; value 0 is the encrypted input.
///
/// Vocabulary: limbs = level + 1 (primes of the chain that a value still has); parts = polynomials of a ciphertext
/// (2, or 3 before relinearisation); scale = the factor between the slot's number and what is encrypted.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/check.h"
#include "base/normalise.h"
#include "ckks/bootstrap_params.h"
#include "ckks/integer_map.h"
#include "ckks/params.h"
#include "ckks/polyeval.h"
#include "ckks/transform.h"
#include "plan/answer.h"
#include "plan/layout.h"

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

/// y[i] = a[i] * b[i] (a square where a == b). Inputs have 2 parts; parts out = 3; limbs out = the fewer of the inputs'
/// (the other drops limbs, which changes no scale); scale out = scale a * scale b. No relinearisation, no rescale.
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

/// y = W x / weight_scale + bias between the elements of two layouts, by the diagonals of W (ckks/transform.h); then
/// away with the last `rescale` limbs. Slots of y that no part of an output is at are 0.
/// limbs out = limbs in - rescale; 2 parts in and out; scale out = scale in * plain_scale / product of those primes,
/// and plain_scale is that of the encoded diagonals; the bias is encoded at the scale out, at the outputs' own slots.
/// Needs rotation keys, and that of conjugation where the split has pairs: transform_shapes (plan/diagonals.h) names
/// them. Rotations of the split that Plan::keys has no key for at these limbs are composed of those that it has.
struct Transform {
  ValueId input = 0;
  ckks::IntegerMap map;
  double weight_scale = 1;
  std::vector<double> bias;  ///< one per output
  Layout from;               ///< of the input
  Layout to;
  std::vector<std::uint32_t> spread;  ///< in positions, see SlotMap: outputs come in parts that a Fold adds up
  ckks::Split split;                  ///< of its diagonals into pairs, and those into baby and giant steps
  double plain_scale = 1;
  std::uint32_t rescale = 0;
};

/// For each sum in turn x becomes x[j] + x[j + step] + ... + x[j + (count - 1) step], slot numbers modulo n: average
/// pooling without its factor, or the parts of a spread Transform. Limbs and scale unchanged; 2 parts. Needs the
/// rotation keys of its steps: step for a count of 2, step .. (count - 1) step else.
struct Fold {
  struct Sum {
    std::uint32_t step = 0;
    std::uint32_t count = 2;
    bool operator==(const Sum&) const = default;
  };
  ValueId input = 0;
  std::vector<Sum> sums;
};

/// Each ciphertext of x, slot by slot, through p_k(... p_1(x)), or with `relu` x (1 + p_k(... p_1(x))) / 2
/// (ckks/polyeval.h: plan_composite, plan_relu). 2 parts in and out.
/// limbs, scale out: those of composite_of (plan/polynomial.h), which the input's limbs and scale and output_scale
/// give. Needs the relinearisation key.
struct Polynomial {
  struct Stage {
    double low = -1;
    double high = 1;
    ckks::PolynomialBasis basis = ckks::PolynomialBasis::chebyshev;
    std::vector<double> coefficients;
    bool operator==(const Stage&) const = default;
  };
  ValueId input = 0;
  std::vector<Stage> stages;  ///< p_1 first
  bool relu = false;
  double output_scale = 1;
};

/// Each ciphertext of x bootstrapped (ckks/bootstrap.h): the same slots, which are at most 1 in size, with new limbs.
/// limbs in: at least the input limbs of Plan::bootstrap (more are cut); limbs out: those that Step::output states, at
/// most its output limbs: what later steps have no use for is cut. Scales in and out are exactly
/// BootstrapSpec::input_scale and output_scale. 2 parts in and out.
/// Needs the relinearisation key and those of bootstrapping.
struct Bootstrap {
  ValueId input = 0;
};

using Operation = std::variant<Linear, Multiply, Relinearize, Rescale, Combine, Transform, Fold, Polynomial, Bootstrap>;
inline constexpr int kOperationCount = static_cast<int>(std::variant_size_v<Operation>);

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
  std::string origin;  ///< the nodes of the network that this step computes, human-readable
  double seconds = 0;  ///< predicted, on the planner's cost model; 0 where steps are not timed one by one
  /// Memory that it holds while it makes one element (a transform: all of them), in addition to what it reads and
  /// makes; 0 where that is little.
  std::uint64_t bytes = 0;
};

/// What the client must do with images: pixel in 0..255 -> (pixel / 255 - mean[c]) / std[c] -> encrypt.
struct InputSpec {
  std::uint32_t channels = 1;
  std::uint32_t height = 0;
  std::uint32_t width = 0;
  std::vector<double> mean;  ///< per channel
  std::vector<double> std;   ///< per channel
  std::uint32_t limbs = 0;
  double scale = 0;
  Layout layout = {};                      ///< of the elements of an image, in C, H, W order
  base::Standardisation standardise = {};  ///< of each image, after mean and std
  /// What makes of pixels what is encrypted; refers to mean and std.
  base::Normaliser normaliser() const { return {channels, std::size_t{height} * width, mean, std, standardise}; }
  /// Of one image.
  std::uint32_t elements() const { return channels * height * width; }
  /// Of Layout::images images.
  std::uint32_t ciphertexts() const { return layout.ciphertexts(); }
  bool operator==(const InputSpec&) const = default;
};

/// What comes back: `classes` logits (the outputs, whatever the kind of answer) of each image, in the ciphertexts of
/// `layout`.
struct OutputSpec {
  std::uint32_t classes = 0;
  std::uint32_t limbs = 0;
  double scale = 0;
  double error_std = 0;  ///< predicted, of a logit
  /// The part of error_std that depends on the key: encryption, key switching and rounding of ciphertexts, without
  /// what rounded weights and coefficients do. `decrypt --publish` sizes its flooding noise from it and noise_growth.
  double noise_std = 0;
  Layout layout = {};
  AnswerSpec answer = {};  ///< what the client makes of the logits
  /// How much larger than noise_std, a mean, the noise is for the image of the calibration that makes it largest.
  double noise_growth = 1;
  std::uint32_t ciphertexts() const { return layout.ciphertexts(); }
  bool operator==(const OutputSpec&) const = default;
};

/// The keys that the steps of a plan need, but those of bootstrapping, which follow from its literal
/// (ckks::Bootstrapper::galois_limbs).
struct KeyRequest {
  bool relinearization = false;
  /// Steps of the Galois keys, modulo the slots and around 0 without it, and the most limbs of a ciphertext that each
  /// rotates.
  std::map<std::int64_t, std::uint32_t> rotations = {};
  std::uint32_t conjugation = 0;  ///< the most limbs of a ciphertext that is conjugated; 0: none is
  bool operator==(const KeyRequest&) const = default;
};

/// The one pair of scales that all Bootstrap operations of a plan have, so that they share one ckks::Bootstrapper.
/// Plan::params are those of the literal (ckks::BootstrapParams).
struct BootstrapSpec {
  ckks::BootstrapLiteral literal;
  double input_scale = 1;
  double output_scale = 1;
  bool operator==(const BootstrapSpec&) const = default;
};

/// n: slots of every vector of a plan: those of the ring, or those that its bootstrapping keeps, with which every
/// ciphertext repeats.
inline std::uint64_t slots(const ckks::ParamsLiteral& params, const std::optional<BootstrapSpec>& bootstrap) {
  return bootstrap ? std::uint64_t{1} << bootstrap->literal.log2_slots : params.slots();
}

struct Plan {
  std::string name;         ///< the network's
  std::uint32_t batch = 0;  ///< images asked for at a time; images_at_once() go through together
  ckks::ParamsLiteral params;
  InputSpec input;
  OutputSpec output;
  KeyRequest keys;
  std::optional<BootstrapSpec> bootstrap = {};  ///< there where a step is a Bootstrap, and only there
  std::vector<Step> steps;
  std::vector<std::string> reasons;   ///< what the planner chose and why, one sentence each
  double predicted_seconds = 0;       ///< server's work for images_at_once() images, on the planner's cost model
  std::uint64_t predicted_bytes = 0;  ///< peak memory of the server: keys, weights, and both that follow
  std::uint64_t value_bytes = 0;      ///< of values and steps at work (Schedule::peak_bytes)
  std::uint64_t kept_bytes = 0;       ///< of encoded diagonals that stay from one image to the next

  /// Info of a value, 0 = the input.
  ValueInfo value(ValueId id) const;
  /// B: images that one run takes.
  std::uint32_t images_at_once() const { return input.layout.sharing.images; }
};

inline std::uint64_t slots(const Plan& plan) { return slots(plan.params, plan.bootstrap); }

/// What a client may see: no weights, no layers.
struct Offer {
  std::string name;
  std::array<std::uint8_t, 32> plan_digest{};  ///< binds keys and ciphertexts to the plan
  ckks::ParamsLiteral params;
  InputSpec input;
  OutputSpec output;
  KeyRequest keys;
  std::optional<BootstrapSpec> bootstrap = {};
  std::optional<std::array<std::uint8_t, 32>> signer = {};  ///< whose signature was right under the file
  /// B: images that one batch of ciphertexts holds.
  std::uint32_t images_at_once() const { return input.layout.sharing.images; }
};

/// Whether every slot is an image's (batch layout), of a plan or an offer.
template <class T>
bool is_batch(const T& x) {
  return x.images_at_once() == slots(x.params, x.bootstrap);
}

/// digest: of the plan's frame (wire/frames.h).
Offer make_offer(const Plan& plan, const std::array<std::uint8_t, 32>& digest);

/// The readable form: parameters, input, one line a step with shape, limbs, scale bits, parts, predicted error, then
/// the reasons and estimates. Weights appear as counts, bit widths and a digest. Deterministic: made for diffs.
std::string to_text(const Plan& plan);

}  // namespace obscura::plan
