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
  OBSCURA_CHECK(again.ok(), "written, but not read: {}", again.error().message);
  const auto shape = [](const nn::Graph& g, nn::ValueId id) { return g.values[id].shape; };
  OBSCURA_CHECK(shape(*again, again->input) == shape(*graph, graph->input) &&
                    shape(*again, again->output) == shape(*graph, graph->output) && again->ending == graph->ending,
                "written, and read as another network");
  return 0;
}
