// SPDX-License-Identifier: Apache-2.0
/// Networks that need more levels than a secure modulus holds, in the image layout: with bootstrapping.
#pragma once

#include "compile/search/levelled.h"

namespace obscura::compile {

/// One set of parameters, whatever error it leads to.
/// errors  infeasible: as place_bootstraps, or a value that does not fit its modulus; as make_image_network
Result<ImageSelection> schedule_deep(const ImageSetting& setting, const ckks::BootstrapParams& set,
                                     std::uint32_t images);

/// The cheapest of the sets of ckks::BootstrapParams::demonstrated() that reaches setting.max_error within the
/// setting's memory and size of keys.
/// errors  as schedule_deep; infeasible: the error of the last set. `shortfall` says what was precise enough and too
///         large.
Result<ImageSelection> search_deep(const ImageSetting& setting, std::uint32_t images, Shortfall& shortfall);

}  // namespace obscura::compile
