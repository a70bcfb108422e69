// SPDX-License-Identifier: Apache-2.0
/// Reals of 60 digits (MPFR), with what formulas.h asks of a type.
#pragma once

#include <boost/multiprecision/mpfr.hpp>

#include "approx/formulas.h"

namespace obscura::approx {

/// 60 digits fixed at compile time: MPFR's default precision, a global, is never read or written.
using Big =
    boost::multiprecision::number<boost::multiprecision::mpfr_float_backend<60, boost::multiprecision::allocate_stack>,
                                  boost::multiprecision::et_off>;

template <>
struct Special<Big> {
  static Big erf(const Big& x) { return call(mpfr_erf, x); }
  static Big erfc(const Big& x) { return call(mpfr_erfc, x); }
  static Big expm1(const Big& x) { return call(mpfr_expm1, x); }
  static Big log1p(const Big& x) { return call(mpfr_log1p, x); }

 private:
  static Big call(int (*function)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t), const Big& x) {
    Big out;
    function(out.backend().data(), x.backend().data(), MPFR_RNDN);
    return out;
  }
};

}  // namespace obscura::approx
