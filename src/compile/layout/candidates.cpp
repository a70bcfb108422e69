// SPDX-License-Identifier: Apache-2.0
#include "compile/layout/candidates.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <set>

namespace obscura::compile {
namespace {

using plan::Layout;
using plan::Place;

constexpr std::uint32_t kMaxStride = 8;
/// How often the parts of a vector may be doubled: fewer folds, more diagonals.
constexpr int kVectorPeriods = 3;

std::uint32_t size(std::int64_t n) { return static_cast<std::uint32_t>(n); }

/// In-image coordinate (dimension 0: y, 1: x) of the last element that output (0, y, x) reads.
std::int64_t last_read(const LinearMap& map, const Layout& from, std::uint32_t row, int dimension) {
  std::int64_t last = -1;
  for (std::uint64_t k = map.matrix.start[row]; k < map.matrix.start[row + 1]; ++k) {
    const std::uint32_t e = map.matrix.column[k];
    last = std::max<std::int64_t>(last, dimension == 0 ? e / from.width % from.height : e % from.width);
  }
  return last;
}

/// How many input rows (columns) the window moves from one output row (column) to the next; where windows are cut at
/// the edge they move less, so the largest counts.
std::uint32_t stride(const LinearMap& map, const Layout& from, int dimension) {
  const std::uint32_t height = size(map.shape[1]), width = size(map.shape[2]);
  const std::uint32_t count = dimension == 0 ? height : width;
  std::int64_t most = 1;
  std::int64_t before = -1;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t row = dimension == 0 ? i * width + width / 2 : height / 2 * width + i;
    const std::int64_t last = last_read(map, from, row, dimension);
    if (i > 0) most = std::max(most, last - before);
    before = last;
  }
  return static_cast<std::uint32_t>(most);
}

/// How the planes of a convolution's outputs share the blocks.
struct Packing {
  std::uint32_t phases = 1;
  std::uint32_t row = 0, column = 0;            ///< from one row, column of a unit to the next
  std::uint32_t gap_rows = 1, gap_columns = 1;  ///< units that one block holds between them
  std::uint32_t channels = 0;  ///< units of one phase, whole powers of two where there are several phases
  std::uint32_t units() const { return channels * phases * phases; }
  std::uint32_t gaps() const { return gap_rows * gap_columns; }
};

std::optional<Packing> packing(const LinearMap& map, const Layout& from, const Grid& grid, std::uint32_t phases) {
  const std::uint32_t height = size(map.shape[1]), width = size(map.shape[2]);
  if (height % phases != 0 || width % phases != 0) return std::nullopt;
  const std::uint32_t down = stride(map, from, 0), across = stride(map, from, 1);
  if (down > kMaxStride || across > kMaxStride) return std::nullopt;
  Packing p;
  p.phases = phases;
  p.row = from.row * down * phases;
  p.column = from.column * across * phases;
  p.gap_rows = std::max<std::uint32_t>(1, p.row / grid.row);
  p.gap_columns = std::max<std::uint32_t>(1, p.column);
  if ((p.row == 0 && height > phases) || (p.column == 0 && width > phases)) return std::nullopt;
  p.channels = phases > 1 ? std::bit_ceil(size(map.shape[0])) : size(map.shape[0]);
  const std::uint64_t last = std::uint64_t{height / phases - 1} * p.row + std::uint64_t{width / phases - 1} * p.column +
                             (p.gap_rows - 1) * grid.row + p.gap_columns - 1;
  if (last >= grid.block || std::uint64_t{width / phases - 1} * p.column + p.gap_columns > grid.row)
    return std::nullopt;
  return p;
}

/// Of a single row, or column, the distance to the next says nothing: it is 0 where it would lead out of the period.
void drop_unused_distances(Layout& layout) {
  if (layout.row >= layout.period && (layout.height - 1) / layout.phases == 0) layout.row = 0;
  if (layout.column >= layout.period && (layout.width - 1) / layout.phases == 0) layout.column = 0;
}

/// The layout that puts unit u in block `spacing` * b, gap g with u = gaps * b + g, or u = blocks * g + b.
Layout packed(const LinearMap& map, const Packing& p, const Grid& grid, bool gaps_first, std::uint32_t spacing) {
  Layout out;
  out.channels = size(map.shape[0]);
  out.height = size(map.shape[1]);
  out.width = size(map.shape[2]);
  out.sharing = grid.sharing;
  out.phases = p.phases;
  out.row = p.row;
  out.column = p.column;
  const std::uint32_t all = grid.positions / grid.block / spacing;
  const std::uint32_t used = std::min(all, std::bit_ceil((p.units() + p.gaps() - 1) / p.gaps()));
  const std::uint32_t capacity = used * p.gaps();
  out.period = grid.may_repeat() ? used * spacing * grid.block : grid.positions;
  drop_unused_distances(out);
  for (std::uint32_t c = 0; c < out.channels; ++c) {
    for (std::uint32_t phase = 0; phase < p.phases * p.phases; ++phase) {
      const std::uint32_t unit = phase * p.channels + c, v = unit % capacity;
      const std::uint32_t gap = gaps_first ? v % p.gaps() : v / used;
      const std::uint32_t block = gaps_first ? v / p.gaps() : v % used;
      out.units.push_back(
          {unit / capacity, block * spacing * grid.block + gap / p.gap_columns * grid.row + gap % p.gap_columns});
    }
  }
  return out;
}

void add_packings(const LinearMap& map, const Layout& from, const Grid& grid, std::uint32_t phases,
                  std::vector<LayoutCandidate>& out) {
  const auto p = packing(map, from, grid, phases);
  if (!p) return;
  for (const bool gaps_first : {true, false}) {
    const Layout layout = packed(map, *p, grid, gaps_first, 1);
    out.push_back({layout, {}, {}, layout});
    if (layout.ciphertexts() > 1) continue;
    if (layout.period < grid.positions) {
      Layout once = layout;
      once.period = grid.positions;
      out.push_back({once, {}, {}, once});
    }
    // Each block of the input at home: parts of an output in as many blocks as the input has.
    const std::uint32_t spacing = from.period / grid.block;
    if (!grid.may_repeat() || from.ciphertexts() > 1 || spacing <= 1 ||
        std::uint64_t{spacing} * layout.period > grid.positions)
      continue;
    LayoutCandidate target;
    target.to = target.after = packed(map, *p, grid, gaps_first, spacing);
    target.clean = false;
    for (std::uint32_t step = grid.block; step < from.period; step *= 2) {
      target.spread.push_back(step);
      target.folds.push_back({step, 2});
    }
    out.push_back(target);
  }
}

Layout vector_layout(std::uint32_t elements, std::uint32_t period, const Grid& grid) {
  Layout out;
  out.channels = elements;
  out.period = period;
  out.sharing = grid.sharing;
  for (std::uint32_t e = 0; e < elements; ++e) out.units.push_back({e / grid.positions, e % grid.positions});
  return out;
}

void add_vectors(const LinearMap& map, const Layout& from, const Grid& grid, std::vector<LayoutCandidate>& out) {
  const std::uint32_t least = grid.may_repeat() ? std::bit_ceil(map.matrix.rows) : grid.positions;
  if (least >= from.period) {
    const Layout layout = vector_layout(map.matrix.rows, std::min(least, grid.positions), grid);
    out.push_back({layout, {}, {}, layout});
    return;
  }
  std::uint32_t period = least;
  for (int k = 0; k < kVectorPeriods && period < from.period; ++k, period *= 2) {
    LayoutCandidate target;
    target.to = vector_layout(map.matrix.rows, from.period, grid);
    target.after = vector_layout(map.matrix.rows, period, grid);
    for (std::uint32_t step = period; step < from.period; step *= 2) {
      target.spread.push_back(step);
      target.folds.push_back({step, 2});
    }
    out.push_back(target);
  }
}

/// Steps whose sums of some are exactly `distances` (0 among them), each in a fold of two; nothing else is tried.
std::optional<std::vector<plan::Fold::Sum>> doublings(const std::set<std::uint32_t>& distances) {
  std::vector<plan::Fold::Sum> out;
  std::set<std::uint32_t> reached{0};
  for (const std::uint32_t d : distances) {
    if (reached.contains(d)) continue;
    std::set<std::uint32_t> more = reached;
    for (const std::uint32_t r : reached) more.insert(r + d);
    reached = std::move(more);
    out.push_back({d, 2});
  }
  if (reached != distances) return std::nullopt;
  return out;
}

/// Phases: the elements of a window are at one place of different units.
std::optional<SumSteps> sum_phases(const LinearMap& map, const Layout& from) {
  const std::uint32_t phases = from.phases * from.phases;
  std::set<std::uint32_t> ciphertexts, slots;
  std::set<std::uint32_t> homes;
  for (std::uint32_t c = 0; c < from.channels; ++c) {
    const Place home = from.units[std::size_t{c} * phases];
    homes.insert(home.ciphertext);
    for (std::uint32_t p = 0; p < phases; ++p) {
      const Place at = from.units[std::size_t{c} * phases + p];
      if (at.ciphertext < home.ciphertext || at.position < home.position) return std::nullopt;
      ciphertexts.insert(at.ciphertext - home.ciphertext);
      slots.insert(at.position - home.position);
    }
  }
  if (ciphertexts.size() * slots.size() != phases) return std::nullopt;
  SumSteps out;
  const auto folds = doublings(slots);
  if (!folds) return std::nullopt;
  out.folds = *folds;
  std::map<std::uint32_t, std::uint32_t> number;
  for (const std::uint32_t home : homes) {
    number.emplace(home, number.size());
    out.add.emplace_back();
    for (const std::uint32_t d : ciphertexts) out.add.back().push_back(home + d);
  }
  out.after = from;
  out.after.phases = 1;
  out.after.height = size(map.shape[1]);
  out.after.width = size(map.shape[2]);
  // A fold over equal parts of the whole period repeats after one part.
  const std::uint32_t part = from.period / static_cast<std::uint32_t>(slots.size());
  if (from.sharing.interleaved() && slots.size() > 1 && *std::next(slots.begin()) == part &&
      *slots.rbegin() == from.period - part) {
    out.after.period = part;
  }
  drop_unused_distances(out.after);
  out.after.units.clear();
  for (std::uint32_t c = 0; c < from.channels; ++c) {
    const Place home = from.units[std::size_t{c} * phases];
    out.after.units.push_back({number[home.ciphertext], home.position % out.after.period});
  }
  return out;
}

/// No phases: sums along columns, then rows.
SumSteps sum_neighbours(const LinearMap& map, std::uint32_t window, const Layout& from) {
  SumSteps out;
  out.folds = {{from.column, window}, {from.row, window}};
  out.after = from;
  out.after.height = size(map.shape[1]);
  out.after.width = size(map.shape[2]);
  out.after.row *= stride(map, from, 0);
  out.after.column *= stride(map, from, 1);
  drop_unused_distances(out.after);
  return out;
}

/// Whether each output of the map is the sum of exactly the elements that the steps add up at its place.
bool adds_up(const LinearMap& map, const Layout& from, const SumSteps& steps) {
  std::vector<std::uint32_t> offsets{0};
  for (const auto& fold : steps.folds) {
    const std::size_t before = offsets.size();
    for (std::uint32_t k = 1; k < fold.count; ++k) {
      for (std::size_t i = 0; i < before; ++i) offsets.push_back(offsets[i] + k * fold.step);
    }
  }
  const std::vector<Place> places = from.places();
  for (std::uint32_t r = 0; r < map.matrix.rows; ++r) {
    const Place at = steps.after.place(r);
    std::vector<Place> expected, actual;
    const std::vector<std::uint32_t> itself{at.ciphertext};
    for (const std::uint32_t ciphertext : steps.add.empty() ? itself : steps.add[at.ciphertext]) {
      for (const std::uint32_t offset : offsets) {
        if (!from.sharing.interleaved() && at.position + offset >= from.period) return false;  // of the next image
        expected.push_back({ciphertext, (at.position + offset) % from.period});
      }
    }
    for (std::uint64_t k = map.matrix.start[r]; k < map.matrix.start[r + 1]; ++k) {
      actual.push_back(places[map.matrix.column[k]]);
    }
    std::sort(expected.begin(), expected.end());
    std::sort(actual.begin(), actual.end());
    if (expected != actual) return false;
  }
  return true;
}

}  // namespace

std::optional<Grid> make_grid(const nn::Shape& image, std::uint32_t slots, std::uint32_t images, bool interleaved) {
  const std::uint32_t positions = slots / images;
  const plan::ImageSlots sharing{images, interleaved || images == 1 ? 1 : positions};
  const std::uint32_t height = size(image[1]), width = size(image[2]);
  const std::uint32_t least = std::bit_ceil(height * width);
  Grid grid{positions, std::bit_ceil(width), std::bit_ceil(height * std::bit_ceil(width)), sharing};
  if (grid.block > least) grid = {positions, width, least, sharing};
  if (grid.block > positions) return std::nullopt;
  return grid;
}

Layout input_layout(const nn::Shape& image, const Grid& grid) {
  Layout out;
  out.channels = size(image[0]);
  out.height = size(image[1]);
  out.width = size(image[2]);
  out.row = grid.row;
  out.column = 1;
  out.sharing = grid.sharing;
  const std::uint32_t all = grid.positions / grid.block;
  const std::uint32_t used = std::min(all, std::bit_ceil(out.channels));
  out.period = grid.may_repeat() ? used * grid.block : grid.positions;
  drop_unused_distances(out);
  for (std::uint32_t c = 0; c < out.channels; ++c) out.units.push_back({c / used, c % used * grid.block});
  return out;
}

std::vector<LayoutCandidate> layout_candidates(const LinearMap& map, const Layout& from, const Grid& grid,
                                               std::uint32_t pool) {
  std::vector<LayoutCandidate> out;
  const bool image = from.phases == 1 && from.height * from.width > 1;
  if (image && map.shape.size() == 3 && map.shape[1] * map.shape[2] > 1) {
    add_packings(map, from, grid, 1, out);
    if (pool > 1) add_packings(map, from, grid, pool, out);
  }
  if (out.empty()) add_vectors(map, from, grid, out);
  return out;
}

std::optional<WindowSum> window_sum(const LinearMap& map) {
  const SparseMatrix& m = map.matrix;
  if (map.shape.size() != 3 || m.rows == 0) return std::nullopt;
  WindowSum out;
  const std::uint64_t count = m.start[1];
  out.window = static_cast<std::uint32_t>(std::lround(std::sqrt(static_cast<double>(count))));
  if (out.window < 2 || std::uint64_t{out.window} * out.window != count) return std::nullopt;
  for (std::uint32_t r = 0; r < m.rows; ++r) {
    const double first = m.value[m.start[r]];
    if (m.start[r + 1] - m.start[r] != count || first == 0) return std::nullopt;
    for (std::uint64_t k = m.start[r]; k < m.start[r + 1]; ++k) {
      if (std::abs(m.value[k] - first) > 1e-12 * std::abs(first)) return std::nullopt;
    }
    out.factor.push_back(first);
  }
  return out;
}

std::optional<SumSteps> sum_steps(const LinearMap& map, std::uint32_t window, const Layout& from) {
  if (from.elements() != map.matrix.cols || from.height * from.width == 1) return std::nullopt;
  if (from.channels != size(map.shape[0])) return std::nullopt;  // moved elements lie between
  std::optional<SumSteps> steps;
  if (from.phases == 1) {
    steps = sum_neighbours(map, window, from);
  } else if (from.phases == window) {
    steps = sum_phases(map, from);
  }
  if (steps && !adds_up(map, from, *steps)) steps.reset();
  return steps;
}

}  // namespace obscura::compile
