// SPDX-License-Identifier: Apache-2.0
/// libsodium's source of randomness where there is no operating system: the platform's crypto.getRandomValues, which
/// every browser has, in pages and workers alike, and Node.js. libsodium's own for WebAssembly asks it once for each
/// byte, and does not find it in modules of Node.js.
#include <emscripten.h>
#include <sodium/randombytes.h>

#include <algorithm>

#include "base/check.h"

namespace obscura::base {

namespace {

constexpr std::size_t kMostAtOnce = 65536;  // of getRandomValues

// clang-format off
EM_JS(int, random_values, (void* out, std::size_t size), {
  try {
    // Of its own memory: browsers refuse views of what threads could share.
    const bytes = new Uint8Array(size);
    globalThis.crypto.getRandomValues(bytes);
    HEAPU8.set(bytes, out);
    bytes.fill(0);
    return 1;
  } catch (error) {
    return 0;
  }
});
// clang-format on

}  // namespace

}  // namespace obscura::base

extern "C" {

void randombytes_buf(void* const out, const std::size_t size) {
  using namespace obscura::base;
  auto* to = static_cast<unsigned char*>(out);
  for (std::size_t left = size; left > 0;) {
    const std::size_t some = std::min(left, kMostAtOnce);
    OBSCURA_CHECK(random_values(to, some) == 1, "crypto.getRandomValues gives no randomness");
    to += some;
    left -= some;
  }
}

void randombytes_stir() {}

std::uint32_t randombytes_random() {
  std::uint32_t value = 0;
  randombytes_buf(&value, sizeof value);
  return value;
}

}  // extern "C"
