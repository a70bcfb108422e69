// SPDX-License-Identifier: Apache-2.0
#include "ckks/transform.h"

#include <algorithm>

#include "ckks/evaluator.h"
#include "ckks/plain.h"

namespace obscura::ckks {

namespace {

double dropped_product(const Context& context, const TransformPlace& place) {
  double product = 1;
  for (std::size_t i = place.limbs - place.rescale; i < place.limbs; ++i) {
    product *= static_cast<double>(context.basis().prime(i));
  }
  return product;
}

}  // namespace

Transform::Transform(std::shared_ptr<const Context> context, std::shared_ptr<const TransformShape> shape,
                     DiagonalValues values, const TransformPlace& place)
    : context_(std::move(context)), shape_(std::move(shape)), values_(std::move(values)), place_(place) {
  OBSCURA_CHECK(shape_->slots() == context_->params().slots(), "transform of {} slots, the context has {}",
                shape_->slots(), context_->params().slots());
  OBSCURA_CHECK(place.limbs <= context_->chain_limbs() && place.rescale < place.limbs && place.rescale <= kMaxRescale,
                "transform: {} limbs of {}, {} of them dropped", place.limbs, context_->chain_limbs(), place.rescale);
  plaintext_scale_ = place.scale_out * dropped_product(*context_, place) / place.scale_in;
}

std::vector<Ciphertext> apply(const Context& context, const EvalKeys& keys, const Transform& transform,
                              std::span<const Ciphertext> x) {
  const TransformShape& shape = transform.shape();
  const TransformPlace& place = transform.place();
  OBSCURA_CHECK(x.size() == shape.inputs(), "transform: {} inputs, {} are needed", x.size(), shape.inputs());
  for (const Ciphertext& input : x) {
    OBSCURA_CHECK(input.parts.size() == 2 && input.limbs() == place.limbs && input.scale == place.scale_in,
                  "transform: an input of {} parts and {} limbs at scale {}, 2, {} and {} are needed",
                  input.parts.size(), input.limbs(), input.scale, place.limbs, place.scale_in);
  }
  std::vector<Ciphertext> rotated;
  for (const Baby& baby : shape.babies()) rotated.push_back(rotate(context, keys, x[baby.input], baby.step));
  std::vector<Ciphertext> out(shape.outputs());
  std::vector<std::complex<double>> slots(shape.slots());
  for (const TransformGroup& group : shape.groups()) {
    Ciphertext sum;
    const auto add = [&](Ciphertext& to, const Ciphertext& term) {
      const CombineTerm terms[] = {{&to, 1}, {&term, 1}};
      to = to.parts.empty() ? term : combine(context, terms, 0);
    };
    for (const TransformGroup::Term& term : group.terms) {
      std::fill(slots.begin(), slots.end(), 0);
      transform.values_(term.diagonal, slots);
      // Rotated right by the giant step, which turns the sum left.
      const auto n = static_cast<std::int64_t>(slots.size());
      std::rotate(slots.begin(), slots.begin() + (n - group.giant) % n, slots.end());
      const Plaintext p = make_plaintext(context, slots, transform.plaintext_scale(), place.limbs);
      add(sum, multiply_plain(context, rotated[term.baby], p));
    }
    add(out[group.output], rotate(context, keys, sum, group.giant));
  }
  for (Ciphertext& y : out) {
    if (place.rescale > 0) y = rescale(context, y, place.rescale);
    y.scale = place.scale_out;
  }
  return out;
}

}  // namespace obscura::ckks
