// SPDX-License-Identifier: Apache-2.0
/// What a machine must offer to execute plans: it prepares a model in a form of its own, keeps whole values of the
/// plan, and works on them step by step. The executor (run/execute.h) keeps the order, the memory, the progress and
/// what is saved.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <variant>

#include "plan/schedule.h"
#include "run/program.h"

namespace obscura::run {

/// What an element says of itself; the executor compares it with the plan after each step.
struct Shape {
  std::uint32_t limbs = 0;
  std::uint32_t parts = 2;
  double scale = 0;
};

/// Some elements to be taken through all steps of an elementwise stage, and what the executor must hear meanwhile.
/// threads  calls may overlap, but for those of one element
class ElementwiseTask {
 public:
  virtual const plan::Stage& stage() const = 0;
  virtual std::span<const std::uint32_t> elements() const = 0;
  /// Asked now and then: elements that have not begun may then be left.
  virtual bool cancelled() const = 0;
  /// The step's result in one element is there, and took so long.
  /// errors  ContractError naming the step, where the plan expects another shape
  virtual void made(std::size_t step, const Shape& shape, double seconds) = 0;
  /// The element has read all that the stage reads of other stages: what nobody else will read is forgotten.
  virtual void has_read(std::uint32_t element) = 0;

 protected:
  ~ElementwiseTask() = default;
};

namespace internal {

/// Maps have a function of their own in a backend, which the executor calls by name.
template <class B, class Operation>
concept Applies = plan::kIsMap<Operation> ||
    requires(const B& backend, const Operation& operation, const typename B::Elements& elements) {
  backend.apply(operation, elements);
};

template <class B, class Variant>
inline constexpr bool kAppliesAll = false;
template <class B, class... Operations>
inline constexpr bool kAppliesAll<B, std::variant<Operations...>> = (Applies<B, Operations> && ...);

}  // namespace internal

/// `Tensor` is a value of the plan: its elements (ciphertexts), of which some may be absent. `Value` is one element as
/// it comes in, goes out and is saved. `Model` is what prepare() makes of a program: each step in the backend's form,
/// and the plan and schedule that it is of.
///
/// `linear` computes the outputs of some blocks of a map; only their inputs must be there. `transform` computes all
/// outputs of a transform. `elementwise` takes elements through a stage; those of its values that other stages read
/// (Schedule::readers) go to their tensors in `values`, which is by ValueId. It works by `apply`, of which there is one
/// for each elementwise operation of plan::Operation, on what the backend calls `Elements`: one element of a step or
/// many. So an operation that a backend lacks does not compile. What each does to limbs, parts and scale stands at the
/// operation of the same name in plan/plan.h.
///
/// `read` gives an element to be saved: a reference, or a copy where tensors are not in this memory. `take` gives it
/// away, `forget` frees its memory.
/// threads  all functions are const; `forget` may run while others work on other elements, the rest come one by one
template <class B>
concept Backend = std::default_initializable<typename B::Tensor> && std::movable<typename B::Tensor> &&
    std::movable<typename B::Value> && internal::kAppliesAll<B, plan::Operation> &&
    requires(const B& backend, const std::shared_ptr<const Program>& program, const typename B::Model& model,
             plan::ValueId id, const typename B::Tensor& x, typename B::Tensor& y, std::span<typename B::Tensor> values,
             std::size_t at, typename B::Value&& element, ElementwiseTask& task,
             std::span<const std::uint32_t> blocks) {
  { backend.prepare(program) } -> std::same_as<typename B::Model>;
  { model.plan() } -> std::same_as<const plan::Plan&>;
  { model.schedule() } -> std::same_as<const plan::Schedule&>;
  { backend.make_tensor(model, id) } -> std::same_as<typename B::Tensor>;
  { backend.put(y, at, std::move(element)) } -> std::same_as<void>;
  { backend.read(x, at) } -> std::convertible_to<const typename B::Value&>;
  { backend.take(y, at) } -> std::same_as<typename B::Value>;
  { backend.forget(y, at) } -> std::same_as<void>;
  { backend.shape(x, at) } -> std::same_as<Shape>;
  { backend.linear(model, at, blocks, x, y) } -> std::same_as<void>;
  { backend.transform(model, at, x, y) } -> std::same_as<void>;
  { backend.elementwise(model, task, values) } -> std::same_as<void>;
};

}  // namespace obscura::run
