// SPDX-License-Identifier: Apache-2.0
#include "compile/cost/transform.h"

#include <algorithm>
#include <cmath>

namespace obscura::compile {
namespace {

double limb_bytes(int log2_degree) { return std::exp2(log2_degree) * sizeof(double); }

double coefficient_bytes(const ckks::TransformCost& work) {
  return static_cast<double>(work.plaintexts * 2 * work.fft_values) * sizeof(double);
}

double residue_bytes(int log2_degree, const ckks::TransformCost& work) {
  return static_cast<double>(work.encoded_limbs) * limb_bytes(log2_degree);
}

}  // namespace

std::vector<Kept> kept_diagonals(int log2_degree, std::span<const ckks::TransformCost> work, double bytes) {
  std::vector<Kept> out;
  double left = bytes;
  for (const ckks::TransformCost& one : work) {
    const double all = coefficient_bytes(one), kept = std::min(all, left);
    out.push_back({all > 0 ? kept / all : 0, 0});
    left -= kept;
  }
  for (std::size_t k = 0; k < work.size(); ++k) {
    const double more = residue_bytes(log2_degree, work[k]) - out[k].coefficients * coefficient_bytes(work[k]);
    if (out[k].coefficients < 1) continue;
    const double kept = std::clamp(left, 0.0, std::max(more, 0.0));
    out[k].residues = more > 0 ? kept / more : 1;
    left -= kept;
  }
  return out;
}

double transform_nanoseconds(const CostModel& cost, int log2_degree, const ckks::TransformCost& work,
                             const ckks::SwitchSize& size, const Kept& kept) {
  const double n = std::exp2(log2_degree);
  const auto count = [](std::size_t x) { return static_cast<double>(x); };
  const std::size_t rows = size.limbs + size.special;
  const double from_keys = count((work.baby_switches + work.giant_switches) * 2 * size.digits * rows);
  const double with_diagonals = count(2 * work.plaintexts * rows), encoded = count(work.encoded_limbs);
  // What is not kept is brought modulo each prime, and its values into the order of rows where diagonals repeat.
  const double reduced = (1 - kept.residues) * encoded;
  const double reduce_ns = 2 * count(work.fft_values) < n ? cost.permute_ns : cost.product_ns;
  const double read_ns = sizeof(double) / cost.stream_bytes_per_ns;
  const double elementwise =
      from_keys * cost.key_ns + with_diagonals * cost.diagonal_ns +
      cost.near(log2_degree) * ((count(work.products) - from_keys - with_diagonals) * cost.product_ns +
                                count(work.conversions) * cost.conversion_ns) +
      count(work.permutations) * cost.permute_ns + reduced * reduce_ns + (encoded - reduced) * read_ns;
  // Each with a bias that is encoded.
  const double outputs = count(work.divisions - work.giant_switches - work.between) / 2;
  const double ntts = count(work.ntts) + (1 - kept.residues) * count(work.encode_ntts) + outputs * count(size.limbs);
  const auto fft = [&](double slots) { return slots * std::log2(slots) * cost.fft_ns; };
  const double ffts =
      (1 - kept.coefficients) * count(work.plaintexts) * fft(count(work.fft_values)) + outputs * fft(n / 2);
  return ntts * cost.ntt(log2_degree, kNominalBits) + (elementwise * n + ffts) / cost.threads;
}

double bootstrap_nanoseconds(const CostModel& cost, const ckks::Bootstrapper& bootstrapper) {
  const ckks::Params& params = bootstrapper.params().params();
  const ckks::BootstrapLiteral& set = bootstrapper.params().literal();
  const ckks::BootstrapLimbs& limbs = bootstrapper.params().limbs();
  const int degree = set.log2_degree;
  const auto alpha = static_cast<std::uint32_t>(params.literal().digit_limbs);
  const auto raised = static_cast<std::uint32_t>(limbs.raised), middle = static_cast<std::uint32_t>(limbs.eval_mod);
  const int bits = set.coeff_to_slot_bits;
  double sum = 0;
  for (const auto* factors : {&bootstrapper.slot_to_coeff_factors(), &bootstrapper.coeff_to_slot_factors()}) {
    for (const ckks::Transform& factor : *factors) {
      const ckks::TransformPlace& place = factor.place();
      const ckks::SwitchSize size = ckks::SwitchSize::at(params, place.limbs);
      const ckks::TransformCost work = factor.shape().cost(size, place.rescale, place.period);
      const double kept = std::min(1.0, static_cast<double>(place.memory) / residue_bytes(degree, work));
      sum += transform_nanoseconds(cost, degree, work, size, {1, kept});
    }
  }
  // ModRaise: both parts to all limbs, one of them times a key for each automorphism, and a division.
  const double keys = static_cast<double>(bootstrapper.params().gap());
  const double special = static_cast<double>(bootstrapper.raise_context().special_limbs()), rows = raised + special;
  const double ntts = 2 * rows + 2 * raised;
  const double elementwise = keys * 2 * rows * cost.key_ns + (keys - 1) * rows * cost.permute_ns +
                             4 * raised * cost.product_ns + 2 * raised * (special + 1) * cost.conversion_ns;
  sum += ntts * cost.ntt(degree, bits) + elementwise * std::exp2(degree) / cost.threads;
  // The conjugation.
  sum += cost.rotate(degree, bits, middle, alpha);
  return sum + cost.polynomial(degree, set.wide_bits, bootstrapper.eval_mod_plan().cost(), alpha);
}

}  // namespace obscura::compile
