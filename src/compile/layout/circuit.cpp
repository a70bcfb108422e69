// SPDX-License-Identifier: Apache-2.0
#include "compile/layout/circuit.h"

#include <algorithm>
#include <limits>
#include <set>

namespace obscura::compile {

namespace {
using Kind = Operation::Kind;
}  // namespace

std::vector<plan::ValueId> Operation::inputs() const {
  std::set<plan::ValueId> ids{input};
  if (kind == Kind::product || (kind == Kind::combine && coefficient)) ids.insert(other);
  for (const Addend& addend : addends) ids.insert(addend.value);
  return {ids.begin(), ids.end()};
}

std::string_view name_of(Operation::Kind kind) {
  constexpr std::array<std::string_view, 11> kNames = {"linear",      "transform",  "add",      "fold",
                                                       "square",      "product",    "combine",  "sum",
                                                       "relinearize", "polynomial", "bootstrap"};
  return kNames.at(static_cast<std::size_t>(kind));
}

std::vector<std::uint32_t> Circuit::limbs(std::uint32_t input_limbs) const {
  std::vector<std::uint32_t> out{input_limbs};
  for (const Operation& operation : operations) {
    std::uint32_t least = std::numeric_limits<std::uint32_t>::max();
    for (const plan::ValueId id : operation.inputs()) least = std::min(least, out[id]);
    out.push_back(operation.kind == Kind::bootstrap ? operation.raised : least - operation.drops);
  }
  return out;
}

std::vector<std::uint32_t> Circuit::parts() const {
  std::vector<std::uint32_t> out{2};
  for (const Operation& operation : operations) {
    const bool multiplies = operation.kind == Kind::square || operation.kind == Kind::product;
    out.push_back(multiplies ? 3 : operation.kind == Kind::relinearize ? 2 : out[operation.input]);
  }
  return out;
}

std::uint32_t Circuit::drops() const {
  constexpr std::uint32_t kMany = 1U << 20U;
  return kMany - limbs(kMany).back();
}

Result<void> verify(const Circuit& circuit) {
  const std::vector<std::uint32_t> parts = circuit.parts();
  const auto ciphertexts = [&](plan::ValueId id) {
    return id == 0 ? circuit.input.ciphertexts() : circuit.operations[id - 1].ciphertexts;
  };
  for (std::size_t k = 0; k < circuit.operations.size(); ++k) {
    const Operation& operation = circuit.operations[k];
    const auto broken = [&](std::string_view what) {
      return error(Code::bad_format, "operation {} ({}, {}): {}", k + 1, name_of(operation.kind), operation.origin,
                   what);
    };
    if (!operation.layout || operation.layout->ciphertexts() != operation.ciphertexts) {
      return broken("its layout is of another number of ciphertexts");
    }
    const bool elementwise =
        operation.kind != Kind::linear && operation.kind != Kind::transform && operation.kind != Kind::add;
    for (const plan::ValueId id : operation.inputs()) {
      if (id > k) return broken("it reads a value that is not there yet");
      if (elementwise && ciphertexts(id) != operation.ciphertexts) return broken("its operands differ in ciphertexts");
    }
    const bool linear = operation.kind == Kind::linear || operation.kind == Kind::add ||
                        operation.kind == Kind::combine || operation.kind == Kind::sum;
    const std::uint32_t expected = operation.kind == Kind::relinearize ? 3 : 2;
    if (!linear && parts[operation.input] != expected)
      return broken(fmt::format("it reads {} parts", parts[operation.input]));
  }
  return {};
}

namespace {

std::string describe(const plan::Layout& layout) {
  std::string out = fmt::format("{}x{}x{}", layout.channels, layout.height, layout.width);
  if (layout.sharing.images > 1) out += fmt::format(" B={}", layout.sharing.images);
  if (!layout.sharing.interleaved()) out += fmt::format(" P={}", layout.sharing.stride);
  return out;
}

std::string describe(const Operation& operation) {
  std::vector<std::string> out;
  if (operation.drops > 0) out.push_back(fmt::format("drops {}", operation.drops));
  if (operation.laid_out) {
    out.push_back(fmt::format("{} diagonals", operation.diagonals ? operation.diagonals->places().size() : 0));
  }
  for (const auto& sum : operation.fold.sums) out.push_back(fmt::format("{} at {}", sum.count, sum.step));
  if (operation.kind == Kind::bootstrap) out.push_back(fmt::format("to {} limbs", operation.raised));
  if (operation.refreshable) out.emplace_back("refreshable");
  return fmt::format("{}", fmt::join(out, ", "));
}

}  // namespace

std::string to_text(const Circuit& circuit) {
  std::string out =
      fmt::format("circuit for N = 2^{}: {} operations\n", circuit.log2_degree, circuit.operations.size());
  out += fmt::format("{:>5}  {:12} {:14} {:>4} ct  {}\n", 0, "input", "", circuit.input.ciphertexts(),
                     describe(circuit.input));
  for (std::size_t k = 0; k < circuit.operations.size(); ++k) {
    const Operation& operation = circuit.operations[k];
    out += fmt::format("{:>5}  {:12} {:14} {:>4} ct  {:18} {:24} {}\n", k + 1, name_of(operation.kind),
                       fmt::format("{}", fmt::join(operation.inputs(), " ")), operation.ciphertexts,
                       describe(*operation.layout), describe(operation), operation.origin);
  }
  return out;
}

}  // namespace obscura::compile
