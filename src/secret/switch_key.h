// SPDX-License-Identifier: Apache-2.0
/// The making of key-switching keys, for secret/keys.cpp and secret/bootstrap_keys.cpp.
#pragma once

#include <span>

#include "ckks/context.h"
#include "ckks/values.h"

namespace obscura::secret {

/// Small integers, the same in every limb, to NTT form over the first `limbs` primes of the basis.
ring::NttPoly small_to_ntt(const ckks::Context& context, std::span<const double> small, std::size_t limbs);

/// body_d + uniform_d * to = P g_d from + e: switches polynomials under `from` to `to`. `from` is read at the chain
/// limbs only, `to` at all. For polynomials of at most `limbs` limbs: chain limbs and digits above are not made.
ckks::SwitchKey make_switch_key(const ckks::Context& context, const ring::NttPoly& from, const ring::NttPoly& to,
                                std::size_t limbs);

}  // namespace obscura::secret
