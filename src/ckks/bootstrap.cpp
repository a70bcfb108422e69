// SPDX-License-Identifier: Apache-2.0
#include "ckks/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <mutex>
#include <numbers>
#include <utility>

#include "base/parallel.h"
#include "ckks/cosine.h"
#include "ckks/evaluator.h"
#include "ckks/keyswitch.h"
#include "ckks/scale.h"

namespace obscura::ckks {

namespace {

/// Bits that a plaintext of the transforms has at least.
constexpr double kMinPlaintextBits = 20;
/// Of a rotation's key, in NTTs for each two limbs of it: keys are what bootstrapping takes most memory for.
constexpr double kKeyPrice = 2.5;

double prime_product(const Context& context, std::size_t first, std::size_t last) {
  double product = 1;
  for (std::size_t i = first; i < last; ++i) product *= static_cast<double>(context.basis().prime(i));
  return product;
}

/// A factor's numbers, times `scale`, made when a diagonal is first asked for: a plan's keys, memory and error follow
/// without them.
class FactorDiagonals {
 public:
  FactorDiagonals(const FftFactor& factor, double scale) : factor_(factor), scale_(scale) {}

  /// Repeated as often as there are slots.
  void write(std::int64_t step, std::span<std::complex<double>> slots) const {
    std::call_once(made_, [&] {
      matrix_ = factor_.matrix();
      for (auto& [_, diagonal] : matrix_) {
        for (auto& x : diagonal) x *= scale_;
      }
    });
    const auto n = static_cast<std::int64_t>(factor_.slots);
    const auto& values = matrix_.at((step % n + n) % n);
    for (std::size_t j = 0; j < slots.size(); ++j) slots[j] = values[j % values.size()];
  }

 private:
  FftFactor factor_;
  double scale_;
  mutable std::once_flag made_;
  mutable SlotMatrix matrix_;
};

}  // namespace

Bootstrapper::Bootstrapper(const BootstrapParams& params, const BootstrapPlace& place,
                           const std::shared_ptr<Resources>& resources)
    : params_(params),
      place_(place),
      context_(Context::make(params.params(), resources)),
      sparse_context_(Context::make(params.sparse_params(), resources)),
      raise_context_(Context::make(params.raise_params(), resources)) {}

double Bootstrapper::ratio() const { return std::exp2(params_.literal().log2_ratio); }

double Bootstrapper::message_scale() const { return static_cast<double>(context_->basis().prime(0)) / ratio(); }

Result<std::shared_ptr<const Bootstrapper>> Bootstrapper::make(const BootstrapParams& params,
                                                               const BootstrapPlace& place,
                                                               const std::shared_ptr<Resources>& resources) {
  const auto allowed = [](double scale) { return scale >= kMinBootstrapScale && scale <= kMaxBootstrapScale; };
  if (!allowed(place.input_scale) || !allowed(place.output_scale)) {
    return error(Code::wrong_params, "bootstrapping from scale {} to {}, 2^20 .. 2^60 are allowed", place.input_scale,
                 place.output_scale);
  }
  std::shared_ptr<Bootstrapper> out(new Bootstrapper(params, place, resources));
  OBSCURA_TRY_VOID(out->plan_eval_mod());
  OBSCURA_TRY_VOID(out->plan_coeff_to_slot());
  OBSCURA_TRY_VOID(out->plan_slot_to_coeff());
  return std::shared_ptr<const Bootstrapper>(std::move(out));
}

Result<void> Bootstrapper::plan_eval_mod() {
  const BootstrapLiteral& literal = params_.literal();
  const auto& chain = params_.params().literal().chain;
  // Backwards: the scale of each double angle is what its square needs.
  struct Angle {
    std::size_t limbs, primes;
    double scale;
  };
  std::vector<Angle> angles;
  std::size_t limbs = params_.limbs().output;
  // sin(2 pi x) at one scale is the slot at another: sin(2 pi x) / 2 pi = 2^-ratio z.
  double scale = place_.output_scale * ratio() / (2 * std::numbers::pi);
  for (int k = literal.double_angles; k-- > 0;) {
    const std::size_t primes = k < literal.wide_angles ? 2 : 1;
    scale = std::sqrt(scale * prime_product(*context_, limbs, limbs + primes));
    limbs += primes;
    angles.push_back({limbs, primes, scale});
  }
  const double half = cosine_half_width(literal.range);
  const std::vector<double> series =
      fit_cosine({literal.cosine_degree, literal.double_angles, literal.range, literal.weight, 1 / ratio()});
  const PolynomialForm cosine{0.25 - half, 0.25 + half, PolynomialBasis::chebyshev, series};
  const std::size_t top = params_.limbs().eval_mod;
  const double drop = prime_product(*context_, top - 2, top);
  OBSCURA_TRY(PolynomialPlan first, plan_polynomial(chain, cosine, {top, drop / half, scale, 2}));
  eval_mod_.limbs = first.limbs;
  eval_mod_.input_scale = first.input_scale;
  eval_mod_.stages.push_back(std::move(first));
  for (std::size_t k = angles.size(); k-- > 0;) {
    const double exact = eval_mod_.stages.back().output_scale();
    OBSCURA_TRY(PolynomialPlan stage, plan_double_angle(chain, angles[k].limbs, exact, angles[k].primes));
    eval_mod_.stages.push_back(std::move(stage));
  }
  eval_mod_.output_scale = eval_mod_.stages.back().output_scale();
  return {};
}

Result<std::vector<Transform>> Bootstrapper::place_factors(std::span<const FftFactor> factors, double numbers,
                                                           std::size_t limbs, double scale_in, double scale_out) {
  const std::size_t slots = context_->params().slots();
  std::vector<Transform> out;
  const double ratio = std::pow(scale_out / scale_in, 1.0 / static_cast<double>(factors.size()));
  for (std::size_t f = 0; f < factors.size(); ++f, --limbs) {
    SplitOptions options;
    options.size = SwitchSize::at(params_.params(), limbs);
    options.key_price = kKeyPrice * static_cast<double>(options.size.digits * (limbs + options.size.special));
    for (const auto* others : {&std::as_const(out), &std::as_const(coeff_to_slot_)}) {
      for (const Transform& other : *others) {
        const auto& steps = other.shape().rotation_steps();
        options.keys_there.insert(options.keys_there.end(), steps.begin(), steps.end());
      }
    }
    std::vector<Diagonal> diagonals;
    // The steps of a ring with more slots, the least of those that are equal mod n.
    const auto n = static_cast<std::int64_t>(factors[f].slots);
    for (const std::int64_t step : factors[f].steps()) diagonals.push_back({0, 0, 2 * step > n ? step - n : step});
    const auto shape = std::make_shared<TransformShape>(slots, 1, 1, std::move(diagonals), options);
    const auto values = std::make_shared<const FactorDiagonals>(factors[f], f == 0 ? numbers : 1);
    const auto fill = [values](const Diagonal& at, std::span<std::complex<double>> to) { values->write(at.step, to); };
    TransformPlace place;
    place.limbs = limbs;
    place.rescale = 1;
    place.scale_in = scale_in;
    place.scale_out = f + 1 == factors.size() ? scale_out : scale_in * ratio;
    place.memory = place_.memory;
    place.period = factors[f].period();
    scale_in = place.scale_out;
    const Transform& made = out.emplace_back(context_, shape, fill, place);
    if (std::log2(made.plaintext_scale()) < kMinPlaintextBits) {
      return error(Code::wrong_params,
                   "bootstrapping: plaintexts of {:.1f} bits in a transform, at least {} are needed",
                   std::log2(made.plaintext_scale()), kMinPlaintextBits);
    }
  }
  return out;
}

Result<void> Bootstrapper::plan_coeff_to_slot() {
  const auto factors = slots_to_coefficients(params_.slots(), params_.literal().coeff_to_slot);
  // The trace into the subring multiplies by N/2 / n; the real part is half of the sum with the conjugate.
  const double numbers = 0.5 / static_cast<double>(params_.gap());
  const double scale = static_cast<double>(context_->basis().prime(0));
  OBSCURA_TRY(coeff_to_slot_, place_factors(factors, numbers, params_.limbs().raised, scale, eval_mod_.input_scale));
  return {};
}

Result<void> Bootstrapper::plan_slot_to_coeff() {
  const auto factors = coefficients_to_slots(params_.slots(), params_.literal().slot_to_coeff);
  OBSCURA_TRY(slot_to_coeff_, place_factors(factors, 1, params_.limbs().input, place_.input_scale, message_scale()));
  return {};
}

std::map<std::uint64_t, std::size_t> Bootstrapper::galois_limbs() const {
  std::map<std::uint64_t, std::size_t> out;
  const auto need = [&](std::uint64_t element, std::size_t limbs) { out[element] = std::max(out[element], limbs); };
  for (const auto* transforms : {&coeff_to_slot_, &slot_to_coeff_}) {
    for (const Transform& transform : *transforms) {
      for (const std::int64_t step : transform.shape().rotation_steps()) {
        need(context_->galois_element(step), transform.place().limbs);
      }
    }
  }
  need(conjugation_element(context_->degree()), params_.limbs().eval_mod);
  return out;
}

Ciphertext Bootstrapper::slot_to_coeff(const EvalKeys& keys, const Ciphertext& x) const {
  const std::size_t limbs = params_.limbs().input;
  OBSCURA_CHECK(x.parts.size() == 2 && x.limbs() >= limbs && same_scale(x.scale, place_.input_scale),
                "bootstrapping: {} parts and {} limbs at scale {}, 2, at least {} and {} are needed", x.parts.size(),
                x.limbs(), x.scale, limbs, place_.input_scale);
  Ciphertext y = x;
  y.scale = place_.input_scale;
  for (ring::NttPoly& part : y.parts) part.drop_to(limbs);
  for (const Transform& factor : slot_to_coeff_) {
    y = std::move(apply(*context_, keys, factor, std::span(&y, 1)).front());
  }
  return y;
}

Ciphertext Bootstrapper::encapsulate(const BootstrapKeys& own, const Ciphertext& x) const {
  OBSCURA_CHECK(x.parts.size() == 2 && x.limbs() == 1, "encapsulate: {} parts and {} limbs, 2 and 1 are needed",
                x.parts.size(), x.limbs());
  const Decomposition digits(*sparse_context_, x.parts[1]);
  Ciphertext out;
  out.parts = std::move(switch_many(*sparse_context_, own.to_sparse, {{&digits, {&x.parts[0], nullptr}}}, 0).front());
  out.scale = x.scale;
  return out;
}

std::vector<std::uint64_t> Bootstrapper::trace() const {
  std::vector<std::uint64_t> elements;
  for (std::size_t step = 0; step < context_->params().slots(); step += params_.slots()) {
    elements.push_back(context_->galois_element(static_cast<std::int64_t>(step)));
  }
  return elements;
}

Ciphertext Bootstrapper::mod_raise(const BootstrapKeys& own, const Ciphertext& x) const {
  const std::vector<std::uint64_t> elements = trace();
  OBSCURA_CHECK(x.parts.size() == 2 && x.limbs() == 1, "ModRaise: {} parts and {} limbs, 2 and 1 are needed",
                x.parts.size(), x.limbs());
  OBSCURA_CHECK(own.to_dense.size() == elements.size(), "ModRaise: {} keys, {} are needed", own.to_dense.size(),
                elements.size());
  const Context& context = *raise_context_;
  const ring::Basis& basis = context.basis();
  const std::size_t n = context.degree(), limbs = params_.limbs().raised;
  const auto& kernels = context.kernels();
  std::vector<ring::CoeffPoly> low;
  for (const ring::NttPoly& part : x.parts) {
    std::copy_n(part.limb(0), n, low.emplace_back(context.resources(), n, 1).limb(0));
    basis.inverse(low.back().limb(0), 0);
  }
  // The sum over the automorphisms leaves every gap-th coefficient, so many times.
  const auto gap = static_cast<double>(elements.size());
  for (std::size_t j = 0; j < n; ++j) low[0].limb(0)[j] *= j % elements.size() == 0 ? 1 : 0;
  std::vector<std::vector<std::uint32_t>> permutations;
  permutations.reserve(elements.size());
  for (const std::uint64_t element : elements) permutations.push_back(context.automorphisms().permutation(element));
  ring::NttPoly sums[2] = {{context.resources(), n, basis.size()}, {context.resources(), n, basis.size()}};
  base::parallel_for(basis.size(), [&](std::size_t t) {
    const auto& m = basis.modulus(t);
    ring::NttPoly raised(context.resources(), n, elements.size());
    kernels.reduce(raised.limb(0), low[1].limb(0), n, m);
    basis.forward(raised.limb(0), t);
    std::vector<const double*> rows, key_rows[2];
    for (std::size_t k = 0; k < elements.size(); ++k) {
      if (k > 0) kernels.permute(raised.limb(k), raised.limb(0), permutations[k].data(), n);
      rows.push_back(raised.limb(k));
      key_rows[0].push_back(own.to_dense[k].body[0].limb(t));
      key_rows[1].push_back(own.to_dense[k].uniform.limb(0, t));
    }
    for (int part = 0; part < 2; ++part) {
      kernels.inner_product(sums[part].limb(t), rows.data(), key_rows[part].data(), rows.size(), n, m);
    }
    if (t >= limbs) return;
    kernels.reduce(raised.limb(0), low[0].limb(0), n, m);
    basis.forward(raised.limb(0), t);
    const double factor = ring::integer_residue(gap * context.special_product(t), basis.prime(t));
    kernels.multiply_scalar_add(sums[0].limb(t), raised.limb(0), factor, n, m);
  });
  Ciphertext out;
  for (ring::NttPoly& sum : sums) out.parts.push_back(divide_extended(context, std::move(sum), limbs, 0));
  // Slots are now what the transform takes: coefficients in units of q_0.
  out.scale = static_cast<double>(basis.prime(0));
  return out;
}

Ciphertext Bootstrapper::coeff_to_slot(const EvalKeys& keys, const Ciphertext& x) const {
  Ciphertext y = x;
  for (const Transform& factor : coeff_to_slot_) {
    y = std::move(apply(*context_, keys, factor, std::span(&y, 1)).front());
  }
  return add(*context_, y, conjugate(*context_, keys, y));
}

Ciphertext Bootstrapper::eval_mod(const EvalKeys& keys, const Ciphertext& x) const {
  Ciphertext y = evaluate(*context_, keys, eval_mod_, x);
  y.scale = place_.output_scale;
  return y;
}

Ciphertext Bootstrapper::run(const EvalKeys& keys, const BootstrapKeys& own, const Ciphertext& x) const {
  const Ciphertext raised = mod_raise(own, encapsulate(own, slot_to_coeff(keys, x)));
  return eval_mod(keys, coeff_to_slot(keys, raised));
}

}  // namespace obscura::ckks
