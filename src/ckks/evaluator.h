// SPDX-License-Identifier: Apache-2.0
/// Arithmetic on ciphertexts, slot by slot. Functions are const in the context, take no keys but those named, and may
/// run concurrently.
#pragma once

#include <span>
#include <vector>

#include "ckks/context.h"
#include "ckks/integer_map.h"
#include "ckks/values.h"

namespace obscura::ckks {

/// result[j] = a[j] * b[j], with three parts.
/// limbs   the fewer of a and b             scale  a * b
/// needs   two parts in each
/// cost    4 limb products (3 where a and b are the same object)
Ciphertext multiply(const Context& context, const Ciphertext& a, const Ciphertext& b);

/// Three parts back to two, then divided by the last `rescale` primes, both in one division.
/// limbs   l -> l - rescale                 scale  in / (product of the primes dropped)
/// needs   three parts; limbs > rescale; the relinearisation key
/// cost    with beta digits, K special primes: l inverse + (beta (l + K) - l) forward NTTs, then 2 (K + rescale)
/// inverse and
///         2 (l - rescale) forward
/// noise   noise_of_switch + noise_of_rounding (ckks/noise.h)
/// see     Han, Ki: ePrint 2019/688, section 3
Ciphertext relinearize(const Context& context, const EvalKeys& keys, const Ciphertext& x, std::size_t rescale);

/// relinearize of each, with the key read once for all; the same needs and results.
std::vector<Ciphertext> relinearize_many(const Context& context, const EvalKeys& keys, std::span<const Ciphertext> x,
                                         std::size_t rescale);

/// Slots rotated left: result[j] = x[(j + step) mod n], n slots; rotate({1,2,3,4}, 1) = {2,3,4,1}, -1 gives
/// {4,1,2,3}. limbs, scale  unchanged needs   two parts; the Galois key of the step (step = 0 mod n needs none). A
/// missing key is an error: it is never
///         replaced by a chain of other rotations.
/// cost    one key switch, as relinearize without rescale; several steps of one x: rotate_many
/// noise   noise_of_switch + noise_of_rounding
Ciphertext rotate(const Context& context, const EvalKeys& keys, const Ciphertext& x, std::int64_t step);

/// rotate(x, step) for each step, with one decomposition.
/// cost    one decomposition, digits * (limbs + special) limbs of memory; then for each step an inner product and a
/// division see     Halevi, Shoup: ePrint 2018/244, section 5
std::vector<Ciphertext> rotate_many(const Context& context, const EvalKeys& keys, const Ciphertext& x,
                                    std::span<const std::int64_t> steps);

/// result[j] = conj(x[j]), in the standard ring. Needs the Galois key of conjugation_element; otherwise as rotate.
Ciphertext conjugate(const Context& context, const EvalKeys& keys, const Ciphertext& x);

/// result[j] = i x[j], exactly: times X^(N/2), which is i in every slot of the standard ring.
/// limbs, scale, parts  unchanged           cost    an NTT for each limb, and a product for each of its parts
Ciphertext multiply_by_i(const Context& context, const Ciphertext& x);

/// Divides by the last `count` primes and rounds.
/// limbs   l -> l - count                   scale  in / (product of the primes dropped)
/// cost    per part: count inverse and l - count forward NTTs
Ciphertext rescale(const Context& context, const Ciphertext& x, std::size_t count);

/// One term of combine: an integer (mod each q) times a ciphertext.
struct CombineTerm {
  const Ciphertext* x = nullptr;
  double factor = 1;  ///< in slot units
};

/// result[j] = sum_t factor_t * x_t[j] + constant. Scale and meaning of factors as plan::Combine: the result has the
/// scale of term 0, whose factor must be 1; factor t is encoded as the integer round(factor * scale_0 / scale_t).
/// limbs   the least of the terms'          parts  the most of the terms'
Ciphertext combine(const Context& context, std::span<const CombineTerm> terms, double constant);

/// result[j] = a[j] + b[j] at the scale of a: combine with factors of 1.
Ciphertext add(const Context& context, const Ciphertext& a, const Ciphertext& b);

/// An IntegerMap made ready for the kernel: weights as doubles, in the order it reads them.
class PreparedMap {
 public:
  /// errors  ContractError: a row above kMaxRowNorm, indices out of range.
  explicit PreparedMap(IntegerMap map);
  const IntegerMap& map() const { return map_; }
  const std::vector<double>& weights(std::size_t matrix) const { return weights_[matrix]; }
  /// Whether kernels::make_digit_matrix takes the matrix.
  bool in_digits(std::size_t matrix) const { return in_digits_[matrix]; }

 private:
  IntegerMap map_;
  std::vector<std::vector<double>> weights_;
  std::vector<bool> in_digits_;
};

/// How apply multiplies a block of this matrix with residues modulo `prime` on a context of these kernels: the products
/// of digits that stand for one of weight and residue (kernels/digits.h), or 0 where it multiplies doubles.
int digit_products(const kernels::Kernels& kernels, const IntegerMatrix& matrix, std::uint64_t prime);

/// y[o] = sum_i W(o, i) x[i] / weight_scale + bias[o]: an exact integer matrix product over the residues.
/// limbs, parts  unchanged                  scale  in * weight_scale
/// needs   equal limbs, parts and scales in all inputs; |bias| * scale out below 2^100
/// cost    map.multiplications() * N * limbs * parts multiply-adds; all cores
/// noise   none of its own; errors add with the weights
std::vector<Ciphertext> apply(const Context& context, const PreparedMap& map, double weight_scale,
                              std::span<const double> bias, std::span<const Ciphertext> x);

/// The outputs of some blocks of the map, into their places in y; x and y are whole, but only the inputs of these
/// blocks must be there.
void apply(const Context& context, const PreparedMap& map, std::span<const std::uint32_t> blocks, double weight_scale,
           std::span<const double> bias, std::span<const Ciphertext> x, std::span<Ciphertext> y);

/// Both parts of a seeded ciphertext; its body is moved, not copied.
Ciphertext expand(const Context& context, SeededCiphertext x);

}  // namespace obscura::ckks
