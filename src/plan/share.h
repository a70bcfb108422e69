// SPDX-License-Identifier: Apache-2.0
/// One batch of a plan on several ranks (processes with a memory of their own, on one machine or many): which rank
/// makes which element, what it sends to whom, and how long all of them take. Batch layout only: there each rank needs
/// weights and one relinearisation key, and nothing of the others but elements.
/// Arrow: plan::Plan -> run::Program, run::Sharing.
#pragma once

#include <memory>
#include <vector>

#include "plan/schedule.h"

namespace obscura::plan {

/// What lies between two ranks: each sends and receives at this rate, both at once.
struct Link {
  double bytes_per_second = 25e9 / 8;
  double seconds = 50e-6;  ///< from the end of a message to its use
};

/// An element that goes to another rank, or comes from it.
struct Transfer {
  Element element;
  std::uint32_t rank = 0;  ///< the other
};

/// What a rank exchanges between two of its tasks: it sends first what it made, then takes what the next task reads.
struct Exchange {
  std::vector<Transfer> sends;
  std::vector<Transfer> receives;
};

/// The part of one rank.
struct Share {
  /// `tasks` are those of this rank; `readers` counts its own units (and on rank 0 the plan's output); total_work and
  /// peak_bytes are its own.
  Schedule schedule;
  std::vector<std::uint32_t> inputs;  ///< elements of the input that this rank reads from their file
  std::vector<Exchange> exchanges;    ///< [k]: before task k; the last one: after all, where rank 0 gets the output
};

/// One batch dealt to `ranks` ranks by the output elements of each layer. Blocks of linear maps, in the order in which
/// a depth-first search from the output asks for them, are cut into parts of equal work, one a rank: so the parts are
/// bands of an image, and what crosses their borders is what convolutions read beyond them. Elementwise stages stay
/// where their elements are. An element is sent once to each rank that reads it.
///
/// Each rank takes its tasks depth-first, or layer by layer where that is faster and takes no more memory than one rank
/// alone; within a stage from the borders of its band inwards, so that what others wait for is made first. The order,
/// and who waits for whom, follows from a simulation of all ranks, each with one core of Plan's cost model, and the
/// link: a rank waits for elements that another makes earlier in simulated time, so no order of messages locks.
///
/// The ranks together compute, bit for bit, what one would: maps are exact, and every output is computed whole.
class Distribution {
 public:
  /// needs   a verified plan in the batch layout, 1 <= ranks
  /// cost    by the inputs of all blocks: 10^6 take some 0.2 s, also for 1,024 ranks
  Distribution(const Plan& plan, std::uint32_t ranks, const Link& link = {});
  ~Distribution();
  Distribution(Distribution&&) noexcept;
  Distribution& operator=(Distribution&&) noexcept;

  /// The same network, its blocks cut at the borders of ranks: what the schedules of shares are of.
  const Plan& plan() const;
  Share share(std::uint32_t rank) const;

  /// Predicted, until rank 0 has the output.
  double seconds() const;
  /// Of values and steps at work, on the rank with most.
  std::uint64_t peak_bytes() const;

  /// A stage of the plan, or (first == end == 0) its input.
  struct Layer {
    std::size_t first = 0;  ///< steps [first, end)
    std::size_t end = 0;
    double seconds = 0;            ///< predicted, of computation on the rank with most
    double mean_seconds = 0;       ///< of all ranks
    std::uint64_t bytes = 0;       ///< of its elements, sent by all ranks together
    std::uint64_t most_bytes = 0;  ///< received by the rank with most
  };
  std::vector<Layer> layers() const;

 private:
  class Simulation;
  std::unique_ptr<const Simulation> simulation_;
};

/// Bytes of one element of a value on its way: each residue in the bits of its prime.
std::uint64_t packed_element_bytes(const Plan& plan, const ValueInfo& info);

}  // namespace obscura::plan
