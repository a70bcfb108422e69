// SPDX-License-Identifier: Apache-2.0
/// The headers of what a plan takes and gives.
#pragma once

#include "plan/plan.h"
#include "wire/ciphertexts.h"

namespace obscura::server {

/// Of a client's encrypted images, but for what they say of themselves: how many, and of which request.
wire::CiphertextHeader expected_input(const plan::Plan& plan, const wire::Binding& binding);
/// Of the answer to images with this header, but for their digest.
wire::CiphertextHeader output_header(const plan::Plan& plan, const wire::CiphertextHeader& input);

}  // namespace obscura::server
