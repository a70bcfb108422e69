// SPDX-License-Identifier: Apache-2.0
#include "run/ckks_backend.h"

#include <algorithm>
#include <utility>

#include "base/parallel.h"
#include "ckks/plain.h"

namespace obscura::run {

CkksModel::CkksModel(std::shared_ptr<const Program> program, const std::shared_ptr<const ckks::Context>& context)
    : Model(std::move(program)), steps_(plan().steps.size()) {
  for (std::size_t s = 0; s < steps_.size(); ++s) {
    const auto* linear = std::get_if<plan::Linear>(&plan().steps[s].operation);
    if (linear != nullptr) steps_[s] = ckks::PreparedMap(linear->map);
  }
  encode_transforms(context);
}

void CkksModel::encode_transforms(const std::shared_ptr<const ckks::Context>& context) {
  const auto transforms = weighted_transforms(plan());
  // First come coefficients, which save most of encoding for a fraction of the memory, and then residues.
  std::size_t memory = program().kept_bytes;
  std::map<std::size_t, ckks::TransformPlace> places;
  for (const auto& [s, t] : transforms) {
    const auto& transform = std::get<plan::Transform>(plan().steps[s].operation);
    const plan::ValueInfo in = plan().value(transform.input);
    ckks::TransformPlace& place = places[s];
    place = {in.limbs, transform.rescale, in.scale, plan().steps[s].output.scale, 0, t.diagonals->period()};
    place.memory = std::min(ckks::embedding_bytes(*context, place, t.shape->plaintexts()), memory);
    memory -= place.memory;
  }
  for (const auto& [s, t] : transforms) {
    ckks::TransformPlace& place = places[s];
    const std::size_t all = ckks::residue_bytes(*context, place, t.shape->plaintexts());
    const std::size_t more = std::min(all - std::min(all, place.memory), memory);
    place.memory += more;
    memory -= more;
    const auto values = [weights = t.weights, n = t.diagonals->slots()](const ckks::Diagonal& at,
                                                                        std::span<std::complex<double>> slots) {
      const auto own = slots.first(n);
      weights->fill(at, own);
      for (std::size_t j = own.size(); j < slots.size(); ++j) slots[j] = slots[j - own.size()];
    };
    steps_[s] = EncodedTransform{ckks::Transform(context, t.shape, values, place), t.weights};
  }
}

const ckks::PreparedMap& CkksModel::map(std::size_t step) const {
  const auto* found = step < steps_.size() ? std::get_if<ckks::PreparedMap>(&steps_[step]) : nullptr;
  OBSCURA_CHECK(found != nullptr, "step {} has no linear map", step);
  return *found;
}

const CkksModel::EncodedTransform& CkksModel::transform(std::size_t step) const {
  const auto* found = step < steps_.size() ? std::get_if<EncodedTransform>(&steps_[step]) : nullptr;
  OBSCURA_CHECK(found != nullptr, "step {} is no transform", step);
  return *found;
}

Shape CkksBackend::shape(const Value& x) {
  return {static_cast<std::uint32_t>(x.limbs()), static_cast<std::uint32_t>(x.parts.size()), x.scale};
}

void CkksBackend::linear(const Model& model, std::size_t step, std::span<const std::uint32_t> blocks, const Tensor& x,
                         Tensor& y) const {
  const auto& linear = std::get<plan::Linear>(model.plan().steps[step].operation);
  ckks::apply(*context_, model.map(step), blocks, linear.weight_scale, linear.bias, x, y);
}

void CkksBackend::transform(const Model& model, std::size_t step, const Tensor& x, Tensor& y) const {
  const CkksModel::EncodedTransform& encoded = model.transform(step);
  Tensor out = ckks::apply(*context_, *keys_, encoded.transform, x);
  base::parallel_for(out.size(), [&](std::size_t o) {
    std::vector<double> bias = encoded.weights->bias(static_cast<std::uint32_t>(o));
    for (const std::size_t own = bias.size(); bias.size() < context_->params().slots();) {
      bias.push_back(bias[bias.size() - own]);
    }
    y[o] = ckks::add_plain(*context_, out[o], ckks::make_plaintext(*context_, bias, out[o].scale, out[o].limbs()));
  });
}

void CkksBackend::elementwise(const Model& model, ElementwiseTask& task, std::span<Tensor> values) const {
  run_elements(*this, model, task, values);
}

CkksBackend::Value CkksBackend::apply(const plan::Multiply& product, const Elements& at) const {
  return ckks::multiply(*context_, at[product.a], at[product.b]);
}

CkksBackend::Value CkksBackend::apply(const plan::Relinearize& switched, const Elements& at) const {
  return ckks::relinearize(*context_, *keys_, at[switched.input], switched.rescale);
}

CkksBackend::Value CkksBackend::apply(const plan::Rescale& rescaled, const Elements& at) const {
  return ckks::rescale(*context_, at[rescaled.input], rescaled.limbs);
}

CkksBackend::Value CkksBackend::apply(const plan::Combine& sum, const Elements& at) const {
  std::vector<ckks::CombineTerm> terms;
  for (const auto& term : sum.terms) terms.push_back({&at[term.input], at.pick(term.coefficients, 1)});
  return ckks::combine(*context_, terms, at.pick(sum.constants, 0));
}

CkksBackend::Value CkksBackend::apply(const plan::Fold& fold, const Elements& at) const {
  Value y = at[fold.input];
  for (const plan::Fold::Sum& sum : fold.sums) {
    std::vector<std::int64_t> steps;
    for (std::int64_t k = 1; k < sum.count; ++k) steps.push_back(k * sum.step);
    const std::vector<Value> rotated = ckks::rotate_many(*context_, *keys_, y, steps);
    std::vector<ckks::CombineTerm> terms{{&y, 1}};
    for (const Value& r : rotated) terms.push_back({&r, 1});
    y = ckks::combine(*context_, terms, 0);
  }
  return y;
}

CkksBackend::Value CkksBackend::apply(const plan::Polynomial& polynomial, const Elements& at) const {
  return ckks::evaluate(*context_, *keys_, at.model().polynomial(at.step()), at[polynomial.input]);
}

CkksBackend::Value CkksBackend::apply(const plan::Bootstrap& bootstrap, const Elements& at) const {
  const auto& bootstrapper = at.model().program().bootstrapper;
  OBSCURA_CHECK(bootstrapper != nullptr && keys_->bootstrap.has_value(), "bootstrapping without its tables or keys");
  Value y = bootstrapper->run(*keys_, *keys_->bootstrap, at[bootstrap.input]);
  for (ring::NttPoly& part : y.parts) part.drop_to(at.model().plan().steps[at.step()].output.limbs);
  return y;
}

}  // namespace obscura::run
