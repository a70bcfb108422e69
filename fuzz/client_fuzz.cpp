// SPDX-License-Identifier: Apache-2.0
// Any bytes are a client's secret or a signature, or one sentence. The first byte chooses: a secret's payload, whose
// digest is then made right; a secret's whole file; a signature's payload; a file that ends in a signature.
#include <cstddef>
#include <cstdint>

#include "client/secret_file.h"
#include "wire/signature.h"

namespace {

using namespace obscura;

/// No passphrase is given: what opens a sealed secret is libsodium's, and takes its time and memory by design.
void read_secret(base::ByteView frame) {
  const auto file = client::read_secret(frame, "input");
  if (!file.ok()) {
    OBSCURA_CHECK(!file.error().message.empty(), "an error without a sentence");
    return;
  }
  const auto again = client::write_secret(*file, nullptr, {});
  OBSCURA_CHECK(again.ok() && client::read_secret(*again, "written").ok(), "a secret was written, but not read");
}

/// Nobody forges a signature of this digest.
void read_signature(base::ByteView frame) {
  base::InputFile file = base::InputFile::of_memory(frame, "input");
  const auto signer = wire::read_signature(file, wire::Kind::offer, wire::Digest{});
  OBSCURA_CHECK(!signer.ok() && !signer.error().message.empty(), "a signature that nobody made, or no sentence");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const base::ByteView rest(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      read_secret(wire::make_frame(wire::Kind::secret_key, rest));
      break;
    case 1:
      read_secret(rest);
      break;
    case 2:
      read_signature(wire::make_frame(wire::Kind::signature, rest));
      break;
    default:
      read_signature(rest);
      break;
  }
  return 0;
}
