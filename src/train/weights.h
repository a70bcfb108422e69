// SPDX-License-Identifier: Apache-2.0
/// First weights that are not drawn at random (arrow: train/ on its own).
#pragma once

#include "train/images.h"
#include "train/network.h"

namespace obscura::train {

/// Sets the weights of the convolutions whose recipe says so; the others keep what they were drawn as.
///
/// patches, of the first layer: with the covariance E[p p^T] = V diag(l) V^T of patches p {C k k} of the first 1,000
/// normalised training images, filter i is v_i / sqrt(l_i + kPatchFloor), the largest l first, so that its outputs
/// have about variance 1 and do not correlate. Filters beyond C k k are the negatives, for activations that are not
/// even; those beyond 2 C k k stay drawn. (The whitening layer of Page 2018 and of Jordan 2024, arXiv 2404.00498.)
///
/// identity: filter i hands on input channel i at its middle, for all i that both sides have; filters beyond the
/// input's channels stay drawn (Zagoruyko and Komodakis 2017, DiracNets; Jordan 2024).
void set_first_weights(Network network, const Images& training, const Normalisation& normalise);

/// The whitening filters alone: images {n, C, H, W} -> {min(channels, 2 C k k), C, k, k}.
torch::Tensor whitening_filters(const torch::Tensor& images, std::int64_t kernel, std::int64_t channels);

}  // namespace obscura::train
