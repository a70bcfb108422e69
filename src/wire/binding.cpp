// SPDX-License-Identifier: Apache-2.0
#include "wire/binding.h"

#include <cstring>

namespace obscura::wire {

void write_binding(base::Writer& writer, const Binding& binding) {
  writer.raw(std::as_bytes(std::span(binding.plan)));
  writer.raw(std::as_bytes(std::span(binding.key)));
}

Binding read_binding(base::Reader& reader) {
  Binding binding;
  const base::ByteView plan = reader.raw(binding.plan.size());
  const base::ByteView key = reader.raw(binding.key.size());
  if (reader.ok()) {
    std::memcpy(binding.plan.data(), plan.data(), plan.size());
    std::memcpy(binding.key.data(), key.data(), key.size());
  }
  return binding;
}

}  // namespace obscura::wire
