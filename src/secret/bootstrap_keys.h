// SPDX-License-Identifier: Apache-2.0
/// The keys of bootstrapping.
#pragma once

#include "ckks/bootstrap.h"
#include "secret/keys.h"

namespace obscura::secret {

/// Into a fresh sparse secret, which is forgotten, and back, from each of its images under Bootstrapper::trace. The key
/// into it is over q_0 and one special prime only: over more, a secret of this weight would not be 128-bit secure.
ckks::BootstrapKeys make_bootstrap_keys(const ckks::Bootstrapper& bootstrapper, const SecretKey& secret);

}  // namespace obscura::secret
