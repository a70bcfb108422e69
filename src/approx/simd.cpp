// SPDX-License-Identifier: Apache-2.0
/// Compositions on whole spans: four vectors of doubles go through all stages in registers, so that the chains of
/// multiply-adds of four vectors overlap.
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL | HWY_SSE4 | HWY_SSSE3)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "approx/simd.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first.
#include <hwy/highway.h>

#include <algorithm>
#include <array>

#include "approx/prepared.h"

HWY_BEFORE_NAMESPACE();
namespace obscura::approx {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Tag = hn::ScalableTag<double>;
using Vector = hn::Vec<Tag>;
constexpr std::size_t kUnroll = 4;

struct Bundle {
  Vector a, b, c, d;
};

template <class F>
HWY_INLINE Bundle each(const Bundle& x, const F& f) {
  return {f(x.a), f(x.b), f(x.c), f(x.d)};
}
template <class F>
HWY_INLINE Bundle each(const Bundle& x, const Bundle& y, const F& f) {
  return {f(x.a, y.a), f(x.b, y.b), f(x.c, y.c), f(x.d, y.d)};
}

HWY_INLINE Bundle multiply_add(const Bundle& x, const Bundle& y, Vector c) {
  return each(x, y, [&](Vector u, Vector v) { return hn::MulAdd(u, v, c); });
}

HWY_INLINE Bundle horner(const std::vector<double>& coefficients, const Bundle& s) {
  const Tag tag;
  Bundle sum = each(s, [&](Vector) { return hn::Set(tag, coefficients.back()); });
  for (std::size_t k = coefficients.size() - 1; k-- > 0;) sum = multiply_add(sum, s, hn::Set(tag, coefficients[k]));
  return sum;
}

HWY_INLINE Bundle clenshaw(const std::vector<double>& coefficients, const Bundle& s) {
  const Tag tag;
  Bundle b1 = each(s, [&](Vector) { return hn::Zero(tag); });
  Bundle b2 = b1;
  const Bundle twice = each(s, [&](Vector v) { return hn::Add(v, v); });
  for (std::size_t k = coefficients.size(); k-- > 1;) {
    const Vector c = hn::Set(tag, coefficients[k]);
    const Bundle low = each(b2, [&](Vector v) { return hn::Sub(c, v); });
    b2 = b1;
    b1 = {hn::MulAdd(twice.a, b1.a, low.a), hn::MulAdd(twice.b, b1.b, low.b), hn::MulAdd(twice.c, b1.c, low.c),
          hn::MulAdd(twice.d, b1.d, low.d)};
  }
  const Vector c = hn::Set(tag, coefficients[0]);
  const Bundle low = each(b2, [&](Vector v) { return hn::Sub(c, v); });
  return {hn::MulAdd(s.a, b1.a, low.a), hn::MulAdd(s.b, b1.b, low.b), hn::MulAdd(s.c, b1.c, low.c),
          hn::MulAdd(s.d, b1.d, low.d)};
}

HWY_INLINE Bundle apply(const PreparedStage& stage, const Bundle& x) {
  const Tag tag;
  const Vector scale = hn::Set(tag, stage.scale);
  const Vector shift = hn::Set(tag, stage.shift);
  const Bundle t = each(x, [&](Vector v) { return hn::MulAdd(v, scale, shift); });
  Bundle s = t;
  if (stage.odd) {
    const Vector one = hn::Set(tag, 1.0);
    s = each(t, [&](Vector v) { return hn::MulSub(hn::Add(v, v), v, one); });
  }
  const Bundle sum = stage.horner ? horner(stage.coefficients, s) : clenshaw(stage.coefficients, s);
  return stage.odd ? each(sum, t, [](Vector u, Vector v) { return hn::Mul(u, v); }) : sum;
}

HWY_INLINE Bundle activate(const PreparedActivation& activation, const Bundle& x) {
  const Tag tag;
  const Vector factor = hn::Set(tag, activation.inverse_bound);
  Bundle y = activation.relu ? each(x, [&](Vector v) { return hn::Mul(v, factor); }) : x;
  for (const PreparedStage& stage : activation.stages) y = apply(stage, y);
  if (!activation.relu) return y;
  const Vector half = hn::Set(tag, 0.5);
  const Bundle share = each(y, [&](Vector v) { return hn::MulAdd(v, half, half); });
  return each(x, share, [](Vector u, Vector v) { return hn::Mul(u, v); });
}

void evaluate_span(const PreparedActivation& activation, const float* in, float* out, std::size_t size) {
  const Tag tag;
  const hn::Rebind<float, Tag> narrow;
  const std::size_t lanes = hn::Lanes(tag);
  const std::size_t step = kUnroll * lanes;
  std::array<float, kUnroll * hn::MaxLanes(Tag())> rest{};
  for (std::size_t i = 0; i < size; i += step) {
    const bool whole = i + step <= size;
    if (!whole) std::copy(in + i, in + size, rest.begin());
    const float* from = whole ? in + i : rest.data();
    float* to = whole ? out + i : rest.data();
    const auto load = [&](std::size_t k) { return hn::PromoteTo(tag, hn::LoadU(narrow, from + k * lanes)); };
    const Bundle y = activate(activation, {load(0), load(1), load(2), load(3)});
    const auto store = [&](std::size_t k, Vector v) { hn::StoreU(hn::DemoteTo(narrow, v), narrow, to + k * lanes); };
    store(0, y.a);
    store(1, y.b);
    store(2, y.c);
    store(3, y.d);
    if (!whole) std::copy(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(size - i), out + i);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace obscura::approx
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace obscura::approx {

HWY_EXPORT(evaluate_span);

void evaluate_blocks(const PreparedActivation& activation, const float* in, float* out, std::size_t size) {
  HWY_DYNAMIC_DISPATCH(evaluate_span)(activation, in, out, size);
}

}  // namespace obscura::approx
#endif  // HWY_ONCE
