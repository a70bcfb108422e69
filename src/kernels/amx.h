// SPDX-License-Identifier: Apache-2.0
/// Sums of products of digits by AMX, behind plain functions: only amx.cpp is compiled for it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace obscura::kernels {

/// Whether the CPU has AMX with bytes and Linux lets this process use it; asks once.
bool amx_available();

/// Four tiles of sums for each of (digits + weight_digits - 1) powers of 256, [power][tile][16 rows][16 coefficients]:
/// of two tiles of rows by two groups of 16 coefficients, or of one tile of rows by four groups.
struct TileSums {
  const std::int8_t* weights = nullptr;  ///< of the first tile of rows: [digit][tile of columns][16][64]
  std::size_t next_rows = 0;             ///< bytes to the second tile of rows
  std::size_t rows = 0;                  ///< 1 to 16: one tile of rows; to 32: two
  int weight_digits = 0;
  const std::uint32_t* first_quads = nullptr;
  std::size_t column_tiles = 0;
  const std::int8_t* x = nullptr;  ///< of the first group of coefficients: [digit][quad][64]
  std::size_t next_group = 0;      ///< bytes to the next group
  std::size_t next_digit = 0;      ///< bytes to the next digit
  int digits = 0;
};
inline constexpr std::size_t kTileSums = 256;  ///< sums of a tile
/// From a power's sums to the next power's: a cache line more than there are, so that they do not lie 4096 bytes apart,
/// where the loads of all powers meet in one set of the cache and with every store to a page's same place.
inline constexpr std::size_t kNextPower = 4 * kTileSums + 16;

/// Sets the tiles of this thread for so many rows; ~TileUse gives them back.
class TileUse {
 public:
  TileUse() = default;
  ~TileUse();
  TileUse(const TileUse&) = delete;
  TileUse& operator=(const TileUse&) = delete;
  /// Rows that stand in no tile (of `rows` <= 16, or of the second tile of rows) keep what `sums` had.
  void run(const TileSums& job, std::int32_t* sums);

 private:
  std::size_t rows_ = 0;  ///< that the tiles are set for; 0 = not set
};

}  // namespace obscura::kernels
