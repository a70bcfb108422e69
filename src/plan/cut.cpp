// SPDX-License-Identifier: Apache-2.0
#include "plan/cut.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "plan/dataflow.h"

namespace obscura::plan {

namespace {

/// Takes the blocks of one map in order, and deals its multiplications to ranks.
class BlockCutter {
 public:
  BlockCutter(const ckks::IntegerMap& map, std::uint32_t ranks, std::vector<std::uint32_t>& owner)
      : map_(map), ranks_(ranks), all_(map.multiplications()), owner_(owner) {
    out_ = {map.inputs, map.outputs, map.matrices, {}};
    owner_.assign(map.outputs, 0);
  }

  void take(const ckks::IntegerBlock& block) {
    const ckks::IntegerMatrix& matrix = map_.matrices[block.matrix];
    std::uint32_t row = 0;
    while (row < matrix.rows) {
      const std::uint32_t end = last_rank() ? matrix.rows : std::min(matrix.rows, row + rows_left(matrix.cols));
      if (end > row) add(block, row, end);
      taken_ += std::uint64_t{end - row} * matrix.cols;
      row = end;
      if (row < matrix.rows) ++rank_;
    }
    while (!last_rank() && taken_ >= border()) ++rank_;
  }
  ckks::IntegerMap result() { return std::move(out_); }

 private:
  bool last_rank() const { return rank_ + 1 == ranks_; }
  std::uint64_t border() const { return all_ * (rank_ + 1) / ranks_; }
  /// Of the rank whose turn it is, to the nearest row.
  std::uint32_t rows_left(std::uint32_t cols) const {
    const std::uint64_t left = border() - std::min(border(), taken_);
    return static_cast<std::uint32_t>((left + cols / 2) / std::max(cols, 1U));
  }
  void add(const ckks::IntegerBlock& block, std::uint32_t first, std::uint32_t end) {
    const ckks::IntegerMatrix& matrix = map_.matrices[block.matrix];
    ckks::IntegerBlock part = block;
    if (end - first < matrix.rows) {
      part.matrix = static_cast<std::uint32_t>(out_.matrices.size());
      part.outputs.assign(block.outputs.begin() + first, block.outputs.begin() + end);
      const auto at = [&](std::uint32_t row) {
        return matrix.data.begin() + static_cast<std::ptrdiff_t>(std::size_t{row} * matrix.cols);
      };
      out_.matrices.push_back({end - first, matrix.cols, {at(first), at(end)}});
    }
    for (const std::uint32_t o : part.outputs) owner_[o] = rank_;
    out_.blocks.push_back(std::move(part));
  }

  const ckks::IntegerMap& map_;
  std::uint32_t ranks_;
  std::uint64_t all_;
  std::vector<std::uint32_t>& owner_;
  ckks::IntegerMap out_;
  std::uint64_t taken_ = 0;
  std::uint32_t rank_ = 0;
};

}  // namespace

CutPlan cut(const Plan& plan, std::uint32_t ranks) {
  OBSCURA_CHECK(is_batch(plan) && ranks > 0, "plan {}: not in the batch layout, or no ranks", plan.name);
  const Schedule schedule = make_schedule(plan);
  const Dataflow flow(plan, schedule);
  const auto order = demand_order(flow);
  CutPlan out{plan, std::vector<std::vector<std::uint32_t>>(plan.steps.size() + 1)};
  for (std::uint32_t s = 0; s < flow.stages(); ++s) {
    const Stage& stage = schedule.stages[s];
    if (auto* linear = std::get_if<Linear>(&out.plan.steps[stage.first].operation)) {
      const ckks::IntegerMap map = std::exchange(linear->map, {});
      std::vector<std::uint32_t> blocks(map.blocks.size());
      std::iota(blocks.begin(), blocks.end(), 0U);
      std::stable_sort(blocks.begin(), blocks.end(), [&](auto a, auto b) { return order[s][a] < order[s][b]; });
      BlockCutter cutter(map, ranks, out.owner[stage.first + 1]);
      for (const std::uint32_t b : blocks) cutter.take(map.blocks[b]);
      linear->map = cutter.result();
      continue;
    }
    OBSCURA_CHECK(stage.elementwise, "plan {}: step {} is no map of the batch layout", plan.name, stage.first);
    const std::uint32_t elements = plan.steps[stage.first].output.elements;
    const ValueId latest = flow.reads(s).back();
    std::vector<std::uint32_t> owner(elements);
    for (std::uint64_t i = 0; i < elements; ++i) {
      owner[i] = latest == 0 ? static_cast<std::uint32_t>(i * ranks / elements) : out.owner[latest][i];
    }
    for (std::size_t step = stage.first; step < stage.end; ++step) out.owner[step + 1] = owner;
  }
  return out;
}

}  // namespace obscura::plan
