// SPDX-License-Identifier: Apache-2.0
#include "ckks/key_needs.h"

#include <algorithm>
#include <utility>

namespace obscura::ckks {

using Sort = NeededKey::Sort;

void KeyNeeds::add_galois(std::uint64_t element, std::size_t limbs) {
  galois[element] = std::max(galois[element], limbs);
}

void KeyNeeds::add_bootstrap(std::shared_ptr<const Bootstrapper> its) {
  relinearization = true;
  for (const auto& [element, limbs] : its->galois_limbs()) add_galois(element, limbs);
  bootstrapper = std::move(its);
}

std::vector<NeededKey> list(const Context& context, const KeyNeeds& needs) {
  std::vector<NeededKey> out;
  if (needs.relinearization) out.push_back({Sort::relinearization, 0, context.chain_limbs()});
  for (const auto& [element, limbs] : needs.galois) out.push_back({Sort::galois, element, limbs});
  if (needs.bootstrapper == nullptr) return out;
  out.push_back({Sort::to_sparse, 0, needs.bootstrapper->sparse_context().chain_limbs()});
  for (const std::uint64_t element : needs.bootstrapper->trace()) {
    out.push_back({Sort::to_dense, element, context.chain_limbs()});
  }
  return out;
}

const Context& context_of(const Context& context, const KeyNeeds& needs, const NeededKey& key) {
  if (key.sort == Sort::to_sparse) return needs.bootstrapper->sparse_context();
  return key.sort == Sort::to_dense ? needs.bootstrapper->raise_context() : context;
}

void put(EvalKeys& keys, const NeededKey& place, SwitchKey key) {
  switch (place.sort) {
    case Sort::relinearization:
      keys.relinearization.push_back(std::move(key));
      break;
    case Sort::galois:
      keys.galois.insert_or_assign(place.element, std::move(key));
      break;
    case Sort::to_sparse:
      keys.bootstrap.emplace();
      keys.bootstrap->to_sparse = std::move(key);
      break;
    case Sort::to_dense:
      OBSCURA_CHECK(keys.bootstrap.has_value(), "the key back comes after the key into the sparse secret");
      keys.bootstrap->to_dense.push_back(std::move(key));
      break;
  }
}

Result<void> check_keys(const Context& context, const KeyNeeds& needs, const EvalKeys& keys) {
  for (const NeededKey& need : list(context, needs)) {
    bool there = false;
    if (need.sort == Sort::relinearization) {
      there = !keys.relinearization.empty();
    } else if (need.sort == Sort::galois) {
      const auto found = keys.galois.find(need.element);
      there = found != keys.galois.end() && found->second.body.size() >= context.digits(need.limbs) &&
              found->second.body.front().limb(need.limbs - 1) != nullptr;
    } else {
      there = keys.bootstrap.has_value() && keys.bootstrap->to_dense.size() == needs.bootstrapper->trace().size();
    }
    if (!there) return error(Code::missing_key, "{} for {} limbs is absent", describe(context, need), need.limbs);
  }
  return {};
}

std::string describe(const Context& context, const NeededKey& key) {
  if (key.sort == Sort::relinearization) return "the relinearisation key";
  if (key.sort == Sort::to_sparse) return "bootstrapping's key into its sparse secret";
  if (key.sort == Sort::to_dense) {
    return fmt::format("bootstrapping's key out of its sparse secret (X -> X^{})", key.element);
  }
  if (key.element == conjugation_element(context.degree())) return "the key of conjugation";
  const auto slots = static_cast<std::int64_t>(context.params().slots());
  for (std::int64_t step = 1 - slots / 2; step <= slots / 2; ++step) {
    if (context.galois_element(step) == key.element) return fmt::format("the key of rotations by {}", step);
  }
  return fmt::format("the key of X -> X^{}", key.element);
}

std::size_t key_bytes(const ParamsLiteral& params, std::size_t limbs) {
  const auto alpha = static_cast<std::size_t>(params.digit_limbs);
  const std::size_t digits = (limbs + alpha - 1) / alpha;
  return (2 * digits * (limbs + params.special.size()) << params.log2_degree) * sizeof(double);
}

std::size_t key_bytes(const Context& context, const KeyNeeds& needs) {
  std::size_t bytes = 0;
  for (const NeededKey& key : list(context, needs)) {
    bytes += key_bytes(context_of(context, needs, key).params().literal(), key.limbs);
  }
  return bytes;
}

}  // namespace obscura::ckks
