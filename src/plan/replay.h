// SPDX-License-Identifier: Apache-2.0
/// What is there between two tasks of a schedule: what a run that ends there must have saved to be gone on with.
/// Arrow: plan::make_schedule -> run::execute.
#pragma once

#include <set>

#include "plan/schedule.h"

namespace obscura::plan {

/// Follows a schedule without data, task by task. An element of a value is live once it is made and until the last
/// unit has read it. The plan's input is not counted: a run that goes on is given it again.
class Replay {
 public:
  /// needs   a schedule of this plan; both outlive this
  Replay(const Plan& plan, const Schedule& schedule);
  /// The next task. cost: by its units' inputs and outputs. errors: ContractError where there is none
  void take();
  std::size_t tasks() const { return tasks_; }                      ///< taken
  bool ended() const { return tasks_ == schedule_->tasks.size(); }  ///< no task is left
  std::size_t steps() const;                                        ///< up to the last one of the last task
  std::uint64_t work() const { return work_; }                      ///< of Schedule::total_work
  double seconds() const { return seconds_; }                       ///< predicted, of Plan::predicted_seconds
  std::uint64_t bytes() const { return bytes_; }                    ///< of the live elements
  const std::set<Element>& live() const { return live_; }           ///< the last is the output's at the end
  /// By value and element, as Schedule::readers: units that have yet to read it.
  const std::vector<std::vector<std::uint32_t>>& left() const { return left_; }

 private:
  void take_transform(std::size_t step);
  void take_blocks(std::size_t step, const std::vector<std::uint32_t>& blocks);
  void take_elements(const Stage& stage, const std::vector<std::uint32_t>& elements);
  void make(Element element);
  void read(Element element);
  const Plan* plan_;
  const Schedule* schedule_;
  std::size_t tasks_ = 0;
  std::uint64_t work_ = 0;
  double seconds_ = 0;
  std::uint64_t bytes_ = 0;
  std::set<Element> live_;
  std::vector<std::vector<std::uint32_t>> left_;
};

/// Numbers of tasks after which a state should be saved, ascending: each the one with the fewest live bytes among
/// those of `seconds` to 2 `seconds` of predicted work after the point before (or the first later one), and no nearer
/// to the end than that; with 0, all. So a bootstrapping is saved before it rather than after it: its ciphertexts have
/// few limbs then.
std::vector<std::size_t> save_points(const Plan& plan, const Schedule& schedule, double seconds);

}  // namespace obscura::plan
