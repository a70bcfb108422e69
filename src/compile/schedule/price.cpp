// SPDX-License-Identifier: Apache-2.0
#include "compile/schedule/price.h"

#include "compile/schedule/schedule.h"

namespace obscura::compile {

namespace {

using Kind = Operation::Kind;

}  // namespace

double price(const CostModel& cost, const MonicNetwork& network, const Operation& operation, const Choice& choice,
             std::uint32_t limbs, std::uint32_t parts) {
  const int degree = choice.log2_degree, bits = choice.largest_bits();
  const auto alpha = static_cast<std::uint32_t>(choice.digit_limbs);
  const double count = operation.ciphertexts;
  std::size_t terms = 0, rotations = 0;
  switch (operation.kind) {
    case Kind::linear: {
      const SparseMatrix& matrix = network.segments[operation.segment][operation.map].matrix;
      return cost.linear(degree, limbs, parts, matrix.nonzeros(), matrix.cols, matrix.rows);
    }
    case Kind::square:
    case Kind::product:
      return count * cost.square(degree, limbs);
    case Kind::relinearize:
      return count * cost.relinearize(degree, bits, limbs, alpha, operation.drops);
    case Kind::fold:
      for (const auto& sum : operation.fold.sums) rotations += (sum.count - 1) * operation.ciphertexts;
      return static_cast<double>(rotations) * cost.rotate(degree, bits, limbs, alpha);
    case Kind::combine:
      return count * cost.combine(degree, limbs, operation.coefficient ? 2 : 1);
    case Kind::sum:
      return count * static_cast<double>(operation.addends.size()) * cost.combine(degree, limbs, 2);
    case Kind::add:
      for (const auto& sum : operation.add) terms += sum.size();
      return static_cast<double>(terms) * cost.combine(degree, limbs, 2);
    default:
      break;
  }
  OBSCURA_CHECK(false, "price of a {}", name_of(operation.kind));
}

void predict_times(const Trial& trial, Schedule& schedule) {
  const PassTimer timer(trial.setting.passes, Pass::price);
  const Circuit& circuit = trial.circuit;
  const Choice& choice = trial.choice;
  const CostModel cost = trial.setting.cost.of(choice.ring);
  schedule.nanoseconds.clear();
  for (std::size_t k = 0; k < circuit.operations.size(); ++k) {
    const Operation& operation = circuit.operations[k];
    double nanoseconds = 0;
    if (operation.kind == Kind::transform) {
      nanoseconds = trial.splits.nanoseconds[k];
    } else if (operation.kind == Kind::polynomial) {
      nanoseconds =
          operation.ciphertexts * cost.polynomial(choice.log2_degree, choice.largest_bits(), schedule.polynomials[k],
                                                  static_cast<std::uint32_t>(choice.digit_limbs));
    } else if (operation.kind == Kind::bootstrap) {
      nanoseconds = operation.ciphertexts * choice.bootstrap_nanoseconds;
    } else {
      nanoseconds = price(cost, *trial.setting.network, operation, choice, trial.splits.before[k],
                          trial.splits.parts[operation.input]);
    }
    schedule.nanoseconds.push_back(nanoseconds);
  }
}

}  // namespace obscura::compile
