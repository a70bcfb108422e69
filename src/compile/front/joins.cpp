// SPDX-License-Identifier: Apache-2.0
#include "compile/front/joins.h"

#include "compile/front/symbol.h"

namespace obscura::compile {
namespace {

/// Where a value is read: {draft, branch}.
struct Place {
  std::size_t draft = 0;
  std::size_t branch = 0;
};

std::vector<Place> readers_of(const std::vector<Draft>& drafts, std::size_t value) {
  std::vector<Place> places;
  for (std::size_t d = 0; d < drafts.size(); ++d) {
    for (std::size_t b = 0; b < drafts[d].branches.size(); ++b) {
      if (drafts[d].branches[b].source == value) places.push_back({d, b});
    }
  }
  return places;
}

/// The branches of `sum` with the reader's segment behind each; nothing where that has more weights than apart.
std::optional<std::vector<Draft::Branch>> distributed(const Draft& sum, const Segment& reader) {
  if (reader.empty()) return sum.branches;
  if (reader.size() > 1) return std::nullopt;
  const LinearMap& map = reader[0];
  std::uint64_t apart = map.matrix.nonzeros();
  for (const auto& branch : sum.branches) {
    apart += branch.segment.empty() ? 0 : branch.segment.back().matrix.nonzeros();
  }
  std::uint64_t together = 0;
  std::vector<Draft::Branch> out = sum.branches;
  for (std::size_t b = 0; b < out.size(); ++b) {
    LinearMap last = map;
    if (b > 0) last.bias.assign(last.bias.size(), 0);
    Segment& segment = out[b].segment;
    if (segment.empty()) {
      segment.push_back(std::move(last));
    } else if (product(map.matrix, segment.back().matrix, apart)) {
      segment.back() = compose(last, segment.back());
    } else {
      return std::nullopt;
    }
    together += segment.back().matrix.nonzeros();
    if (together > apart) return std::nullopt;
  }
  return out;
}

void remove(std::vector<Draft>& drafts, std::size_t index) {
  drafts.erase(drafts.begin() + static_cast<std::ptrdiff_t>(index));
  for (Draft& draft : drafts) {
    for (auto& branch : draft.branches) branch.source -= branch.source > index + 1 ? 1 : 0;
  }
}

}  // namespace

void inline_sums(std::vector<Draft>& drafts) {
  for (std::size_t d = 0; d + 1 < drafts.size();) {
    const std::vector<Place> readers = readers_of(drafts, d + 1);
    const bool product = drafts[d].branches.back().factor;
    const bool alone = !drafts[d].activation && !product && readers.size() == 1;
    Draft* reader = alone ? &drafts[readers[0].draft] : nullptr;
    auto branches = alone ? distributed(drafts[d], reader->branches[readers[0].branch].segment) : std::nullopt;
    if (!branches) {
      ++d;
      continue;
    }
    const auto at = reader->branches.begin() + static_cast<std::ptrdiff_t>(readers[0].branch);
    for (auto& branch : *branches) branch.factor = at->factor;
    reader->branches.insert(reader->branches.erase(at), std::make_move_iterator(branches->begin()),
                            std::make_move_iterator(branches->end()));
    reader->origin = join(merge({drafts[d].origin}, {reader->origin}));
    remove(drafts, d);
  }
}

void number(std::vector<Draft> drafts, FusedNetwork& network) {
  for (Draft& draft : drafts) {
    Junction junction;
    junction.origin = std::move(draft.origin);
    for (auto& branch : draft.branches) {
      junction.branches.push_back({branch.source, network.segments.size(), false, branch.factor});
      network.segments.push_back(std::move(branch.segment));
    }
    if (draft.activation) {
      junction.activation = network.activations.size();
      network.activations.push_back(std::move(*draft.activation));
    }
    network.junctions.push_back(std::move(junction));
  }
}

}  // namespace obscura::compile
