// SPDX-License-Identifier: Apache-2.0
/// A backend of a test's own, for what chooses one: ciphertexts on this machine, whose calls are counted.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

#include "run/ckks_backend.h"
#include "run/engine.h"

namespace obscura::testing {

/// Of the executor, each for one task.
struct BackendCalls {
  std::atomic<std::size_t> linear{0}, elementwise{0};
};

class CountingCkks : public run::CkksBackend {
 public:
  CountingCkks(const run::EngineParts& parts, std::shared_ptr<BackendCalls> calls)
      : CkksBackend(parts.context, parts.keys), calls_(std::move(calls)) {}
  CountingCkks with(std::shared_ptr<const ckks::EvalKeys> keys) const {
    return {CkksBackend::with(std::move(keys)), calls_};
  }
  void linear(const Model& model, std::size_t step, std::span<const std::uint32_t> blocks, const Tensor& x,
              Tensor& y) const {
    ++calls_->linear;
    CkksBackend::linear(model, step, blocks, x, y);
  }
  void elementwise(const Model& model, run::ElementwiseTask& task, std::span<Tensor> values) const {
    ++calls_->elementwise;
    CkksBackend::elementwise(model, task, values);
  }

 private:
  CountingCkks(CkksBackend backend, std::shared_ptr<BackendCalls> calls)
      : CkksBackend(std::move(backend)), calls_(std::move(calls)) {}
  std::shared_ptr<BackendCalls> calls_;
};

inline run::MakeEngine counting_engine(std::shared_ptr<BackendCalls> calls) {
  return [calls = std::move(calls)](const run::EngineParts& parts) -> Result<std::shared_ptr<const run::Engine>> {
    return run::engine_on(CountingCkks(parts, calls), parts.program);
  };
}

}  // namespace obscura::testing
