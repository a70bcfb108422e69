// SPDX-License-Identifier: Apache-2.0
/// What a machine must offer to execute plans: the operations of plan/plan.h on its own kind of value.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <vector>

#include "ckks/evaluator.h"
#include "plan/plan.h"
#include "run/encode.h"

namespace obscura::run {

/// What a value says of itself; the executor compares it with the plan after each step.
struct Shape {
  std::uint32_t limbs = 0;
  std::uint32_t parts = 2;
  double scale = 0;
};

/// One term of an elementwise sum.
template <class Value>
struct Term {
  const Value* x = nullptr;
  double coefficient = 1;
};

/// One Value is one element of a tensor, with one image in each slot, or in the image layout one of a tensor's
/// ciphertexts. `linear` computes the outputs of some blocks of a map; xs and ys are whole tensors in which other
/// elements may be absent. `transform` computes all outputs of a transform. All operations are const and may run
/// concurrently; what each does to limbs, parts and scale stands at the operation of the same name in plan/plan.h.
template <class B>
concept Backend = std::default_initializable<typename B::Value> && std::movable<typename B::Value> &&
    requires(const B& backend, const typename B::Value& x, std::span<const typename B::Value> xs,
             std::span<typename B::Value> ys, std::span<const Term<typename B::Value>> terms,
             std::span<const double> bias, const ckks::PreparedMap& map, std::span<const std::uint32_t> blocks,
             const PreparedTransform& transform, const plan::Fold& fold, const ckks::CompositePlan& polynomial,
             const PreparedBootstrap& bootstrap, std::uint32_t limbs, double number) {
  { backend.shape(x) } -> std::same_as<Shape>;
  { backend.multiply(x, x) } -> std::same_as<typename B::Value>;
  { backend.relinearize(x, limbs) } -> std::same_as<typename B::Value>;
  { backend.rescale(x, limbs) } -> std::same_as<typename B::Value>;
  { backend.combine(terms, number) } -> std::same_as<typename B::Value>;
  { backend.linear(map, blocks, number, bias, xs, ys) } -> std::same_as<void>;
  { backend.transform(transform, xs, ys) } -> std::same_as<void>;
  { backend.fold(fold, x) } -> std::same_as<typename B::Value>;
  { backend.polynomial(polynomial, x) } -> std::same_as<typename B::Value>;
  { backend.bootstrap(bootstrap, x) } -> std::same_as<typename B::Value>;
};

}  // namespace obscura::run
