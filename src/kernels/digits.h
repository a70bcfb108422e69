// SPDX-License-Identifier: Apache-2.0
/// Integer matrix products by digits: a residue is 3 to 7 signed digits to base 256, a weight 1 or 2, and units that
/// multiply tiles of bytes (AMX) sum the products of digits in 32 bits:
///   sum_c w_c x_c = sum_k 256^k s_k,  s_k = sum over i + j = k of sum_c (digit i of w_c) (digit j of x_c)
/// Digits are in [-128, 127], so |s_k| <= 2 kMaxDigitColumns 2^14 <= 2^30 is exact. The same equation, ranges and
/// reduced results as Kernels::matrix_product, whose portable instance is the twin.
///
/// Packed inputs: four inputs side by side are a quad. For each group of 16 coefficients, each digit and each quad
/// there are 64 bytes, [16 coefficients][4 inputs]: what a row of a tile reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace obscura::kernels {

struct Modulus;
struct Octet;

/// Inputs that are packed side by side.
inline constexpr std::size_t kQuad = 4;
/// Quads, rows and coefficients of a tile.
inline constexpr std::size_t kDigitTile = 16;
/// A row of a tile.
inline constexpr std::size_t kTileBytes = 64;
/// More would leave 32 bits.
inline constexpr std::size_t kMaxDigitColumns = 1 << 15;
inline constexpr int kMaxResidueDigits = 7;
inline constexpr int kMaxWeightDigits = 2;

/// Digits that hold every |x| <= 0.6 p: 256^digits >= 2^(bits + 1).
int residue_digits(const Modulus& m);
/// Digits that hold all of the weights; nothing if these are more than kMaxWeightDigits.
std::optional<int> weight_digits(const double* weights, std::size_t count);

/// Quads that are packed for so many inputs: no fewer than a tile has.
std::size_t packed_quads(std::size_t inputs);
/// Bytes of a packed tile of kMatrixTile coefficients.
std::size_t packed_bytes(std::size_t quads, const Modulus& m);

/// A matrix in tiles of 16 rows and 16 quads: for each tile of rows, each digit and each tile of columns
/// [16 rows][64 columns], zero where the matrix has nothing.
struct DigitMatrix {
  std::size_t rows = 0;
  int digits = 0;
  std::vector<std::uint32_t> first_quads;  ///< by tile of columns: the packed quad that it begins with
  std::vector<Octet> tiles;
};
/// Column c of the row-major matrix meets packed input places[c]; no place twice, all below kQuad * quads.
/// needs   cols <= kMaxDigitColumns, weights of at most kMaxWeightDigits
DigitMatrix make_digit_matrix(const double* weights, std::size_t rows, std::size_t cols, const std::uint32_t* places,
                              std::size_t quads);

/// One product: see Kernels::digit_product.
struct DigitProduct {
  const DigitMatrix* matrix = nullptr;
  const std::int8_t* x = nullptr;  ///< packed
  std::size_t quads = 0;           ///< that are packed
  double* const* y = nullptr;      ///< rows pointers to kMatrixTile residues
  const double* bias = nullptr;    ///< rows reduced residues; null = none
};

}  // namespace obscura::kernels
