// SPDX-License-Identifier: Apache-2.0
#include "secret/eval_keys.h"

#include <utility>

#include "secret/bootstrap_keys.h"

namespace obscura::secret {

Result<void> make_eval_keys(const ckks::Context& context, const SecretKey& secret, const ckks::KeyNeeds& needs,
                            const KeySink& sink) {
  using Sort = ckks::NeededKey::Sort;
  ckks::BootstrapKeys own;
  std::size_t back = 0;
  for (const ckks::NeededKey& place : ckks::list(context, needs)) {
    ckks::SwitchKey key;
    switch (place.sort) {
      case Sort::relinearization:
        key = make_relinearization_key(context, secret);
        break;
      case Sort::galois:
        key = make_galois_key(context, secret, place.element, place.limbs);
        break;
      case Sort::to_sparse:
        own = make_bootstrap_keys(*needs.bootstrapper, secret);
        key = std::move(own.to_sparse);
        break;
      case Sort::to_dense:
        key = std::move(own.to_dense.at(back++));
        break;
    }
    OBSCURA_TRY_VOID(sink(place, std::move(key)));
  }
  return {};
}

ckks::EvalKeys make_eval_keys(const ckks::Context& context, const SecretKey& secret, const ckks::KeyNeeds& needs) {
  ckks::EvalKeys keys;
  const auto kept = make_eval_keys(context, secret, needs, [&](const ckks::NeededKey& place, ckks::SwitchKey key) {
    ckks::put(keys, place, std::move(key));
    return Result<void>();
  });
  OBSCURA_CHECK(kept.ok(), "{}", kept.error().message);
  return keys;
}

}  // namespace obscura::secret
