// SPDX-License-Identifier: Apache-2.0
/// Networks that need more levels than a secure modulus holds, in the image layout: with bootstrapping.
#pragma once

#include "compile/search/candidate.h"

namespace obscura::compile {

/// One set of parameters, whatever error it leads to, with the candidate's bootstrapper on these resources.
/// errors  infeasible: as place_bootstraps, or a value that does not fit its modulus; as lower
Result<Candidate> with_bootstrapping(const Setting& setting, const ckks::BootstrapParams& set, std::uint32_t images,
                                     const std::shared_ptr<ckks::Resources>& resources = ckks::Resources::make());

/// The cheapest of the sets of ckks::BootstrapParams::demonstrated() that reaches setting.max_error within the
/// setting's memory and size of keys.
/// errors  as with_bootstrapping; infeasible: the error of the last set. `shortfall` says what was precise enough and
/// too
///         large.
Result<Selection> search_bootstrapped(const Setting& setting, std::uint32_t images, Shortfall& shortfall);

}  // namespace obscura::compile
