// SPDX-License-Identifier: Apache-2.0
/// All evaluation keys that somebody needs. Arrow: client -> secret.
#pragma once

#include <vector>

#include "ckks/key_needs.h"
#include "secret/keys.h"

namespace obscura::secret {

/// Makes every key of ckks::list, in its order, one whenever it is asked: of bootstrapping's own two both are in
/// memory. What it is made of must outlive it.
class EvalKeyMaker {
 public:
  EvalKeyMaker(const ckks::Context& context, const SecretKey& secret, const ckks::KeyNeeds& needs);
  std::size_t keys() const { return places_.size(); }
  std::size_t made() const { return made_; }
  /// The place of the next key; ContractError after the last.
  const ckks::NeededKey& place() const;
  /// That key, and the place moves on.
  ckks::SwitchKey next();

 private:
  const ckks::Context& context_;
  const SecretKey& secret_;
  const ckks::KeyNeeds& needs_;
  std::vector<ckks::NeededKey> places_;
  std::size_t made_ = 0;
  ckks::BootstrapKeys own_;
  std::size_t back_ = 0;  ///< of own_.to_dense, those that are given
};

/// All of them, kept.
ckks::EvalKeys make_eval_keys(const ckks::Context& context, const SecretKey& secret, const ckks::KeyNeeds& needs);

}  // namespace obscura::secret
