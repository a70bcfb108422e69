// SPDX-License-Identifier: Apache-2.0
#include "train/activation.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "train/coefficients.h"
#include "train/layers.h"

namespace obscura::train {
namespace {

constexpr double kEpsilon = 1e-3;
constexpr double kMomentum = 0.1;
/// Rows are shared out in so many parts whatever the threads, so that sums do not depend on their number.
constexpr std::int64_t kParts = 16;
/// Numbers of a row that are worked on at a time, in float.
constexpr std::int64_t kBlock = 512;

// One copy for each kind of vectors, chosen when the program starts.
#if defined(__x86_64__)
#define OBSCURA_VECTORS __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define OBSCURA_VECTORS
#endif

/// x as rows of `width` numbers that all have the coefficients a[k * width + i].
struct Rows {
  std::int64_t count = 0, width = 0;
  float range = 0, share = 1, limit = 0;
};

/// y[i] = share p(v) + (1 - share) max(0, v), v = x[i] held to [-limit, limit]; beyond[i] += max(0, |x[i]| - range)^2.
template <int degree>
inline __attribute__((always_inline)) void values(const Rows& rows, std::int64_t count, const float* __restrict x,
                                                  const float* __restrict a, float* __restrict y,
                                                  float* __restrict beyond) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float v = std::min(std::max(x[i], -rows.limit), rows.limit);
    float p = a[degree * rows.width + i];
    for (int k = degree - 1; k >= 0; --k) p = p * v + a[k * rows.width + i];
    y[i] = rows.share * p + (1 - rows.share) * std::max(v, 0.0F);
    const float over = std::max(0.0F, std::abs(x[i]) - rows.range);
    beyond[i] += over * over;
  }
}

/// dx[i] = dy[i] (slope of what values() gives) + per_element (slope of its penalty); sums[k][i] += share dy[i] v^k.
template <int degree>
inline __attribute__((always_inline)) void slopes(const Rows& rows, std::int64_t count, float per_element,
                                                  const float* __restrict x, const float* __restrict a,
                                                  const float* __restrict dy, float* __restrict dx,
                                                  float* __restrict sums) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float v = std::min(std::max(x[i], -rows.limit), rows.limit);
    float p = degree * a[degree * rows.width + i];
    for (int k = degree - 1; k >= 1; --k) p = p * v + static_cast<float>(k) * a[k * rows.width + i];
    const float over = std::max(0.0F, x[i] - rows.range) - std::max(0.0F, -x[i] - rows.range);
    const float moves = v == x[i] ? dy[i] : 0.0F;
    dx[i] = moves * (rows.share * p + (v > 0 ? 1 - rows.share : 0.0F)) + per_element * over;
    float term = dy[i] * rows.share;
    for (int k = 0; k <= degree; ++k, term *= v) sums[k * rows.width + i] += term;
  }
}

OBSCURA_VECTORS void values_of_2(const Rows& rows, std::int64_t count, const float* x, const float* a, float* y,
                                 float* beyond) {
  values<2>(rows, count, x, a, y, beyond);
}
OBSCURA_VECTORS void values_of_4(const Rows& rows, std::int64_t count, const float* x, const float* a, float* y,
                                 float* beyond) {
  values<4>(rows, count, x, a, y, beyond);
}
OBSCURA_VECTORS void slopes_of_2(const Rows& rows, std::int64_t count, float per_element, const float* x,
                                 const float* a, const float* dy, float* dx, float* sums) {
  slopes<2>(rows, count, per_element, x, a, dy, dx, sums);
}
OBSCURA_VECTORS void slopes_of_4(const Rows& rows, std::int64_t count, float per_element, const float* x,
                                 const float* a, const float* dy, float* dx, float* sums) {
  slopes<4>(rows, count, per_element, x, a, dy, dx, sums);
}

/// bfloat16 is the upper half of a float.
OBSCURA_VECTORS void widen(const std::uint16_t* __restrict from, std::int64_t count, std::uint32_t* __restrict to) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = std::uint32_t{from[i]} << 16;
}
/// Rounded to nearest, ties to even.
OBSCURA_VECTORS void narrow(const std::uint32_t* __restrict from, std::int64_t count, std::uint16_t* __restrict to) {
  for (std::int64_t i = 0; i < count; ++i) {
    to[i] = static_cast<std::uint16_t>((from[i] + 0x7FFF + ((from[i] >> 16) & 1)) >> 16);
  }
}

/// `count` numbers at `from` as floats: where they stand, or in `room`.
const float* read(const float* from, std::int64_t, float*) { return from; }
const float* read(const c10::BFloat16* from, std::int64_t count, float* room) {
  widen(reinterpret_cast<const std::uint16_t*>(from), count, reinterpret_cast<std::uint32_t*>(room));
  return room;
}
/// Where floats for `to` are written before write() puts them there.
float* place(float* to, float*) { return to; }
float* place(c10::BFloat16*, float* room) { return room; }
void write(const float*, std::int64_t, float*) {}
void write(const float* from, std::int64_t count, c10::BFloat16* to) {
  narrow(reinterpret_cast<const std::uint32_t*>(from), count, reinterpret_cast<std::uint16_t*>(to));
}

/// body(part, place of a block in its row, numbers in it, place of it in x): all rows, shared out in parts.
template <class Body>
void for_blocks(const Rows& rows, const Body& body) {
  at::parallel_for(0, kParts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part) {
      for (std::int64_t row = rows.count * part / kParts; row < rows.count * (part + 1) / kParts; ++row) {
        for (std::int64_t i = 0; i < rows.width; i += kBlock) {
          body(part, i, std::min(kBlock, rows.width - i), row * rows.width + i);
        }
      }
    }
  });
}

template <int degree, class Number>
void forward_rows(const Rows& rows, const Number* x, const float* a, Number* y, float* beyond) {
  std::vector<float> sums(static_cast<std::size_t>(kParts * kBlock));
  for_blocks(rows, [&](std::int64_t part, std::int64_t i, std::int64_t count, std::int64_t at) {
    std::array<float, kBlock> room_x;
    std::array<float, kBlock> room_y;
    const float* from = read(x + at, count, room_x.data());
    float* to = place(y + at, room_y.data());
    float* sum = sums.data() + part * kBlock;
    degree == 2 ? values_of_2(rows, count, from, a + i, to, sum) : values_of_4(rows, count, from, a + i, to, sum);
    write(to, count, y + at);
  });
  for (std::int64_t i = 0; i < kParts * kBlock; ++i) beyond[i / kBlock] += sums[static_cast<std::size_t>(i)];
}

/// dx, and sums[part][k][i] of share dy x^k over the rows of a part.
template <int degree, class Number>
void backward_rows(const Rows& rows, const Number* x, const float* a, const Number* dy, float per_element, Number* dx,
                   float* sums) {
  for_blocks(rows, [&](std::int64_t part, std::int64_t i, std::int64_t count, std::int64_t at) {
    std::array<float, kBlock> room_x;
    std::array<float, kBlock> room_dy;
    std::array<float, kBlock> room_dx;
    const float* from = read(x + at, count, room_x.data());
    const float* slope = read(dy + at, count, room_dy.data());
    float* to = place(dx + at, room_dx.data());
    float* sum = sums + part * (degree + 1) * rows.width + i;
    degree == 2 ? slopes_of_2(rows, count, per_element, from, a + i, slope, to, sum)
                : slopes_of_4(rows, count, per_element, from, a + i, slope, to, sum);
    write(to, count, dx + at);
  });
}

template <class Number, class Call>
void by_degree(std::int64_t degree, const Call& call) {
  if (degree == 2) {
    call(std::integral_constant<int, 2>{}, Number{});
  } else {
    call(std::integral_constant<int, 4>{}, Number{});
  }
}
/// call(degree as a type, a number of the type of x)
template <class Call>
void dispatch(const torch::Tensor& x, std::int64_t degree, const Call& call) {
  if (x.scalar_type() == torch::kBFloat16) {
    by_degree<c10::BFloat16>(degree, call);
  } else {
    by_degree<float>(degree, call);
  }
}

/// Spelt in tensor operations the same takes a dozen passes over memory, which is most of the time of small networks.
struct PolynomialFunction : torch::autograd::Function<PolynomialFunction> {
  /// x in the order of its rows; a {degree + 1, width}.
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context, const torch::Tensor& x,
                                                const torch::Tensor& a, double range, double share, double limit) {
    const Rows rows{x.numel() / a.size(1), a.size(1), static_cast<float>(range), static_cast<float>(share),
                    static_cast<float>(limit)};
    torch::Tensor y = torch::empty_like(x);
    const torch::Tensor beyond = torch::zeros({kParts});
    dispatch(x, a.size(0) - 1, [&](auto degree, auto number) {
      using Number = decltype(number);
      forward_rows<decltype(degree)::value, Number>(rows, x.data_ptr<Number>(), a.data_ptr<float>(),
                                                    y.data_ptr<Number>(), beyond.data_ptr<float>());
    });
    context->save_for_backward({x, a});
    context->saved_data["range"] = range;
    context->saved_data["share"] = share;
    context->saved_data["limit"] = limit;
    return {y, beyond.sum() / static_cast<double>(x.numel())};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const torch::Tensor& x = saved[0];
    const torch::Tensor& a = saved[1];
    const Rows rows{x.numel() / a.size(1), a.size(1), static_cast<float>(context->saved_data["range"].toDouble()),
                    static_cast<float>(context->saved_data["share"].toDouble()),
                    static_cast<float>(context->saved_data["limit"].toDouble())};
    const torch::Tensor dy =
        gradients[0]
            .to(x.scalar_type())
            .contiguous(x.dim() == 4 ? torch::MemoryFormat::ChannelsLast : torch::MemoryFormat::Contiguous);
    const float per_element = gradients[1].item<float>() * 2 / static_cast<float>(x.numel());
    torch::Tensor dx = torch::empty_like(x);
    const torch::Tensor sums = torch::zeros({kParts, a.size(0), a.size(1)});
    dispatch(x, a.size(0) - 1, [&](auto degree, auto number) {
      using Number = decltype(number);
      backward_rows<decltype(degree)::value, Number>(rows, x.data_ptr<Number>(), a.data_ptr<float>(),
                                                     dy.data_ptr<Number>(), per_element, dx.data_ptr<Number>(),
                                                     sums.data_ptr<float>());
    });
    return {dx, sums.sum(0), torch::Tensor(), torch::Tensor(), torch::Tensor()};
  }
};

/// The coefficients as rows: those of layers and channels are repeated until a row is long enough for vectors.
torch::Tensor as_rows(const torch::Tensor& coefficients, const torch::Tensor& x) {
  constexpr std::int64_t kShortest = 64;
  const std::int64_t terms = coefficients.size(0);
  if (x.dim() == 2) {
    return coefficients.reshape({terms, -1}).expand({terms, x.size(1)}).contiguous();
  }
  if (coefficients.dim() == 4 && coefficients.size(2) * coefficients.size(3) > 1) {
    return coefficients.permute({0, 2, 3, 1}).reshape({terms, -1}).contiguous();
  }
  const std::int64_t channels = x.size(1);
  std::int64_t times = 1;
  for (const std::int64_t side : {x.size(3), x.size(2)}) {
    if (times * channels < kShortest) times *= side;
  }
  return coefficients.reshape({terms, 1, -1}).expand({terms, times, channels}).reshape({terms, -1}).contiguous();
}

std::pair<torch::Tensor, torch::Tensor> activate_by_operations(const torch::Tensor& x,
                                                               const torch::Tensor& coefficients, double range,
                                                               double share, double limit) {
  const torch::Tensor raw = x.to(torch::kFloat32);
  const torch::Tensor v = raw.clamp(-limit, limit);
  torch::Tensor y = coefficients[coefficients.size(0) - 1];
  for (std::int64_t k = coefficients.size(0) - 2; k >= 0; --k) y = y * v + coefficients[k];
  if (share < 1) y = y * share + v.relu() * (1 - share);
  return {y.to(x.scalar_type()), (raw.abs() - range).relu().square().mean()};
}

}  // namespace

std::pair<torch::Tensor, torch::Tensor> activate(const torch::Tensor& x, const torch::Tensor& coefficients,
                                                 double range, double share, double limit) {
  OBSCURA_CHECK(coefficients.size(0) == 3 || coefficients.size(0) == 5, "activate: {} coefficients; 3 or 5",
                coefficients.size(0));
  if (!x.device().is_cpu()) return activate_by_operations(x, coefficients, range, share, limit);
  const torch::Tensor ordered =
      x.contiguous(x.dim() == 4 ? torch::MemoryFormat::ChannelsLast : torch::MemoryFormat::Contiguous);
  const torch::autograd::variable_list out =
      PolynomialFunction::apply(ordered, as_rows(coefficients, ordered), range, share, limit);
  return {out[0], out[1]};
}

torch::Tensor nats_beyond(const torch::Tensor& x, double range) {
  // In the order of memory, so that nothing is copied; only one element of an image has a slope.
  const torch::Tensor rows = (x.dim() == 4 ? x.permute({0, 2, 3, 1}) : x).flatten(1);
  const torch::Tensor at = rows.detach().abs().argmax(1, true);
  return (rows.gather(1, at).to(torch::kFloat32).abs() / range).clamp_min(1).log().mean();
}

ActivationImpl::ActivationImpl(ActivationRecipe chosen, const nn::Shape& input) : recipe(std::move(chosen)) {
  nn::Shape shape = coefficient_shape(recipe, input);
  if (recipe.kind == ActivationKind::hermite) {
    slope = register_parameter("slope", torch::ones(shape));
    shift = register_parameter("shift", torch::full(shape, kHermite0));
    mean1 = register_buffer("mean1", torch::zeros({input[0]}));
    variance1 = register_buffer("variance1", torch::ones({input[0]}));
    mean2 = register_buffer("mean2", torch::zeros({input[0]}));
    variance2 = register_buffer("variance2", torch::ones({input[0]}));
    return;
  }
  if (recipe.kind == ActivationKind::relu) return;
  std::vector<torch::Tensor> terms;
  for (const double c : recipe.initial) terms.push_back(torch::full(shape, c, torch::kFloat32));
  const torch::Tensor start = torch::stack(terms);
  const bool trained = trained_coefficients(recipe.kind) > 0;
  coefficients = trained ? register_parameter("coefficients", start) : register_buffer("coefficients", start);
}

ActivationImpl::Output ActivationImpl::forward(const torch::Tensor& x, double share) {
  if (recipe.kind == ActivationKind::relu) return {x.relu(), {}};
  if (recipe.kind == ActivationKind::hermite) return hermite(x, share);
  const double limit = is_training() && recipe.limit > 0 ? recipe.limit : std::numeric_limits<double>::infinity();
  const auto [y, beyond] = activate(x, coefficients, recipe.range, share, limit);
  torch::Tensor penalty = recipe.penalty > 0 ? beyond * recipe.penalty : torch::Tensor();
  if (is_training() && recipe.tail > 0) {
    const torch::Tensor nats = nats_beyond(x, recipe.range) * recipe.tail;
    penalty = penalty.defined() ? penalty + nats : nats;
  }
  return {y, penalty};
}

ActivationImpl::Output ActivationImpl::hermite(const torch::Tensor& x, double share) {
  const torch::Tensor gain = slope.flatten();
  const auto normalised = [&](const torch::Tensor& v, const torch::Tensor& weight, const torch::Tensor& bias,
                              const torch::Tensor& mean, const torch::Tensor& variance) {
    return torch::batch_norm(v, weight, bias, mean, variance, is_training(), kMomentum, kEpsilon, false);
  };
  torch::Tensor y = normalised(x, gain * kHermite1, shift.flatten(), mean1, variance1) +
                    normalised(x * x, gain * kHermite2, torch::zeros_like(gain), mean2, variance2);
  if (share < 1) {
    const torch::Tensor deviation = (x.var({0, 2, 3}, false, true) + kEpsilon).sqrt();
    y = y * share + ((x - x.mean({0, 2, 3}, true)) / deviation).relu() * (1 - share);
  }
  if (recipe.penalty == 0) return {y, {}};
  return {y, (x.to(torch::kFloat32).abs() - recipe.range).relu().square().mean() * recipe.penalty};
}

torch::Tensor ActivationImpl::polynomial() const {
  if (recipe.kind != ActivationKind::hermite) return coefficients;
  torch::NoGradGuard no_gradient;
  const auto shape = slope.sizes();
  const torch::Tensor c1 = slope * kHermite1 / (variance1 + kEpsilon).sqrt().reshape(shape);
  const torch::Tensor c2 = slope * kHermite2 / (variance2 + kEpsilon).sqrt().reshape(shape);
  return torch::stack({shift - c1 * mean1.reshape(shape) - c2 * mean2.reshape(shape), c1, c2});
}

}  // namespace obscura::train
