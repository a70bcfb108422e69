// SPDX-License-Identifier: Apache-2.0
// Any bytes are a plan's payload or one sentence. A plan that was accepted prints, is written and read again as the
// same bytes, and runs on the clear twin without a broken contract: what plan::verify promises.
#include <cstddef>
#include <cstdint>
#include <utility>

#include "plan/schedule.h"
#include "run/clear_backend.h"
#include "wire/plan_frame.h"

namespace {

using namespace obscura;

// Larger plans are well-formed too; running them is slow and finds nothing new.
constexpr std::uint64_t kMaxWork = 2'000'000;

void use(const wire::NamedPlan& named) {
  OBSCURA_CHECK(!plan::to_text(named.plan).empty(), "a plan without text");
  const base::Bytes frame = wire::write_plan(named.plan);
  const auto again = wire::read_plan(frame, "written");
  OBSCURA_CHECK(again.ok(), "a plan was written, but not read: {}", again.error().message);
  OBSCURA_CHECK(wire::write_plan(again->plan) == frame, "a plan changed on its way");
  plan::Schedule schedule = plan::make_schedule(named.plan);
  OBSCURA_CHECK(schedule.peak_bytes > 0, "a plan without memory");
  if (schedule.total_work > kMaxWork || named.plan.input.elements() > 4096) return;
  const run::ClearModel model(std::make_shared<const run::Program>(run::Program{named.plan, std::move(schedule)}));
  const std::vector<float> image(named.plan.input.elements());
  const auto logits = run::run_clear(model, image, 1);
  OBSCURA_CHECK(logits.ok(), "a verified plan does not run: {}", logits.error().message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView payload(reinterpret_cast<const std::byte*>(data), size);
  const auto plan = wire::read_plan(wire::make_frame(wire::Kind::plan, payload), "input");
  if (plan.ok()) {
    use(*plan);
  } else {
    OBSCURA_CHECK(!plan.error().message.empty(), "an error without a sentence");
  }
  return 0;
}
