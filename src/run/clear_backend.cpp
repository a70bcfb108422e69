// SPDX-License-Identifier: Apache-2.0
#include "run/clear_backend.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <numbers>
#include <random>
#include <utility>

#include "run/execute.h"

namespace obscura::run {

namespace {

// Slots that a thread takes at a time: a row of the widest layers (some thousand inputs) then stays in the L2 cache.
constexpr std::size_t kSlotsAtOnce = 128;

enum Purpose : std::uint64_t {
  kEncrypt = 1,
  kMultiply,
  kRelinearize,
  kRescale,
  kCombine,
  kLinear,
  kTransform,
  kFold,
  kPolynomial,
  kBootstrap
};

/// SplitMix64's finaliser over two words: names of values, not cryptography.
std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  std::uint64_t z = a * 0x9E3779B97F4A7C15ULL + b + 0x632BE59BD9B4E019ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

/// Rows of one block over slots [first, first + count).
void apply_block(const ckks::IntegerMatrix& matrix, const ckks::IntegerBlock& block, double weight_scale,
                 std::span<const double> bias, std::span<const ClearValue> x, std::size_t first, std::size_t count,
                 std::span<ClearValue> y) {
  for (std::size_t r = 0; r < block.outputs.size(); ++r) {
    double sum[kSlotsAtOnce] = {};
    for (std::size_t c = 0; c < block.inputs.size(); ++c) {
      const double w = matrix.data[r * matrix.cols + c];
      if (w == 0) continue;
      const double* in = x[block.inputs[c]].slots.data() + first;
      for (std::size_t j = 0; j < count; ++j) sum[j] += w * in[j];
    }
    const std::size_t o = block.outputs[r];
    double* out = y[o].slots.data() + first;
    for (std::size_t j = 0; j < count; ++j) out[j] = sum[j] / weight_scale + bias[o];
  }
}

}  // namespace

ClearModel::ClearModel(std::shared_ptr<const Program> program) : Model(std::move(program)) {
  for (const auto& [s, t] : weighted_transforms(plan())) {
    const auto& transform = std::get<plan::Transform>(plan().steps[s].operation);
    const plan::ValueInfo in = plan().value(transform.input);
    Transform& own = transforms_[s];
    own = {t.diagonals, t.weights, {}};
    for (std::uint32_t o = 0; o < t.shape->outputs(); ++o) {
      ckks::TransformNoise& noise = own.noise.emplace_back(plan::noise_of(*t.shape, *t.diagonals, o));
      noise.limbs = in.limbs;
      noise.scale_in = in.scale;
      noise.scale_out = plan().steps[s].output.scale;
      noise.plaintext_scale = transform.plain_scale;
    }
  }
}

const ClearModel::Transform& ClearModel::transform(std::size_t step) const {
  const auto found = transforms_.find(step);
  OBSCURA_CHECK(found != transforms_.end(), "step {} is no transform", step);
  return found->second;
}

ClearBackend::ClearBackend(ckks::Params params, std::optional<std::uint64_t> noise_seed)
    : params_(std::move(params)), noise_seed_(noise_seed) {}

void ClearBackend::add_noise(Value& x, double deviation) const {
  if (!noise_seed_) return;
  std::mt19937_64 engine(mix(*noise_seed_, x.stream));
  std::normal_distribution<double> normal(0.0, deviation);
  for (double& v : x.slots) v += normal(engine);
}

double ClearBackend::scale_after(double scale, std::uint32_t limbs, std::uint32_t dropped) const {
  const auto& chain = params_.literal().chain;
  OBSCURA_CHECK(dropped < limbs && limbs <= chain.size(), "cannot drop {} of {} limbs", dropped, limbs);
  for (std::uint32_t k = 1; k <= dropped; ++k) scale /= static_cast<double>(chain[limbs - k]);
  return scale;
}

ClearBackend::Value ClearBackend::encrypt(std::vector<double> slots, double scale, std::uint32_t limbs,
                                          std::uint64_t index) const {
  Value x{std::move(slots), {limbs, 2, scale}, mix(kEncrypt, index)};
  add_noise(x, ckks::noise_of_encryption(params_) / scale);
  return x;
}

ClearBackend::Value ClearBackend::multiply(const Value& a, const Value& b) const {
  OBSCURA_CHECK(a.shape.parts == 2 && b.shape.parts == 2, "multiply: {} and {} parts", a.shape.parts, b.shape.parts);
  const std::uint32_t limbs = std::min(a.shape.limbs, b.shape.limbs);
  Value y{a.slots, {limbs, 3, a.shape.scale * b.shape.scale}, mix(mix(kMultiply, a.stream), b.stream)};
  for (std::size_t j = 0; j < y.slots.size(); ++j) y.slots[j] *= b.slots[j];
  return y;
}

ClearBackend::Value ClearBackend::relinearize(const Value& x, std::uint32_t rescale) const {
  OBSCURA_CHECK(x.shape.parts == 3, "relinearize: {} parts", x.shape.parts);
  const double scale = scale_after(x.shape.scale, x.shape.limbs, rescale);
  Value y{x.slots, {x.shape.limbs - rescale, 2, scale}, mix(kRelinearize, x.stream)};
  const double switched = ckks::noise_of_switch(params_, x.shape.limbs) / x.shape.scale;
  add_noise(y, std::hypot(switched, ckks::noise_of_rounding(params_, 2) / scale));
  return y;
}

ClearBackend::Value ClearBackend::rescale(const Value& x, std::uint32_t limbs) const {
  const double scale = scale_after(x.shape.scale, x.shape.limbs, limbs);
  Value y{x.slots, {x.shape.limbs - limbs, x.shape.parts, scale}, mix(kRescale, x.stream)};
  add_noise(y, ckks::noise_of_rounding(params_, x.shape.parts) / scale);
  return y;
}

ClearBackend::Value ClearBackend::combine(std::span<const ClearTerm> terms, double constant) const {
  OBSCURA_CHECK(!terms.empty() && terms[0].coefficient == 1, "combine: term 0 must be there, with coefficient 1");
  Value y = *terms[0].x;
  y.stream = mix(kCombine, y.stream);
  for (double& v : y.slots) v += constant;
  for (const auto& term : terms.subspan(1)) {
    // The integer that the ciphertext is multiplied with, and what it is worth in slot units.
    const double ratio = y.shape.scale / term.x->shape.scale;
    const double factor = std::nearbyint(term.coefficient * ratio) / ratio;
    for (std::size_t j = 0; j < y.slots.size(); ++j) y.slots[j] += factor * term.x->slots[j];
    y.shape.limbs = std::min(y.shape.limbs, term.x->shape.limbs);
    y.shape.parts = std::max(y.shape.parts, term.x->shape.parts);
    y.stream = mix(y.stream, term.x->stream);
  }
  return y;
}

void ClearBackend::linear(const Model& model, std::size_t step, std::span<const std::uint32_t> blocks, const Tensor& x,
                          Tensor& y) const {
  const auto& linear = std::get<plan::Linear>(model.plan().steps[step].operation);
  const ckks::IntegerMap& map = linear.map;
  OBSCURA_CHECK(x.size() == map.inputs && y.size() == map.outputs && linear.bias.size() == map.outputs,
                "linear: {} inputs, {} outputs and {} biases for a map of {} to {}", x.size(), y.size(),
                linear.bias.size(), map.inputs, map.outputs);
  if (blocks.empty()) return;
  const Value& like = x[map.blocks[blocks[0]].inputs.at(0)];
  const std::size_t slots = like.slots.size();
  for (const std::uint32_t b : blocks) {
    std::uint64_t stream = kLinear;
    for (const std::uint32_t i : map.blocks[b].inputs) stream = mix(stream, x[i].stream);
    for (const std::uint32_t o : map.blocks[b].outputs) {
      y[o] = {std::vector<double>(slots), like.shape, mix(stream, o)};
      y[o].shape.scale *= linear.weight_scale;
    }
  }
  const std::size_t chunks = (slots + kSlotsAtOnce - 1) / kSlotsAtOnce;
  base::parallel_for(chunks * blocks.size(), [&](std::size_t task) {
    const ckks::IntegerBlock& block = map.blocks[blocks[task % blocks.size()]];
    const std::size_t first = task / blocks.size() * kSlotsAtOnce;
    apply_block(map.matrices[block.matrix], block, linear.weight_scale, linear.bias, x, first,
                std::min(kSlotsAtOnce, slots - first), y);
  });
}

void ClearBackend::transform(const Model& model, std::size_t step, const Tensor& x, Tensor& y) const {
  const ClearModel::Transform& transform = model.transform(step);
  const std::uint32_t rescale = std::get<plan::Transform>(model.plan().steps[step].operation).rescale;
  const Shape made{x.at(0).shape.limbs - rescale, 2, model.plan().steps[step].output.scale};
  const plan::Diagonals& diagonals = *transform.diagonals;
  const std::size_t slots = diagonals.slots();
  std::uint64_t stream = mix(kTransform, step);
  for (const Value& in : x) stream = mix(stream, in.stream);
  for (std::uint32_t o = 0; o < y.size(); ++o) {
    y[o] = {transform.weights->bias(o), made, mix(stream, o)};
  }
  // Of the slots that each output reads: others may hold anything.
  std::vector<double> squares(y.size(), 0), reads(y.size(), 0);
  for (std::size_t d = 0; d < diagonals.places().size(); ++d) {
    const ckks::Diagonal& place = diagonals.places()[d];
    const std::vector<double>& in = x[place.input].slots;
    std::vector<double>& out = y[place.output].slots;
    const auto distance =
        static_cast<std::size_t>(place.step < 0 ? place.step + static_cast<std::int64_t>(slots) : place.step);
    for (const auto& [position, weight] : transform.weights->of(d)) {
      const double w = static_cast<double>(weight) / diagonals.weight_scale();
      for (std::uint32_t image = 0; image < diagonals.sharing().images; ++image) {
        const std::size_t slot = diagonals.sharing().slot(position, image);
        const std::size_t from = slot + distance;
        const double v = in[from < slots ? from : from - slots];
        out[slot] += w * v;
        squares[place.output] += v * v;
      }
    }
    reads[place.output] += static_cast<double>(transform.weights->of(d).size() * diagonals.sharing().images);
  }
  if (!noise_seed_) return;
  for (std::uint32_t o = 0; o < y.size(); ++o) {
    ckks::TransformNoise noise = transform.noise[o];
    noise.input_square = squares[o] / reads[o];
    add_noise(y[o], ckks::noise_of_transform(params_, noise));
  }
}

void ClearBackend::elementwise(const Model& model, ElementwiseTask& task, std::span<Tensor> values) const {
  run_elements(*this, model, task, values);
}

ClearBackend::Value ClearBackend::apply(const plan::Multiply& product, const Elements& at) const {
  return multiply(at[product.a], at[product.b]);
}

ClearBackend::Value ClearBackend::apply(const plan::Relinearize& switched, const Elements& at) const {
  return relinearize(at[switched.input], switched.rescale);
}

ClearBackend::Value ClearBackend::apply(const plan::Rescale& rescaled, const Elements& at) const {
  return rescale(at[rescaled.input], rescaled.limbs);
}

ClearBackend::Value ClearBackend::apply(const plan::Combine& sum, const Elements& at) const {
  std::vector<ClearTerm> terms;
  for (const auto& term : sum.terms) terms.push_back({&at[term.input], at.pick(term.coefficients, 1)});
  return combine(terms, at.pick(sum.constants, 0));
}

ClearBackend::Value ClearBackend::apply(const plan::Fold& fold, const Elements& at) const {
  const Value& x = at[fold.input];
  Value y = x;
  const double switched =
      std::hypot(ckks::noise_of_switch(params_, x.shape.limbs), ckks::noise_of_rounding(params_, 2));
  for (const plan::Fold::Sum& sum : fold.sums) {
    const std::vector<double> before = y.slots;
    const std::size_t n = before.size();
    for (std::size_t k = 1; k < sum.count; ++k) {
      for (std::size_t j = 0; j < n; ++j) y.slots[j] += before[(j + k * sum.step) % n];
    }
    y.stream = mix(mix(kFold, y.stream), sum.step);
    add_noise(y, switched * std::sqrt(static_cast<double>(sum.count - 1)) / y.shape.scale);
  }
  return y;
}

ClearBackend::Value ClearBackend::apply(const plan::Polynomial& polynomial, const Elements& at) const {
  const Value& x = at[polynomial.input];
  const ckks::CompositePlan& composite = at.model().polynomial(at.step());
  Value y{ckks::evaluate_clear(composite, x.slots),
          {static_cast<std::uint32_t>(composite.output_limbs()), 2, composite.output_scale},
          mix(kPolynomial, x.stream)};
  if (!noise_seed_) return y;
  const std::vector<double> deviations = ckks::predict_error(params_, composite, x.slots, 0);
  std::mt19937_64 engine(mix(*noise_seed_, y.stream));
  std::normal_distribution<double> normal(0.0, 1.0);
  for (std::size_t j = 0; j < y.slots.size(); ++j) y.slots[j] += deviations[j] * normal(engine);
  return y;
}

ClearBackend::Value ClearBackend::apply(const plan::Bootstrap& bootstrap, const Elements& at) const {
  const Value& x = at[bootstrap.input];
  const plan::Plan& plan = at.model().plan();
  Value y{x.slots, {plan.steps[at.step()].output.limbs, 2, plan.bootstrap->output_scale}, mix(kBootstrap, x.stream)};
  if (!noise_seed_) return y;
  const auto& bootstrapper = at.model().program().bootstrapper;
  OBSCURA_CHECK(bootstrapper != nullptr, "noise of bootstrapping without a bootstrapper");
  // The sine in place of the line is known slot by slot, and far from equal in all; the rest is noise.
  const double predicted = bootstrapper->predict(x.slots).total();
  const double turn = 2 * std::numbers::pi / std::exp2(bootstrapper->params().literal().log2_ratio);
  double bent = 0;
  for (std::size_t j = 0; j < y.slots.size(); ++j) {
    y.slots[j] = std::sin(turn * x.slots[j]) / turn;
    bent += (y.slots[j] - x.slots[j]) * (y.slots[j] - x.slots[j]) / static_cast<double>(y.slots.size());
  }
  add_noise(y, std::sqrt(std::max(0.0, predicted * predicted - bent)));
  return y;
}

namespace {

/// What every run of a model on the plaintext simulator shares.
class Runner {
 public:
  Runner(const ClearModel& model, const ckks::Params& params, std::span<const float> images,
         std::optional<std::uint64_t> noise_seed)
      : model_(model), plan_(model.plan()), params_(params), images_(images), noise_seed_(noise_seed) {}

  /// Runs images [first, first + count), which go through together, and writes their logits.
  Result<void> run(std::size_t first, std::size_t count, const base::Progress& progress,
                   std::span<float> logits) const {
    std::optional<std::uint64_t> seed;
    if (noise_seed_) seed = mix(*noise_seed_, first / plan_.images_at_once());
    const ClearBackend backend(params_, seed);
    const std::size_t elements = plan_.input.elements();
    // One image a slot: slots of images that are not there say nothing of others.
    const bool batch = plan::is_batch(plan_);
    plan::Layout layout = plan_.input.layout;
    if (batch) layout.sharing.images = static_cast<std::uint32_t>(count);
    const plan::Packing packing(layout, batch ? count : plan::slots(plan_));
    std::vector<ClearValue> inputs(plan_.input.ciphertexts());
    base::parallel_for(inputs.size(), [&](std::size_t i) {
      auto slots = packing.pack(static_cast<std::uint32_t>(i), count, [&](std::size_t element, std::size_t image) {
        return static_cast<double>(images_[(first + image) * elements + element]);
      });
      inputs[i] = backend.encrypt(std::move(slots), plan_.input.scale, plan_.input.limbs, i);
    });
    OBSCURA_TRY(const std::vector<ClearValue> outputs, execute(model_, backend, std::move(inputs), progress));
    const std::size_t classes = plan_.output.classes;
    for (std::uint32_t c = 0; c < classes; ++c) {
      const plan::Place at = plan_.output.layout.place(c);
      for (std::size_t j = 0; j < count; ++j) {
        const std::size_t slot = plan_.output.layout.sharing.slot(at.position, j);
        logits[(first + j) * classes + c] = static_cast<float>(outputs[at.ciphertext].slots[slot]);
      }
    }
    return {};
  }

 private:
  const ClearModel& model_;
  const plan::Plan& plan_;
  const ckks::Params& params_;
  std::span<const float> images_;
  std::optional<std::uint64_t> noise_seed_;
};

}  // namespace

Result<std::vector<float>> run_clear(const ClearModel& model, std::span<const float> images, std::size_t count,
                                     std::optional<std::uint64_t> noise_seed, const base::Progress& progress) {
  const plan::Plan& plan = model.plan();
  const std::size_t elements = plan.input.elements(), at_once = plan.images_at_once();
  OBSCURA_CHECK(images.size() == count * elements, "{} floats for {} images of {}", images.size(), count, elements);
  OBSCURA_TRY(const ckks::Params params, ckks::Params::make(plan.params));
  const Runner runner(model, params, images, noise_seed);
  std::vector<float> logits(count * plan.output.classes);
  const std::size_t batches = (count + at_once - 1) / at_once;
  const auto size = [&](std::size_t batch) { return std::min(at_once, count - batch * at_once); };
  if (plan::is_batch(plan)) {  // one after the other: each is large
    for (std::size_t batch = 0; batch < batches; ++batch) {
      const base::Progress overall = [&](std::size_t done, std::size_t total) {
        return !progress || progress(batch * total + done, batches * total);
      };
      OBSCURA_TRY_VOID(runner.run(batch * at_once, size(batch), overall, logits));
    }
    return logits;
  }
  std::atomic<std::size_t> done{0};
  std::atomic<bool> stopped{false};
  std::mutex reporting;
  base::parallel_for(batches, [&](std::size_t batch) {
    if (stopped) return;
    OBSCURA_CHECK(runner.run(batch * at_once, size(batch), {}, logits).ok(), "a run that nobody stops ends");
    const std::lock_guard lock(reporting);
    if (progress && !progress(done += size(batch), count)) stopped = true;
  });
  if (stopped) return error(Code::cancelled, "stopped after {} of {} images", done.load(), count);
  return logits;
}

}  // namespace obscura::run
