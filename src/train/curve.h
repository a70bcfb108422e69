// SPDX-License-Identifier: Apache-2.0
/// The course of a training as a picture.
#pragma once

#include "base/bytes.h"
#include "train/train.h"

namespace obscura::train {

/// PNG: accuracy, and loss, of training and validation over epochs; the chosen epoch is marked.
base::Bytes draw_curve(const std::string& title, const Outcome& outcome);

}  // namespace obscura::train
