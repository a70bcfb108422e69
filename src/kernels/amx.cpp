// SPDX-License-Identifier: Apache-2.0
/// Tiles 0 to 3 sum, 4 and 5 hold weights, 6 and 7 inputs. Four sums in turn: a product takes 16 cycles and its sum is
/// ready after 52, so that each waits for none of the three before.
#include "kernels/amx.h"

#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "kernels/digits.h"

#define OBSCURA_TILES __attribute__((target("amx-tile,amx-int8")))

namespace obscura::kernels {
namespace {

constexpr std::size_t kTileSize = kDigitTile * kTileBytes;
constexpr auto kRowStride = static_cast<long>(kTileBytes);

/// What LDTILECFG reads.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

TileConfig make_config(std::size_t rows) {
  const auto first = static_cast<std::uint8_t>(std::min(rows, kDigitTile));
  const auto second = static_cast<std::uint8_t>(rows > kDigitTile ? rows - kDigitTile : rows);
  TileConfig config;
  std::fill_n(config.row_bytes, 8, static_cast<std::uint16_t>(kTileBytes));
  const bool two = rows > kDigitTile;
  const std::uint8_t shape[8] = {first, first, second, second, first, two ? second : std::uint8_t{16}, 16, 16};
  std::copy_n(shape, 8, config.rows);
  return config;
}

/// One digit of the weights by one digit of the inputs, added to tiles 0 to 3: two tiles of rows, two groups.
OBSCURA_TILES void add_two_by_two(const TileSums& job, const std::int8_t* weights, const std::int8_t* x) {
  for (std::size_t t = 0; t < job.column_tiles; ++t, weights += kTileSize) {
    const std::int8_t* b = x + job.first_quads[t] * kTileBytes;
    _tile_loadd(4, weights, kRowStride);
    _tile_loadd(6, b, kRowStride);
    _tile_dpbssd(0, 4, 6);
    _tile_loadd(7, b + job.next_group, kRowStride);
    _tile_dpbssd(1, 4, 7);
    _tile_loadd(5, weights + job.next_rows, kRowStride);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
}

/// The same for one tile of rows and four groups.
OBSCURA_TILES void add_one_by_four(const TileSums& job, const std::int8_t* weights, const std::int8_t* x) {
  for (std::size_t t = 0; t < job.column_tiles; ++t, weights += kTileSize) {
    const std::int8_t* b = x + job.first_quads[t] * kTileBytes;
    _tile_loadd(4, weights, kRowStride);
    _tile_loadd(5, b, kRowStride);
    _tile_dpbssd(0, 4, 5);
    _tile_loadd(6, b + job.next_group, kRowStride);
    _tile_dpbssd(1, 4, 6);
    _tile_loadd(7, b + 2 * job.next_group, kRowStride);
    _tile_dpbssd(2, 4, 7);
    _tile_loadd(5, b + 3 * job.next_group, kRowStride);
    _tile_dpbssd(3, 4, 5);
  }
}

OBSCURA_TILES void load_config(const TileConfig& config) {
  // GCC's intrinsic tells of the first eight bytes only: the rest must be in memory before.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  _tile_loadconfig(&config);
}

OBSCURA_TILES void release_tiles() { _tile_release(); }

bool cpu_has_tiles() {
  constexpr unsigned kTiles = 1U << 24, kBytes = 1U << 25;
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kTiles) != 0 && (d & kBytes) != 0;
}

}  // namespace

bool amx_available() {
  // ARCH_REQ_XCOMP_PERM for XFEATURE_XTILEDATA: Linux reserves the state of tiles for processes that ask.
  static const bool kAvailable = cpu_has_tiles() && syscall(SYS_arch_prctl, 0x1023, 18) == 0;
  return kAvailable;
}

TileUse::~TileUse() {
  if (rows_ > 0) release_tiles();
}

OBSCURA_TILES void TileUse::run(const TileSums& job, std::int32_t* sums) {
  if (rows_ != job.rows) {
    rows_ = job.rows;
    load_config(make_config(job.rows));
  }
  const int powers = job.digits + job.weight_digits - 1;
  for (int power = 0; power < powers; ++power, sums += kNextPower) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int w = std::max(0, power - job.digits + 1); w <= std::min(power, job.weight_digits - 1); ++w) {
      const std::int8_t* weights = job.weights + static_cast<std::size_t>(w) * job.column_tiles * kTileSize;
      const std::int8_t* x = job.x + static_cast<std::size_t>(power - w) * job.next_digit;
      if (job.rows > kDigitTile) {
        add_two_by_two(job, weights, x);
      } else {
        add_one_by_four(job, weights, x);
      }
    }
    _tile_stored(0, sums, kRowStride);
    _tile_stored(1, sums + kTileSums, kRowStride);
    _tile_stored(2, sums + 2 * kTileSums, kRowStride);
    _tile_stored(3, sums + 3 * kTileSums, kRowStride);
  }
}

}  // namespace obscura::kernels
