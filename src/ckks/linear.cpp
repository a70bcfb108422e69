// SPDX-License-Identifier: Apache-2.0
/// apply: the integer matrix product over all residues. The work is cut into tiles of coefficients of one limb of one
/// part; a tile of the inputs is packed side by side once, as doubles or as digits, then every block of a group reads
/// it from the second-level cache.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <numeric>
#include <set>
#include <utility>

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
    in_digits_.push_back(matrix.cols <= kernels::kMaxDigitColumns &&
                         kernels::weight_digits(weights_.back().data(), weights_.back().size()).has_value());
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

/// Inputs that a group packs at most, unless one block alone reads more: 1 MiB for a tile, which stays in the
/// second-level cache.
constexpr std::size_t kGroupInputs = 2048;

/// Below these, packing digits and the edges of tiles cost more than they save (linear_bench, `digits` against `tile`).
constexpr std::size_t kDigitRows = 12, kDigitColumns = 64;

/// A cache line, left uninitialised.
struct alignas(64) Line {
  Line() {}  // NOLINT: a vector of these must not be zeroed
  double x[8];
};

struct Job {
  const Context& context;
  const PreparedMap& map;
  std::span<const double> bias;
  std::span<const Ciphertext> x;
  std::span<Ciphertext> y;
};

bool wide_enough(const kernels::Kernels& kernels, std::size_t rows, std::size_t columns) {
  return kernels.digit_product != nullptr && rows >= kDigitRows && columns >= kDigitColumns;
}

bool by_digits(const Job& job, const IntegerBlock& block) {
  const bool wide = wide_enough(job.context.kernels(), block.outputs.size(), block.inputs.size());
  if (!wide || !job.map.in_digits(block.matrix)) return false;
  std::vector<std::uint32_t> inputs = block.inputs;
  std::sort(inputs.begin(), inputs.end());
  return std::adjacent_find(inputs.begin(), inputs.end()) == inputs.end();  // a tile has one place for an input
}

/// Some blocks of a map on ciphertexts: those inputs that any of them reads are packed once for all of them.
class Group {
 public:
  Group(const Job& job, std::vector<std::uint32_t> blocks, bool digits)
      : job_(job), blocks_(std::move(blocks)), digits_(digits) {
    find_inputs();
    find_biases();
    if (digits) make_digits();
  }

  /// All outputs of the blocks, for one tile of coefficients of one limb of one part.
  void run_tile(std::size_t part, std::size_t limb, std::size_t offset) const {
    const auto& modulus = job_.context.basis().modulus(limb);
    std::vector<const double*> inputs;
    for (const Ciphertext* x : inputs_) inputs.push_back(x->parts[part].limb(limb) + offset);
    std::vector<double*> outputs;
    for (const std::uint32_t b : blocks_) {
      for (const auto o : job_.map.map().blocks[b].outputs) {
        outputs.push_back(job_.y[o].parts[part].limb(limb) + offset);
      }
    }
    const double* bias = part == 0 ? biases_[limb].data() : nullptr;
    if (digits_) {
      run_digits(inputs, outputs.data(), bias, modulus);
    } else {
      run_doubles(inputs, outputs.data(), bias, modulus);
    }
  }

 private:
  /// The inputs of all blocks, each once, and where each block finds its own among them. Inputs that the same blocks
  /// read lie side by side, so that few tiles of digits hold what a block reads.
  void find_inputs() {
    std::map<std::uint32_t, std::vector<std::uint32_t>> readers;
    for (std::uint32_t b = 0; b < blocks_.size(); ++b) {
      for (const auto i : job_.map.map().blocks[blocks_[b]].inputs) readers[i].push_back(b);
    }
    std::vector<std::uint32_t> all;
    all.reserve(readers.size());
    for (const auto& [input, blocks] : readers) all.push_back(input);
    std::stable_sort(all.begin(), all.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return readers.at(a) < readers.at(b); });
    std::map<std::uint32_t, std::uint32_t> place;
    const Ciphertext& first = job_.x[all.front()];
    for (const std::uint32_t i : all) {
      const Ciphertext& x = job_.x[i];
      OBSCURA_CHECK(x.limbs() == first.limbs() && x.parts.size() == first.parts.size() && x.scale == first.scale &&
                        first.limbs() > 0,
                    "apply: inputs differ in limbs, parts or scale, or are absent");
      place[i] = static_cast<std::uint32_t>(inputs_.size());
      inputs_.push_back(&x);
    }
    for (const std::uint32_t b : blocks_) {
      std::vector<std::uint32_t>& places = places_.emplace_back();
      for (const std::uint32_t i : job_.map.map().blocks[b].inputs) places.push_back(place.at(i));
    }
  }

  void find_biases() {
    const Ciphertext& first = job_.y[job_.map.map().blocks[blocks_[0]].outputs[0]];
    biases_.resize(first.limbs());
    for (std::size_t i = 0; i < biases_.size(); ++i) {
      for (const std::uint32_t b : blocks_) {
        for (const auto o : job_.map.map().blocks[b].outputs) {
          biases_[i].push_back(
              ring::integer_residue(std::nearbyint(job_.bias[o] * first.scale), job_.context.basis().prime(i)));
        }
      }
    }
  }

  void make_digits() {
    const std::size_t quads = kernels::packed_quads(inputs_.size());
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      const IntegerBlock& block = job_.map.map().blocks[blocks_[b]];
      matrices_.push_back(kernels::make_digit_matrix(job_.map.weights(block.matrix).data(), block.outputs.size(),
                                                     block.inputs.size(), places_[b].data(), quads));
    }
  }

  void run_doubles(std::vector<const double*>& inputs, double* const* outputs, const double* bias,
                   const kernels::Modulus& modulus) const {
    std::vector<Line> packed(kTile / 8 * inputs.size());
    for (std::size_t c = 0; c < inputs.size(); ++c) {
      std::memcpy(packed[c * kTile / 8].x, inputs[c], kTile * sizeof(double));
    }
    const kernels::Kernels& kernels = job_.context.kernels();
    std::vector<const double*> own;
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      own.clear();
      for (const std::uint32_t place : places_[b]) own.push_back(packed[place * kTile / 8].x);
      const std::uint32_t matrix = job_.map.map().blocks[blocks_[b]].matrix;
      const std::size_t rows = job_.map.map().matrices[matrix].rows;
      kernels.matrix_product({job_.map.weights(matrix).data(), rows, own.size(), own.data(), outputs, bias}, modulus);
      outputs += rows;
      if (bias != nullptr) bias += rows;
    }
  }

  void run_digits(std::vector<const double*>& inputs, double* const* outputs, const double* bias,
                  const kernels::Modulus& modulus) const {
    const std::size_t quads = kernels::packed_quads(inputs.size());
    inputs.resize(kernels::kQuad * quads, inputs.back());  // no column meets these
    std::vector<Line> packed(kernels::packed_bytes(quads, modulus) / sizeof(Line));
    auto* const digits = reinterpret_cast<std::int8_t*>(packed.data());
    const kernels::Kernels& kernels = job_.context.kernels();
    kernels.pack_digits(digits, inputs.data(), quads, modulus);
    for (const kernels::DigitMatrix& matrix : matrices_) {
      kernels.digit_product({&matrix, digits, quads, outputs, bias}, modulus);
      outputs += matrix.rows;
      if (bias != nullptr) bias += matrix.rows;
    }
  }

  const Job& job_;
  std::vector<std::uint32_t> blocks_;
  bool digits_;
  std::vector<const Ciphertext*> inputs_;
  std::vector<std::vector<std::uint32_t>> places_;  ///< by block of blocks_
  std::vector<std::vector<double>> biases_;         ///< by limb: residues, outputs in the order of the blocks; part 0
  std::vector<kernels::DigitMatrix> matrices_;      ///< by block of blocks_, where they are products by digits
};

/// The blocks in order, those by digits and those not apart, cut where a group would pack too many inputs.
std::vector<Group> make_groups(const Job& job, std::span<const std::uint32_t> blocks) {
  std::vector<std::uint32_t> kinds[2];
  for (const std::uint32_t b : blocks) kinds[by_digits(job, job.map.map().blocks[b]) ? 1 : 0].push_back(b);
  std::vector<Group> groups;
  for (const bool digits : {false, true}) {
    std::vector<std::uint32_t> some;
    std::set<std::uint32_t> inputs;
    const auto flush = [&] {
      if (!some.empty()) groups.emplace_back(job, std::exchange(some, {}), digits);
      inputs.clear();
    };
    for (const std::uint32_t b : kinds[digits ? 1 : 0]) {
      const auto& own = job.map.map().blocks[b].inputs;
      const auto fresh = std::count_if(own.begin(), own.end(), [&](std::uint32_t i) { return !inputs.contains(i); });
      if (inputs.size() + static_cast<std::size_t>(fresh) > kGroupInputs) flush();
      inputs.insert(own.begin(), own.end());
      some.push_back(b);
    }
    flush();
  }
  return groups;
}

}  // namespace

int digit_products(const kernels::Kernels& kernels, const IntegerMatrix& matrix, std::uint64_t prime) {
  if (!wide_enough(kernels, matrix.rows, matrix.cols) || matrix.cols > kernels::kMaxDigitColumns) return 0;
  const std::vector<double> weights(matrix.data.begin(), matrix.data.end());
  const std::optional<int> digits = kernels::weight_digits(weights.data(), weights.size());
  return digits.value_or(0) * kernels::residue_digits(kernels::make_modulus(prime));
}

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
      for (std::size_t part = 0; part < parts; ++part)
        y[o].parts.emplace_back(context.resources(), context.degree(), limbs);
    }
  }
  const Job job{context, map, bias, x, y};
  const std::vector<Group> groups = make_groups(job, blocks);
  const std::size_t tiles = context.degree() / kTile, slices = limbs * parts;
  base::parallel_for(groups.size() * slices * tiles, [&](std::size_t task) {
    const std::size_t slice = task / tiles % slices;
    groups[task / tiles / slices].run_tile(slice % parts, slice / parts, task % tiles * kTile);
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
