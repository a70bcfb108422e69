// SPDX-License-Identifier: Apache-2.0
/// A Binding as bytes, and how large keys and records may be.
#pragma once

#include "wire/frames.h"

namespace obscura::wire {

inline constexpr std::size_t kBindingBytes = sizeof(Digest) + sizeof(KeyId);

void write_binding(base::Writer& writer, const Binding& binding);
Binding read_binding(base::Reader& reader);

}  // namespace obscura::wire
