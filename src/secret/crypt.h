// SPDX-License-Identifier: Apache-2.0
/// Encryption with the secret key, and decryption; nothing else.
#pragma once

#include <span>
#include <vector>

#include "secret/keys.h"

namespace obscura::secret {

/// Encrypts up to all slots at `scale` over the first `limbs` limbs; the uniform part is a fresh public seed.
/// noise   ckks::noise_of_encryption
/// thread  concurrent calls are fine
ckks::SeededCiphertext encrypt(const ckks::Context& context, const SecretKey& secret, std::span<const double> slots,
                               double scale, std::size_t limbs);

/// The same with a public key: body v + e0 + m, uniform v + e1, v ternary. Not seeded: both parts are new.
/// noise   ckks::noise_of_public_encryption
ckks::Ciphertext encrypt_public(const ckks::Context& context, const ckks::PublicKey& key, std::span<const double> slots,
                                double scale, std::size_t limbs);

/// All slots of a ciphertext of two or three parts, for the key holder only: publishing them leaks
/// the noise (docs/SECURITY.md, IND-CPA-D).
std::vector<double> decrypt(const ckks::Context& context, const SecretKey& secret, const ckks::Ciphertext& x);

}  // namespace obscura::secret
