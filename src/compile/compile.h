// SPDX-License-Identifier: Apache-2.0
/// Graph -> Plan.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compile/front/approximation.h"
#include "compile/pass/passes.h"
#include "compile/pass/report.h"
#include "nn/graph.h"
#include "plan/plan.h"

namespace obscura::compile {

enum class LayoutChoice { automatic, image, batch };

/// What a server may have where nobody says.
inline constexpr std::uint64_t kDefaultMemory = 16'000'000'000;

struct Options {
  std::uint32_t batch = 8192;  ///< images that are classified at a time
  std::vector<double> mean;    ///< per channel; empty = 0
  std::vector<double> std;     ///< per channel; empty = 1
  base::Standardisation standardise = {};
  double max_error_std = 0;  ///< largest predicted logit error (std) accepted; 0 = a share of spread_of (answer.h)
  std::optional<plan::AnswerKind> answer;  ///< nothing: as answer_of (answer.h) has it
  std::vector<std::string> class_names;    ///< for the client; empty, or one an output
  std::optional<int> log2_degree;          ///< force N
  std::optional<ckks::RingType> ring;      ///< force it; else the faster
  /// Bits between the largest value that calibration saw and the modulus: of each value in the batch layout, where one
  /// image that overflows spoils all of its batch; of the logits in the image layout. Nothing: 3, without
  /// calibration 6.
  std::optional<int> headroom_bits;
  std::optional<std::uint64_t> max_key_bytes;  ///< of evaluation keys in the server's memory; image layout
  /// Of the server that runs the plan, for keys, weights, ciphertexts and encoded diagonals together.
  std::uint64_t memory = kDefaultMemory;
  LayoutChoice layout = LayoutChoice::automatic;  ///< automatic: the cheaper of the two for `batch` images
  /// Training images (normalised floats, C*H*W each) that give the ranges of values; empty = built-in probes, with a
  /// wider margin.
  std::span<const float> calibration;
  /// What replaces activations that are no polynomials.
  Approximations approximations;
  Report report;             ///< or none
  Passes* passes = nullptr;  ///< what is said of each pass, or none
};

/// Levels that polynomials may take for one activation in networks deeper than a secure modulus: what the deepest
/// bootstrapping leaves, since none stands within an activation.
int most_activation_levels();

/// errors: unsupported (names node and operator, and why), infeasible (no secure parameters reach the precision:
/// names the best that was found), wrong_params (batch 0, normalisation of the wrong length, an answer that the network
/// does not give), cancelled (by the report). What the file says of itself (nn::Graph::metadata) is the caller's to
/// take.
Result<plan::Plan> compile(const nn::Graph& graph, const Options& options);

}  // namespace obscura::compile
