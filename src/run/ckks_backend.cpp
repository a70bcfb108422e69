// SPDX-License-Identifier: Apache-2.0
#include "run/ckks_backend.h"

#include "ckks/evaluator.h"

namespace obscura::run {

Shape CkksBackend::shape(const Value& x) const {
  return {static_cast<std::uint32_t>(x.limbs()), static_cast<std::uint32_t>(x.parts.size()), x.scale};
}

CkksBackend::Value CkksBackend::multiply(const Value& a, const Value& b) const {
  return ckks::multiply(*context_, a, b);
}

CkksBackend::Value CkksBackend::relinearize(const Value& x, std::uint32_t rescale) const {
  return ckks::relinearize(*context_, *keys_, x, rescale);
}

CkksBackend::Value CkksBackend::rescale(const Value& x, std::uint32_t limbs) const {
  return ckks::rescale(*context_, x, limbs);
}

CkksBackend::Value CkksBackend::combine(std::span<const Term<Value>> terms, double constant) const {
  std::vector<ckks::CombineTerm> list;
  for (const auto& term : terms) list.push_back({term.x, term.coefficient});
  return ckks::combine(*context_, list, constant);
}

void CkksBackend::linear(const ckks::PreparedMap& map, std::span<const std::uint32_t> blocks, double weight_scale,
                         std::span<const double> bias, std::span<const Value> x, std::span<Value> y) const {
  ckks::apply(*context_, map, blocks, weight_scale, bias, x, y);
}

}  // namespace obscura::run
