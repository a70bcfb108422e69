// SPDX-License-Identifier: Apache-2.0
/// Plans and offers as frames.
#pragma once

#include "plan/plan.h"
#include "wire/frames.h"

namespace obscura::wire {

/// A plan that passed plan::verify, and the digest that names it.
struct NamedPlan {
  plan::Plan plan;
  Digest digest{};
};

/// The whole frame of a plan; frame_digest() of it names the plan.
base::Bytes write_plan(const plan::Plan& plan);

/// errors  bad_format, wrong_params, unsupported: the frame's, a count or size over its bound, or what plan::verify
/// says.
Result<NamedPlan> read_plan(base::ByteView frame, const std::string& name);
Result<NamedPlan> read_plan_file(const std::filesystem::path& path);

/// The offer of a plan: what its client may see.
plan::Offer make_offer(const NamedPlan& plan);
base::Bytes write_offer(const plan::Offer& offer);

/// Parameters have passed ckks::Params::make; sizes, scales and normalisation are usable. The file may be signed:
/// Offer::signer then says by whom.
Result<plan::Offer> read_offer(base::ByteView frame, const std::string& name);
/// A file that is open, or memory, with its signature where it has one.
Result<plan::Offer> read_offer(base::InputFile& file);
Result<plan::Offer> read_offer_file(const std::filesystem::path& path);

}  // namespace obscura::wire
