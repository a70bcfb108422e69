// SPDX-License-Identifier: Apache-2.0
/// Answers that may be shown to others: exact decryptions carry the noise of the ciphertext, and with it traces of the
/// key; flooding noise drowns them (docs/SECURITY.md, IND-CPA-D).
#pragma once

#include "client/client.h"

namespace obscura::client {

inline constexpr int kDefaultPublishBits = 20;
inline constexpr int kMaxPublishBits = 128;

/// noise_std sqrt(12 count) 2^(bits / 2): the deviation of Gaussian noise over `count` published numbers, each with
/// encryption noise of deviation noise_std, that leaves `bits` bits of IND-CPA-D security (Li, Micciancio, Schultz,
/// Sorrell: CRYPTO 2022). The encryption noise enters by its length over all numbers, hence by its mean square.
double flooding_deviation(double noise_std, std::size_t count, int bits);

struct Published {
  Logits logits;         ///< multiples of `step`
  double deviation = 0;  ///< of the noise added
  double step = 0;       ///< the power of two next below deviation / 4
};

/// Adds Gaussian noise from a fresh seed to every logit and rounds. kind, noise_std: of the offer's output. The bits
/// hold for these numbers published once; what is published twice counts twice. errors  wrong_params: bits that are not
/// 1 .. kMaxPublishBits;
///         infeasible: the noise would exceed the spread of the logits, naming both
Result<Published> publish(const Logits& exact, plan::AnswerKind kind, double noise_std, int bits);

}  // namespace obscura::client
