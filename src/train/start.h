// SPDX-License-Identifier: Apache-2.0
/// A training that goes on from the weights of another network.
#pragma once

#include "train/network.h"

namespace obscura::train {

/// Weights, biases and batch norms of the network at `path` take the place of the network's own, layer by layer in the
/// order of the layers. Trained polynomials take their coefficients from a file that export_network wrote of the same
/// activations; else, as from a network with ReLU, they keep their own, which a blend brings in.
/// result  BLAKE2b of the file: what a checkpoint is bound to
/// errors  the file is absent or no network; other layers than the network's, or coefficients of another shape, named
Result<std::string> start_from(const std::filesystem::path& path, Network network);

}  // namespace obscura::train
