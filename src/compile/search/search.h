// SPDX-License-Identifier: Apache-2.0
/// The cheapest choice for a batch of images in one of the layouts.
#pragma once

#include "compile/search/candidate.h"
#include "compile/search/choices.h"

namespace obscura::compile {

/// Frames one after the other, as frames_of has them; of each the choices from the least predicted time on, until one
/// is precise enough (setting.max_error) and what is left takes longer. Of those within 1 % of its time the most
/// precise wins.
///
/// Image layout: from the most images that share ciphertexts down, as long as fewer take less, since the time of an
/// image falls with their number until what is kept of diagonals runs out. Networks of few levels are compiled without
/// bootstrapping, deep ones with it, and the other way where that is infeasible; of ring degrees the two least that do.
/// Batch layout: all ring degrees side by side, beside the best the next that differs from it in more than primes.
/// Nothing where no choice within request.most_nanoseconds is precise enough and others may be.
/// errors: infeasible: what is least of memory or keys where that is too much, or the least error that was found;
///         as lower and predict_memory
Result<std::optional<Selection>> search(const Setting& setting, const Request& request);

}  // namespace obscura::compile
