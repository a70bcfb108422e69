// SPDX-License-Identifier: Apache-2.0
/// Networks, and plans made of them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "obscura/io.h"

namespace obscura {

/// A polynomial of the caller's in place of a network's function: sum_k coefficients[k] x^k, for |x| <= bound.
struct OwnActivation {
  std::vector<double> coefficients;
  double bound = 1;
};

/// image: the pixels of an image in the slots of few ciphertexts; batch: an image in each slot.
enum class Layout { automatic, image, batch };

/// standard: N/2 complex slots in a ciphertext, and bootstrapping; conjugate_invariant: N real slots, so twice the
/// images of a batch for the same time.
enum class Ring { automatic, standard, conjugate_invariant };

/// What is left empty is as the network's file says, else as is said here.
struct CompileOptions {
  std::uint32_t batch = 1;               ///< images classified at a time
  Layout layout = Layout::automatic;     ///< automatic: what is cheaper for them
  std::vector<double> mean, std;         ///< per channel: it is fed (value - mean) / std; else 0 and 1
  std::vector<std::string> class_names;  ///< of the client's labels, one an output; else none
  /// Bits between the largest value that calibration saw and the modulus; else 3, without calibration 6.
  std::optional<int> headroom_bits = {};
  /// Largest predicted standard deviation of a logit's error; 0, and else: a share of the logits' spread.
  std::optional<double> max_error = {};
  /// Training images in units of pixel / 255, 0 to 1: they give the ranges of all values, and the polynomials.
  std::span<const float> calibration = {};
  /// Polynomials in place of functions, by at most one of: each within bound * 2^-alpha; the best degrees for each
  /// layer with so many levels, or so many products of ciphertexts an image, in all. None: the cheapest in max_loss.
  std::optional<int> alpha = {};
  std::optional<double> depth = {}, products = {};
  /// By the name of a node whose function is no polynomial: what stands for it, instead of what would be chosen.
  std::map<std::string, OwnActivation> activations = {};
  /// Share of the calibration images whose answers polynomials may change; else 0.002, or where none are so precise up
  /// to about 0.01, which the plan's reasons say then.
  std::optional<double> max_loss = {};
  std::uint64_t memory = 16'000'000'000;  ///< bytes that the server may take
  std::optional<std::uint64_t> max_key_bytes = {};
  std::optional<int> log2_degree = {};  ///< forces the ring's degree
  Ring ring = Ring::automatic;          ///< automatic: what is faster
  /// (what, done, total) from time to time; false stops with Code::cancelled.
  std::function<bool(const std::string& what, std::size_t done, std::size_t total)> progress = {};
};

/// A network under parameters, ready for obscura::Server.
struct OBSCURA_API Plan {
  Bytes bytes;  ///< the whole file: it holds the network's weights
  std::string network;
  std::size_t images_at_once = 0;
  double predicted_seconds = 0;      ///< of one batch, on one core
  std::uint64_t memory = 0;          ///< predicted, of the server
  double logit_error = 0;            ///< predicted standard deviation of a logit's error by encryption
  std::vector<std::string> reasons;  ///< what was chosen, and why

  /// A plan of before: what `bytes` held, or a file of `obscura compile`.
  /// errors  io; bad_format, unsupported, wrong_params: what plan::verify says
  static Result<Plan> read(const Source& plan);

  /// Parameters, one line a step with its shape, limbs, scale and predicted error, then the reasons: for a person, and
  /// the same for the same plan. Weights appear as counts and a digest. errors: as read(), of `bytes` that were changed
  Result<std::string> describe() const;

  /// The plan's logits without encryption: images in units of pixel / 255; images x outputs. With a seed the errors
  /// that encryption would make are added, drawn from their predicted distribution. Progress counts its work.
  /// errors  wrong_params: not whole images; cancelled
  Result<std::vector<float>> simulate(std::span<const float> images, std::optional<std::uint64_t> noise_seed = {},
                                      const Progress& progress = {}) const;
};

/// A network of an ONNX file.
class OBSCURA_API Network {
 public:
  /// errors  io; bad_format: not ONNX, damaged; unsupported: an operator, naming the node and the way out
  static Result<Network> read(const Source& onnx);

  const std::string& name() const;
  std::size_t channels() const;
  std::size_t height() const;
  std::size_t width() const;
  std::size_t image_size() const { return channels() * height() * width(); }
  std::size_t outputs() const;
  /// Whether functions as ReLU or max-pooling are in it, so that compile() needs calibration images.
  bool needs_calibration() const;
  /// Whether it can be compiled, and if not which node is in the way: a sentence.
  std::string verdict() const;
  /// Its logits in floating point: images in units of pixel / 255, 0 to 1; mean and std as of CompileOptions;
  /// images x outputs. errors: wrong_params: not whole images, or other than one mean or standard deviation per channel
  Result<std::vector<float>> run(std::span<const float> images, std::span<const double> mean = {},
                                 std::span<const double> std = {}) const;
  /// errors  unsupported, infeasible: naming the node, the figure and the way out; wrong_params: images or
  ///         normalisation that do not fit; cancelled
  Result<Plan> compile(const CompileOptions& options) const;

 private:
  struct Internal;
  explicit Network(std::shared_ptr<const Internal> internal) : internal_(std::move(internal)) {}
  std::shared_ptr<const Internal> internal_;
};

}  // namespace obscura
