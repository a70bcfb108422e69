// SPDX-License-Identifier: Apache-2.0
#include "ring/sample.h"

#include <array>
#include <bit>
#include <cstring>

namespace obscura::ring {

void sample_uniform(const base::Seed& seed, std::uint64_t domain, std::uint64_t prime, std::span<double> limb) {
  base::Stream stream(seed, domain);
  const auto bits = static_cast<std::size_t>(std::bit_width(prime));
  const std::size_t bytes = (bits + 7) / 8;
  const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
  constexpr std::size_t kBatch = 512;
  std::array<std::uint8_t, kBatch * 8 + 8> buffer{};
  std::size_t done = 0;
  while (done < limb.size()) {
    stream.fill(std::span(buffer).first(kBatch * bytes));
    for (std::size_t k = 0; k < kBatch && done < limb.size(); ++k) {
      std::uint64_t x = 0;
      std::memcpy(&x, buffer.data() + k * bytes, sizeof x);
      x &= mask;
      if (x < prime) limb[done++] = to_reduced(x, prime);
    }
  }
}

void sample_ternary(base::Stream& stream, std::span<double> out) {
  for (double& x : out) {
    std::array<std::uint8_t, 1> byte{};
    do stream.fill(byte);
    while (byte[0] >= 255);  // 255 = 3 * 85
    x = static_cast<double>(byte[0] % 3) - 1.0;
  }
}

void sample_noise(base::Stream& stream, std::span<double> out) {
  constexpr std::uint64_t kCoins = (std::uint64_t{1} << 21) - 1;
  for (double& x : out) {
    const std::uint64_t word = stream.u64();
    x = static_cast<double>(std::popcount(word & kCoins) - std::popcount((word >> 21) & kCoins));
  }
}

}  // namespace obscura::ring
