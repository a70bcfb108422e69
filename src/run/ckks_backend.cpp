// SPDX-License-Identifier: Apache-2.0
#include "run/ckks_backend.h"

#include <algorithm>

#include "base/parallel.h"
#include "ckks/evaluator.h"
#include "ckks/plain.h"

namespace obscura::run {

EncodedTransforms::EncodedTransforms(const std::shared_ptr<const ckks::Context>& context, const EncodedModel& model,
                                     std::size_t memory) {
  // First come coefficients, which save most of encoding for a fraction of the memory, and then residues.
  std::vector<ckks::TransformPlace> places;
  for (const PreparedTransform& t : model.transforms()) {
    places.push_back({t.limbs, t.rescale, t.scale_in, t.scale_out, 0, t.diagonals->period()});
    places.back().memory = std::min(ckks::embedding_bytes(*context, places.back(), t.shape->plaintexts()), memory);
    memory -= places.back().memory;
  }
  for (std::size_t k = 0; k < places.size(); ++k) {
    const PreparedTransform& t = model.transforms()[k];
    ckks::TransformPlace& place = places[k];
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
    by_step_.emplace(t.step, ckks::Transform(context, t.shape, values, place));
  }
}

const ckks::Transform& EncodedTransforms::at(std::size_t step) const {
  const auto found = by_step_.find(step);
  OBSCURA_CHECK(found != by_step_.end(), "step {} is no transform", step);
  return found->second;
}

Shape CkksBackend::shape(const Value& x) const {
  return {static_cast<std::uint32_t>(x.limbs()), static_cast<std::uint32_t>(x.parts.size()), x.scale};
}

CkksBackend::Value CkksBackend::multiply(const Value& a, const Value& b) const {
  return ckks::multiply(*context_, a, b);
}

CkksBackend::Value CkksBackend::relinearize(const Value& x, std::uint32_t rescale) const {
  return ckks::relinearize(*context_, *keys_, x, rescale);
}

CkksBackend::Value CkksBackend::rescale(const Value& x, std::uint32_t limbs) const {
  return ckks::rescale(*context_, x, limbs);
}

CkksBackend::Value CkksBackend::combine(std::span<const Term<Value>> terms, double constant) const {
  std::vector<ckks::CombineTerm> list;
  for (const auto& term : terms) list.push_back({term.x, term.coefficient});
  return ckks::combine(*context_, list, constant);
}

void CkksBackend::linear(const ckks::PreparedMap& map, std::span<const std::uint32_t> blocks, double weight_scale,
                         std::span<const double> bias, std::span<const Value> x, std::span<Value> y) const {
  ckks::apply(*context_, map, blocks, weight_scale, bias, x, y);
}

void CkksBackend::transform(const PreparedTransform& transform, std::span<const Value> x, std::span<Value> y) const {
  std::vector<Value> out = ckks::apply(*context_, *keys_, transforms_->at(transform.step), x);
  base::parallel_for(out.size(), [&](std::size_t o) {
    std::vector<double> bias = transform.weights->bias(static_cast<std::uint32_t>(o));
    for (const std::size_t own = bias.size(); bias.size() < context_->params().slots();) {
      bias.push_back(bias[bias.size() - own]);
    }
    y[o] = ckks::add_plain(*context_, out[o], ckks::make_plaintext(*context_, bias, out[o].scale, out[o].limbs()));
  });
}

CkksBackend::Value CkksBackend::fold(const plan::Fold& fold, const Value& x) const {
  Value y = x;
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

CkksBackend::Value CkksBackend::polynomial(const ckks::CompositePlan& polynomial, const Value& x) const {
  return ckks::evaluate(*context_, *keys_, polynomial, x);
}

CkksBackend::Value CkksBackend::bootstrap(const PreparedBootstrap& bootstrap, const Value& x) const {
  OBSCURA_CHECK(bootstrap.bootstrapper != nullptr && keys_->bootstrap.has_value(),
                "bootstrapping without its tables or keys");
  Value y = bootstrap.bootstrapper->run(*keys_, *keys_->bootstrap, x);
  for (ring::NttPoly& part : y.parts) part.drop_to(bootstrap.limbs_out);
  return y;
}

}  // namespace obscura::run
