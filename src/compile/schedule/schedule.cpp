// SPDX-License-Identifier: Apache-2.0
#include "compile/schedule/schedule.h"

#include <cmath>
#include <numeric>

namespace obscura::compile {

double Schedule::total_nanoseconds() const { return std::accumulate(nanoseconds.begin(), nanoseconds.end(), 0.0); }

std::optional<Schedule> evaluate(const Trial& trial, double most_nanoseconds) {
  auto schedule = solve_scales(trial);
  if (!schedule || !fits(trial, *schedule)) return std::nullopt;
  predict_times(trial, *schedule);
  if (schedule->total_nanoseconds() > most_nanoseconds) return std::nullopt;  // errors take far longer to predict
  predict_errors(trial, {}, *schedule);
  verify_after(Pass::price, [&] { return verify(trial.circuit, *schedule); });
  return schedule;
}

Result<void> verify(const Circuit& circuit, const Schedule& schedule) {
  const std::vector<std::uint32_t> limbs = circuit.limbs(schedule.limbs), parts = circuit.parts();
  if (schedule.values.size() != circuit.operations.size()) {
    return error(Code::bad_format, "{} values for {} operations", schedule.values.size(), circuit.operations.size());
  }
  for (std::size_t k = 0; k < schedule.values.size(); ++k) {
    const plan::ValueInfo& value = schedule.values[k];
    const bool sizes = value.limbs == limbs[k + 1] && value.limbs > 0 && value.parts == parts[k + 1] &&
                       value.elements == circuit.operations[k].ciphertexts;
    const bool numbers = std::isfinite(value.scale) && value.scale > 0 && std::isfinite(value.max_abs) &&
                         std::isfinite(value.error_std) && value.error_std >= 0;
    if (sizes && numbers) continue;
    return error(Code::bad_format, "operation {} ({}): {} limbs, {} parts, scale {}, largest value {}, error {}", k + 1,
                 name_of(circuit.operations[k].kind), value.limbs, value.parts, value.scale, value.max_abs,
                 value.error_std);
  }
  return {};
}

std::string to_text(const Circuit& circuit, const Schedule& schedule) {
  std::string out = fmt::format("schedule for N = 2^{}: {:.3f} core-seconds, logit error {:.3g}\n", circuit.log2_degree,
                                schedule.total_nanoseconds() * 1e-9, schedule.logit_error);
  out += fmt::format("{:>5}  {:12} {:>2} limbs           2^{:<6.2f}\n", 0, "input", schedule.limbs,
                     std::log2(schedule.input_scale));
  for (std::size_t k = 0; k < schedule.values.size(); ++k) {
    const plan::ValueInfo& value = schedule.values[k];
    out += fmt::format("{:>5}  {:12} {:>2} limbs  {} parts  2^{:<6.2f}  max {:<9.3g} error {:<9.3g} {:9.3f} ms  {}\n",
                       k + 1, name_of(circuit.operations[k].kind), value.limbs, value.parts, std::log2(value.scale),
                       value.max_abs, value.error_std, schedule.nanoseconds[k] * 1e-6, circuit.operations[k].origin);
  }
  return out;
}

}  // namespace obscura::compile
