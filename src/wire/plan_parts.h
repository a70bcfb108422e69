// SPDX-License-Identifier: Apache-2.0
/// The parts that plans are made of, as bytes: for wire/plan_frame.cpp. Arrow: wire -> plan.
#pragma once

#include <cstring>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "plan/plan.h"

namespace obscura::wire {

// Bounds of what a file may claim; each is far above what the compiler makes.
inline constexpr std::size_t kMaxText = 4096;
inline constexpr std::size_t kMaxElements = std::size_t{1} << 20;

/// A u32 count, then numbers as the machine holds them, which base/bytes.cpp holds to little-endian.
template <class T>
void write_array(base::Writer& w, const std::vector<T>& v) {
  w.u32(static_cast<std::uint32_t>(v.size()));
  w.raw(std::as_bytes(std::span(v)));
}

template <class T>
std::vector<T> read_array(base::Reader& r, std::size_t limit) {
  const std::size_t n = r.count(limit, sizeof(T));
  const base::ByteView bytes = r.raw(n * sizeof(T));
  std::vector<T> v(bytes.size() / sizeof(T));
  if (!v.empty()) std::memcpy(v.data(), bytes.data(), bytes.size());
  return v;
}

void write_layout(base::Writer& w, const plan::Layout& x);
plan::Layout read_layout(base::Reader& r);

void write_bootstrap(base::Writer& w, const plan::BootstrapSpec& x);
/// Fields as they are: ckks::BootstrapParams::make judges them.
plan::BootstrapSpec read_bootstrap(base::Reader& r);

void write_step(base::Writer& w, const plan::Step& step);
/// errors  bad_format: an operation that is not known, naming `place`. Sizes that do not fit show in the reader.
Result<plan::Step> read_step(base::Reader& r, const std::string& place);

}  // namespace obscura::wire
