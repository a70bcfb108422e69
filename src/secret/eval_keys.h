// SPDX-License-Identifier: Apache-2.0
/// All evaluation keys that somebody needs. Arrow: client -> secret.
#pragma once

#include <functional>

#include "ckks/key_needs.h"
#include "secret/keys.h"

namespace obscura::secret {

/// Takes a key; an error of it ends the work.
using KeySink = std::function<Result<void>(const ckks::NeededKey& place, ckks::SwitchKey key)>;

/// Every key of ckks::list, in its order, one in memory at a time (of bootstrapping's own two both).
/// errors  the sink's
Result<void> make_eval_keys(const ckks::Context& context, const SecretKey& secret, const ckks::KeyNeeds& needs,
                            const KeySink& sink);

/// The same, kept.
ckks::EvalKeys make_eval_keys(const ckks::Context& context, const SecretKey& secret, const ckks::KeyNeeds& needs);

}  // namespace obscura::secret
