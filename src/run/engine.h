// SPDX-License-Identifier: Apache-2.0
/// A program made ready for one client's ciphertexts, on a backend that is chosen at run time. Arrow: server -> run.
#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "ckks/context.h"
#include "ckks/values.h"
#include "run/execute.h"

namespace obscura::run {

/// What an engine is made of; it keeps what it needs of it.
struct EngineParts {
  std::shared_ptr<const Program> program;
  std::shared_ptr<const ckks::Context> context;  ///< of the plan's parameters
  std::shared_ptr<const ckks::EvalKeys> keys;    ///< all that the plan needs (ckks::check_keys)
};

class Engine {
 public:
  virtual ~Engine() = default;
  /// run::execute on its backend.
  /// threads  concurrent calls are fine
  virtual Result<std::vector<ckks::Ciphertext>> run(std::vector<ckks::Ciphertext> inputs,
                                                    const base::Progress& progress, Trace* trace,
                                                    Saving<ckks::Ciphertext> saving,
                                                    Sharing<ckks::Ciphertext> sharing) const = 0;
  /// The same model for another client's keys: what was prepared is shared.
  virtual std::shared_ptr<const Engine> with(std::shared_ptr<const ckks::EvalKeys> keys) const = 0;
};

/// Chooses a backend. errors: those of its machine
using MakeEngine = std::function<Result<std::shared_ptr<const Engine>>(const EngineParts& parts)>;

/// On CkksBackend: this machine's cores. Does not fail.
Result<std::shared_ptr<const Engine>> ckks_engine(const EngineParts& parts);

/// A backend whose elements come and go as ciphertexts, and whose model serves other keys too.
template <class B>
concept CiphertextBackend = Backend<B> && std::same_as<typename B::Value, ckks::Ciphertext> &&
    requires(const B& backend, std::shared_ptr<const ckks::EvalKeys> keys) {
  { backend.with(keys) } -> std::same_as<B>;
};

/// Prepares the model.
template <CiphertextBackend B>
std::shared_ptr<const Engine> engine_on(B backend, std::shared_ptr<const Program> program) {
  class Of final : public Engine {
   public:
    Of(B backend, std::shared_ptr<const typename B::Model> model)
        : backend_(std::move(backend)), model_(std::move(model)) {}
    Result<std::vector<ckks::Ciphertext>> run(std::vector<ckks::Ciphertext> inputs, const base::Progress& progress,
                                              Trace* trace, Saving<ckks::Ciphertext> saving,
                                              Sharing<ckks::Ciphertext> sharing) const override {
      return execute(*model_, backend_, std::move(inputs), progress, trace, std::move(saving), std::move(sharing));
    }
    std::shared_ptr<const Engine> with(std::shared_ptr<const ckks::EvalKeys> keys) const override {
      return std::make_shared<const Of>(backend_.with(std::move(keys)), model_);
    }

   private:
    B backend_;
    std::shared_ptr<const typename B::Model> model_;
  };
  auto model = std::make_shared<const typename B::Model>(backend.prepare(std::move(program)));
  return std::make_shared<const Of>(std::move(backend), std::move(model));
}

}  // namespace obscura::run
