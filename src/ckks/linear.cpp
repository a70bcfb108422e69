// SPDX-License-Identifier: Apache-2.0
/// apply: the integer matrix product over all residues. The work is cut into tiles of coefficients of one limb of one
/// part; a tile of the inputs is packed side by side once, then every block reads it from the second-level cache.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/parallel.h"
#include "ckks/evaluator.h"

namespace obscura::ckks {

PreparedMap::PreparedMap(IntegerMap map) : map_(std::move(map)) {
  for (const IntegerMatrix& matrix : map_.matrices) {
    OBSCURA_CHECK(matrix.data.size() == std::size_t{matrix.rows} * matrix.cols, "matrix of {} entries for {} x {}",
                  matrix.data.size(), matrix.rows, matrix.cols);
    for (std::size_t r = 0; r < matrix.rows; ++r) {
      std::int64_t norm = 0;
      for (std::size_t c = 0; c < matrix.cols; ++c) norm += std::abs(std::int64_t{matrix.data[r * matrix.cols + c]});
      OBSCURA_CHECK(norm < kMaxRowNorm, "matrix row of L1 norm {}, below {} is allowed", norm, kMaxRowNorm);
    }
    weights_.emplace_back(matrix.data.begin(), matrix.data.end());
  }
  for (const IntegerBlock& block : map_.blocks) {
    OBSCURA_CHECK(block.matrix < map_.matrices.size(), "block with matrix {} of {}", block.matrix,
                  map_.matrices.size());
    const IntegerMatrix& matrix = map_.matrices[block.matrix];
    OBSCURA_CHECK(block.inputs.size() == matrix.cols && block.outputs.size() == matrix.rows,
                  "block of {} x {} with a matrix of {} x {}", block.outputs.size(), block.inputs.size(), matrix.rows,
                  matrix.cols);
    for (const auto i : block.inputs) OBSCURA_CHECK(i < map_.inputs, "block input {} of {}", i, map_.inputs);
    for (const auto o : block.outputs) OBSCURA_CHECK(o < map_.outputs, "block output {} of {}", o, map_.outputs);
  }
}

namespace {

constexpr std::size_t kTile = kernels::kMatrixTile;

/// A cache line, left uninitialised.
struct alignas(64) Line {
  Line() {}  // NOLINT: a vector of these must not be zeroed
  double x[8];
};

/// Some blocks of a map on ciphertexts.
class Application {
 public:
  Application(const Context& context, const PreparedMap& map, std::span<const std::uint32_t> blocks,
              std::span<const double> bias, std::span<const Ciphertext> x, std::span<Ciphertext> y)
      : context_(context), map_(map), blocks_(blocks), y_(y) {
    find_inputs(x);
    const Ciphertext& first = y[map.map().blocks[blocks[0]].outputs[0]];
    biases_.resize(first.limbs());
    for (std::size_t i = 0; i < biases_.size(); ++i) {
      for (const std::uint32_t b : blocks) {
        for (const auto o : map.map().blocks[b].outputs) {
          biases_[i].push_back(ring::integer_residue(std::nearbyint(bias[o] * first.scale), context.basis().prime(i)));
        }
      }
    }
  }

  /// All outputs of the blocks, for one tile of coefficients of one limb of one part.
  void run_tile(std::size_t part, std::size_t limb, std::size_t offset) const {
    std::vector<Line> packed(kTile / 8 * inputs_.size());
    for (std::size_t c = 0; c < inputs_.size(); ++c) {
      std::memcpy(packed[c * kTile / 8].x, inputs_[c]->parts[part].limb(limb) + offset, kTile * sizeof(double));
    }
    const auto& kernels = kernels::active();
    const auto& m = context_.basis().modulus(limb);
    std::vector<const double*> inputs;
    std::vector<double*> outputs;
    std::size_t done = 0;
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      const IntegerBlock& block = map_.map().blocks[blocks_[b]];
      inputs.clear(), outputs.clear();
      for (const std::uint32_t place : places_[b]) inputs.push_back(packed[place * kTile / 8].x);
      for (const auto o : block.outputs) outputs.push_back(y_[o].parts[part].limb(limb) + offset);
      kernels::MatrixProduct job;
      job.weights = map_.weights(block.matrix).data();
      job.rows = block.outputs.size();
      job.cols = block.inputs.size();
      job.x = inputs.data();
      job.y = outputs.data();
      job.bias = part == 0 ? biases_[limb].data() + done : nullptr;
      kernels.matrix_product(job, m);
      done += block.outputs.size();
    }
  }

 private:
  /// The inputs of all blocks, each once, and where each block finds its own among them.
  void find_inputs(std::span<const Ciphertext> x) {
    std::vector<std::uint32_t> all;
    for (const std::uint32_t b : blocks_) {
      const auto& inputs = map_.map().blocks[b].inputs;
      all.insert(all.end(), inputs.begin(), inputs.end());
    }
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    const Ciphertext& first = x[all.front()];
    for (const std::uint32_t i : all) {
      OBSCURA_CHECK(x[i].limbs() == first.limbs() && x[i].parts.size() == first.parts.size() &&
                        x[i].scale == first.scale && first.limbs() > 0,
                    "apply: inputs differ in limbs, parts or scale, or are absent");
      inputs_.push_back(&x[i]);
    }
    for (const std::uint32_t b : blocks_) {
      std::vector<std::uint32_t>& places = places_.emplace_back();
      for (const std::uint32_t i : map_.map().blocks[b].inputs) {
        places.push_back(static_cast<std::uint32_t>(std::lower_bound(all.begin(), all.end(), i) - all.begin()));
      }
    }
  }

  const Context& context_;
  const PreparedMap& map_;
  std::span<const std::uint32_t> blocks_;
  std::span<Ciphertext> y_;
  std::vector<const Ciphertext*> inputs_;
  std::vector<std::vector<std::uint32_t>> places_;  ///< by block of blocks_
  std::vector<std::vector<double>> biases_;         ///< by limb: residues, outputs in the order of the blocks; part 0
};

}  // namespace

void apply(const Context& context, const PreparedMap& map, std::span<const std::uint32_t> blocks, double weight_scale,
           std::span<const double> bias, std::span<const Ciphertext> x, std::span<Ciphertext> y) {
  const IntegerMap& integers = map.map();
  OBSCURA_CHECK(x.size() == integers.inputs && y.size() == integers.outputs && bias.size() == integers.outputs,
                "apply: {} inputs, {} outputs and {} biases for a map of {} to {}", x.size(), y.size(), bias.size(),
                integers.inputs, integers.outputs);
  if (blocks.empty()) return;
  const Ciphertext& like = x[integers.blocks[blocks[0]].inputs.at(0)];
  const std::size_t limbs = like.limbs(), parts = like.parts.size();
  for (const std::uint32_t b : blocks) {
    for (const auto o : integers.blocks[b].outputs) {
      y[o].scale = like.scale * weight_scale;
      y[o].parts.clear();
      for (std::size_t part = 0; part < parts; ++part) y[o].parts.emplace_back(context.degree(), limbs);
    }
  }
  const Application application(context, map, blocks, bias, x, y);
  const std::size_t tiles = context.degree() / kTile;
  base::parallel_for(limbs * parts * tiles, [&](std::size_t task) {
    const std::size_t slice = task / tiles;
    application.run_tile(slice % parts, slice / parts, task % tiles * kTile);
  });
}

std::vector<Ciphertext> apply(const Context& context, const PreparedMap& map, double weight_scale,
                              std::span<const double> bias, std::span<const Ciphertext> x) {
  std::vector<std::uint32_t> blocks(map.map().blocks.size());
  std::iota(blocks.begin(), blocks.end(), 0U);
  std::vector<Ciphertext> y(map.map().outputs);
  apply(context, map, blocks, weight_scale, bias, x, y);
  return y;
}

}  // namespace obscura::ckks
