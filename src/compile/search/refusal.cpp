// SPDX-License-Identifier: Apache-2.0
#include "compile/search/refusal.h"

#include <algorithm>

namespace obscura::compile {
namespace {

double gigabytes(std::uint64_t bytes) { return static_cast<double>(bytes) / 1e9; }

}  // namespace

void Refusal::batch_memory(const Error& error) {
  if (!batch_memory_) batch_memory_ = error;
}

void Refusal::too_large(const Memory& memory) {
  if (!memory_ || memory.least() < memory_->least()) memory_ = memory;
}

void Refusal::too_large(std::uint64_t keys) { keys_ = std::min(keys, keys_.value_or(keys)); }

void Refusal::scheduled(const Schedule& schedule) {
  if (!closest_ || schedule.logit_error < closest_->logit_error) closest_ = {schedule.logit_error, schedule.choice};
}

Error Refusal::error_of(const Setting& setting, const Request& request) const {
  const std::string& name = setting.network->name;
  if (memory_) {
    return error(
        Code::infeasible,
        "network '{}': {:.2f} GB of memory are too little for one image at a time: {:.2f} GB are needed at "
        "least, {:.2f} of them for keys, {:.2f} for weights and tables and {:.2f} for ciphertexts in '{}'; give "
        "more (--memory), or allow a larger error (--max-error), with which primes and keys are fewer",
        name, gigabytes(setting.memory), gigabytes(memory_->least()), gigabytes(memory_->keys),
        gigabytes(memory_->weights + memory_->tables), gigabytes(memory_->values), memory_->heaviest);
  }
  if (keys_) {
    return error(Code::infeasible,
                 "network '{}': evaluation keys take {:.1f} MB at least in the image layout; {:.1f} MB are allowed "
                 "(--max-keys)",
                 name, megabytes(*keys_), megabytes(*setting.max_key_bytes));
  }
  if (batch_memory_) return *batch_memory_;
  const char* layout = request.image_layout ? "image" : "batch";
  if (closest_) {
    const Choice& choice = closest_->choice;
    return error(Code::infeasible,
                 "network '{}': no secure parameters reach a logit error of {:.3g} in the {} layout; the best found is "
                 "{:.3g}, with N = 2^{} and {}; allow a larger error (--max-error)",
                 name, setting.max_error, layout, closest_->logit_error, choice.log2_degree,
                 choice.bootstrap ? std::string("bootstrapping") : fmt::format("{} limbs", choice.limbs()));
  }
  if (lowering_) return *lowering_;
  const std::string rings = request.log2_degree ? fmt::format("N = 2^{}", *request.log2_degree)
                                                : fmt::format("N up to 2^{}", ckks::kMaxLog2Degree);
  return error(Code::infeasible,
               "network '{}': no secure parameters hold it in the {} layout: with {}, every choice leaves values below "
               "the noise or above the modulus; try the other layout (--layout), or other ranges (--calibrate)",
               name, layout, rings);
}

}  // namespace obscura::compile
