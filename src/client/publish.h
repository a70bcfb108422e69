// SPDX-License-Identifier: Apache-2.0
/// Answers that may be shown to others: exact decryptions carry the noise of the ciphertext, and with it traces of the
/// key; flooding noise drowns them (docs/SECURITY.md, IND-CPA-D).
#pragma once

#include "client/client.h"

namespace obscura::client {

inline constexpr int kDefaultPublishBits = 30;
inline constexpr int kMaxPublishBits = 128;

/// The encryption noise that publishing counts with: the predicted one, in the image of the calibration that makes it
/// largest, times the factor 2 that the model is tested to.
double worst_noise(const plan::OutputSpec& output);

/// noise_std sqrt(12 count) 2^(bits / 2): the deviation of Gaussian noise over `count` published numbers, each with
/// encryption noise of deviation noise_std, that leaves `bits` bits of IND-CPA-D security (Li, Micciancio, Schultz,
/// Sorrell: CRYPTO 2022). The encryption noise enters by its length over all numbers, hence by its mean square.
double flooding_deviation(double noise_std, std::size_t count, int bits);

struct Published {
  Logits logits;         ///< multiples of `step`
  double deviation = 0;  ///< of the noise added
  double step = 0;       ///< the power of two next below deviation / 4
  double spent = 0;      ///< 12 k s^2 / deviation^2: for the ledger
};

/// What was published under a key before (client/ledger.h).
struct Earlier {
  double spent = 0;
  std::size_t publications = 0;
};

/// Adds Gaussian noise from a fresh seed to every logit and rounds. kind: of the offer's answer; noise_std: see
/// worst_noise. Publication i takes 1 / (i (i + 1)) of 2^-bits, and no more than half of what is left of it, so that
/// all of them together leave the bits, however many there will be: the first has the noise of bits + 1.
/// errors  wrong_params: bits that are not 1 .. kMaxPublishBits;
///         infeasible: nothing is left of these bits, or the noise would exceed the spread of the logits, naming both
Result<Published> publish(const Logits& exact, plan::AnswerKind kind, double noise_std, int bits,
                          const Earlier& earlier = {});

}  // namespace obscura::client
