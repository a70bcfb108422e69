// SPDX-License-Identifier: Apache-2.0
#include "secret/eval_keys.h"

#include <utility>

#include "secret/bootstrap_keys.h"

namespace obscura::secret {

EvalKeyMaker::EvalKeyMaker(const ckks::Context& context, const SecretKey& secret, const ckks::KeyNeeds& needs)
    : context_(context), secret_(secret), needs_(needs), places_(ckks::list(context, needs)) {}

const ckks::NeededKey& EvalKeyMaker::place() const {
  OBSCURA_CHECK(made_ < places_.size(), "all {} keys are made", places_.size());
  return places_[made_];
}

ckks::SwitchKey EvalKeyMaker::next() {
  using Sort = ckks::NeededKey::Sort;
  const ckks::NeededKey& of = place();
  ++made_;
  switch (of.sort) {
    case Sort::relinearization:
      return make_relinearization_key(context_, secret_);
    case Sort::galois:
      return make_galois_key(context_, secret_, of.element, of.limbs);
    case Sort::to_sparse:
      own_ = make_bootstrap_keys(*needs_.bootstrapper, secret_);
      return std::move(own_.to_sparse);
    case Sort::to_dense:
      break;
  }
  return std::move(own_.to_dense.at(back_++));
}

ckks::EvalKeys make_eval_keys(const ckks::Context& context, const SecretKey& secret, const ckks::KeyNeeds& needs) {
  EvalKeyMaker maker(context, secret, needs);
  ckks::EvalKeys keys;
  while (maker.made() < maker.keys()) {
    const ckks::NeededKey place = maker.place();
    ckks::put(keys, place, maker.next());
  }
  return keys;
}

}  // namespace obscura::secret
