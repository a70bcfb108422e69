// SPDX-License-Identifier: Apache-2.0
/// apply: the integer matrix product over all residues. The work is cut into tiles of coefficients of one limb of one
/// part; a tile of all inputs is packed side by side once, then every block reads it from the second-level cache.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

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

/// Work on one limb of one part.
struct Slice {
  std::size_t limb = 0;
  std::size_t part = 0;
};

class Application {
 public:
  Application(const Context& context, const PreparedMap& map, std::span<const double> bias, double scale,
              std::span<const Ciphertext> x, std::span<Ciphertext> y)
      : context_(context), map_(map), x_(x), y_(y) {
    // Bias residues by limb; part 0 only.
    biases_.resize(x[0].limbs());
    for (std::size_t i = 0; i < biases_.size(); ++i) {
      for (const double b : bias)
        biases_[i].push_back(ring::integer_residue(std::nearbyint(b * scale), context.basis().prime(i)));
    }
  }

  void run_tile(Slice slice, std::size_t offset) const {
    std::vector<Line> packed(kTile / 8 * x_.size());
    for (std::size_t c = 0; c < x_.size(); ++c) {
      std::memcpy(packed[c * kTile / 8].x, x_[c].parts[slice.part].limb(slice.limb) + offset, kTile * sizeof(double));
    }
    const auto& kernels = kernels::active();
    const auto& m = context_.basis().modulus(slice.limb);
    std::vector<const double*> inputs;
    std::vector<double*> outputs;
    std::vector<double> bias;
    for (const IntegerBlock& block : map_.map().blocks) {
      inputs.clear(), outputs.clear(), bias.clear();
      for (const auto i : block.inputs) inputs.push_back(packed[i * kTile / 8].x);
      for (const auto o : block.outputs) outputs.push_back(y_[o].parts[slice.part].limb(slice.limb) + offset);
      if (slice.part == 0) {
        for (const auto o : block.outputs) bias.push_back(biases_[slice.limb][o]);
      }
      kernels::MatrixProduct job;
      job.weights = map_.weights(block.matrix).data();
      job.rows = block.outputs.size();
      job.cols = block.inputs.size();
      job.x = inputs.data();
      job.y = outputs.data();
      job.bias = slice.part == 0 ? bias.data() : nullptr;
      kernels.matrix_product(job, m);
    }
  }

 private:
  const Context& context_;
  const PreparedMap& map_;
  std::span<const Ciphertext> x_;
  std::span<Ciphertext> y_;
  std::vector<std::vector<double>> biases_;
};

/// One limb of one part after the other, each by all cores; outputs appear limb by limb, and `done` may free inputs.
std::vector<Ciphertext> apply_slices(const Context& context, const PreparedMap& map, double weight_scale,
                                     std::span<const double> bias, std::span<const Ciphertext> x,
                                     const std::function<void(Slice)>& done) {
  OBSCURA_CHECK(x.size() == map.map().inputs && !x.empty(), "apply: {} inputs, {} are needed", x.size(),
                map.map().inputs);
  OBSCURA_CHECK(bias.size() == map.map().outputs, "apply: {} biases, {} are needed", bias.size(), map.map().outputs);
  const std::size_t limbs = x[0].limbs();
  const std::size_t parts = x[0].parts.size();
  for (const Ciphertext& ciphertext : x) {
    OBSCURA_CHECK(ciphertext.limbs() == limbs && ciphertext.parts.size() == parts && ciphertext.scale == x[0].scale,
                  "apply: inputs differ in limbs, parts or scale");
  }
  std::vector<Ciphertext> y(map.map().outputs);
  for (Ciphertext& out : y) {
    out.scale = x[0].scale * weight_scale;
    for (std::size_t part = 0; part < parts; ++part) {
      out.parts.push_back(ring::NttPoly::absent(context.degree(), limbs));
    }
  }
  const Application application(context, map, bias, y[0].scale, x, y);
  for (Slice slice; slice.limb < limbs; ++slice.limb) {
    for (slice.part = 0; slice.part < parts; ++slice.part) {
      for (Ciphertext& out : y) out.parts[slice.part].take(slice.limb);
      base::parallel_for(context.degree() / kTile,
                         [&](std::size_t tile) { application.run_tile(slice, tile * kTile); });
      done(slice);
    }
  }
  return y;
}

}  // namespace

std::vector<Ciphertext> apply(const Context& context, const PreparedMap& map, double weight_scale,
                              std::span<const double> bias, std::span<const Ciphertext> x) {
  return apply_slices(context, map, weight_scale, bias, x, [](Slice) {});
}

std::vector<Ciphertext> apply(const Context& context, const PreparedMap& map, double weight_scale,
                              std::span<const double> bias, std::vector<Ciphertext>&& x) {
  std::vector<Ciphertext> inputs = std::move(x);
  return apply_slices(context, map, weight_scale, bias, inputs, [&](Slice slice) {
    for (Ciphertext& in : inputs) in.parts[slice.part].give(slice.limb);
  });
}

}  // namespace obscura::ckks
