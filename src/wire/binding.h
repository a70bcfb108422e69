// SPDX-License-Identifier: Apache-2.0
/// Names as bytes: of a plan and key, of parameters and key.
#pragma once

#include "ckks/params.h"
#include "wire/frames.h"

namespace obscura::wire {

inline constexpr std::size_t kBindingBytes = sizeof(Digest) + sizeof(KeyId);

void write_binding(base::Writer& writer, const Binding& binding);
Binding read_binding(base::Reader& reader);
void write_key_name(base::Writer& writer, const KeyName& name);
KeyName read_key_name(base::Reader& reader);
void write_nonce(base::Writer& writer, const Nonce& nonce);
Nonce read_nonce(base::Reader& reader);

/// Ring, primes and digits: what a secret key and its evaluation keys are made for.
Digest name_of_params(const ckks::ParamsLiteral& params);

}  // namespace obscura::wire
