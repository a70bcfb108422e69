// SPDX-License-Identifier: Apache-2.0
// Any bytes are a network or one sentence. A network that was read is written and read again: whatever the reader lets
// through must hold the invariants of nn::Graph that the writer checks.
#include <cstddef>
#include <cstdint>

#include "nn/onnx.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace obscura;
  const auto graph = nn::read_onnx(base::ByteView(reinterpret_cast<const std::byte*>(data), size), "input");
  if (!graph.ok()) {
    OBSCURA_CHECK(!graph.error().message.empty(), "an error without a sentence");
    return 0;
  }
  const auto again = nn::read_onnx(nn::write_onnx(*graph), "written");
  OBSCURA_CHECK(again.ok() && again->nodes.size() == graph->nodes.size(), "written, but not read: {}",
                again.ok() ? "nodes" : again.error().message);
  return 0;
}
