// SPDX-License-Identifier: Apache-2.0
#include "wire/plan_frame.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "plan/verify.h"

namespace obscura::wire {

namespace {

// Bounds of what a file may claim; each is far above what the compiler makes.
constexpr std::size_t kMaxText = 4096;
constexpr std::size_t kMaxSteps = 1000;
constexpr std::size_t kMaxElements = std::size_t{1} << 20;
constexpr std::size_t kMaxWeights = std::size_t{1} << 28;
constexpr std::size_t kMaxTerms = 64;
constexpr std::size_t kMaxRotations = std::size_t{1} << 16;
constexpr std::uint32_t kMaxSide = 65536;
constexpr std::uint64_t kMaxOfferPayload = std::uint64_t{1} << 20;

void write_numbers(base::Writer& w, const std::vector<double>& v) {
  w.u32(static_cast<std::uint32_t>(v.size()));
  w.raw(std::as_bytes(std::span(v)));
}

template <class T>
void write_integers(base::Writer& w, const std::vector<T>& v) {
  static_assert(sizeof(T) == 4);
  w.u32(static_cast<std::uint32_t>(v.size()));
  w.raw(std::as_bytes(std::span(v)));
}

void write_primes(base::Writer& w, const std::vector<std::uint64_t>& v) {
  w.u32(static_cast<std::uint32_t>(v.size()));
  w.raw(std::as_bytes(std::span(v)));
}

/// Arrays were written as the machine holds them, which base/bytes.cpp holds to little-endian.
template <class T>
std::vector<T> read_array(base::Reader& r, std::size_t limit) {
  const std::size_t n = r.count(limit, sizeof(T));
  const base::ByteView bytes = r.raw(n * sizeof(T));
  std::vector<T> v(bytes.size() / sizeof(T));
  if (!v.empty()) std::memcpy(v.data(), bytes.data(), bytes.size());
  return v;
}

void write_params(base::Writer& w, const ckks::ParamsLiteral& p) {
  w.u32(static_cast<std::uint32_t>(p.log2_degree));
  write_primes(w, p.chain);
  write_primes(w, p.special);
  w.u32(static_cast<std::uint32_t>(p.digit_limbs));
}

ckks::ParamsLiteral read_params(base::Reader& r) {
  ckks::ParamsLiteral p;
  p.log2_degree = static_cast<int>(r.u32());
  p.chain = read_array<std::uint64_t>(r, ckks::kMaxPrimes);
  p.special = read_array<std::uint64_t>(r, ckks::kMaxPrimes);
  p.digit_limbs = static_cast<int>(r.u32());
  return p;
}

void write_layout(base::Writer& w, const plan::Layout& x) {
  for (const std::uint32_t v : {x.channels, x.height, x.width, x.phases, x.row, x.column, x.period}) w.u32(v);
  w.u32(static_cast<std::uint32_t>(x.units.size()));
  for (const plan::Place& unit : x.units) {
    w.u32(unit.ciphertext);
    w.u32(unit.slot);
  }
}

plan::Layout read_layout(base::Reader& r) {
  plan::Layout x;
  for (std::uint32_t* v : {&x.channels, &x.height, &x.width, &x.phases, &x.row, &x.column, &x.period}) *v = r.u32();
  x.units.resize(r.count(plan::kMaxLayoutElements, 8));
  for (plan::Place& unit : x.units) {
    unit.ciphertext = r.u32();
    unit.slot = r.u32();
  }
  return x;
}

void write_optional(base::Writer& w, const std::optional<plan::Layout>& x) {
  w.u8(x ? 1 : 0);
  if (x) write_layout(w, *x);
}

std::optional<plan::Layout> read_optional(base::Reader& r) {
  if (r.u8() != 1) return std::nullopt;
  return read_layout(r);
}

void write_interface(base::Writer& w, const plan::InputSpec& in, const plan::OutputSpec& out,
                     const plan::KeyRequest& keys) {
  w.u32(in.channels);
  w.u32(in.height);
  w.u32(in.width);
  write_numbers(w, in.mean);
  write_numbers(w, in.deviation);
  w.u32(in.limbs);
  w.f64(in.scale);
  w.u32(out.classes);
  w.u32(out.limbs);
  w.f64(out.scale);
  w.f64(out.error_std);
  w.f64(out.noise_std);
  w.u8(keys.relinearization ? 1 : 0);
  w.u32(static_cast<std::uint32_t>(keys.rotations.size()));
  w.raw(std::as_bytes(std::span(keys.rotations)));
  write_optional(w, in.layout);
  write_optional(w, out.layout);
}

void read_interface(base::Reader& r, plan::InputSpec& in, plan::OutputSpec& out, plan::KeyRequest& keys) {
  in.channels = r.u32();
  in.height = r.u32();
  in.width = r.u32();
  in.mean = read_array<double>(r, kMaxSide);
  in.deviation = read_array<double>(r, kMaxSide);
  in.limbs = r.u32();
  in.scale = r.f64();
  out.classes = r.u32();
  out.limbs = r.u32();
  out.scale = r.f64();
  out.error_std = r.f64();
  out.noise_std = r.f64();
  keys.relinearization = r.u8() == 1;
  keys.rotations = read_array<std::int64_t>(r, kMaxRotations);
  in.layout = read_optional(r);
  out.layout = read_optional(r);
}

bool all_finite(const std::vector<double>& v) {
  for (const double x : v) {
    if (!std::isfinite(x)) return false;
  }
  return true;
}

bool usable_scale(double scale) { return std::isfinite(scale) && scale >= 1; }

/// Whether every normalised pixel can be encoded: the encoder takes coefficients below 2^62 and half of the modulus.
Result<void> check_pixels(const ckks::ParamsLiteral& literal, const plan::InputSpec& in, const std::string& name) {
  double largest = 0;
  for (std::size_t c = 0; c < in.channels; ++c) {
    for (const double pixel : {0.0, 1.0}) largest = std::max(largest, std::abs((pixel - in.mean[c]) / in.deviation[c]));
  }
  double allowed = -1;  // log2 of half of the modulus
  for (std::uint32_t i = 0; i < in.limbs; ++i) allowed += std::log2(static_cast<double>(literal.chain[i]));
  allowed = std::min(allowed, 61.0);
  const double encoded = largest * in.scale;
  if (!std::isfinite(encoded) || encoded >= std::exp2(allowed)) {
    return error(Code::bad_format, "{}: pixels reach 2^{:.1f} at scale 2^{:.1f}; below 2^{:.1f} is allowed", name,
                 std::log2(encoded), std::log2(in.scale), allowed);
  }
  return {};
}

/// Where the client puts an image and finds the logits, if not in slots of their own.
Result<void> check_layouts(const ckks::ParamsLiteral& literal, const plan::InputSpec& in, const plan::OutputSpec& out,
                           const std::string& name) {
  if (in.layout.has_value() != out.layout.has_value()) {
    return error(Code::bad_format, "{}: a layout of one of image and logits", name);
  }
  if (!in.layout) return {};
  const std::uint64_t slots = std::uint64_t{1} << (literal.log2_degree - 1);
  OBSCURA_TRY_VOID(plan::verify_layout(*in.layout, slots, name));
  OBSCURA_TRY_VOID(plan::verify_layout(*out.layout, slots, name));
  if (in.layout->channels != in.channels || in.layout->height != in.height || in.layout->width != in.width ||
      out.layout->elements() != out.classes) {
    return error(Code::bad_format, "{}: layouts of {} and {} elements for {} pixels and {} classes", name,
                 in.layout->elements(), out.layout->elements(), in.elements(), out.classes);
  }
  return {};
}

/// What client and runtime rely on before they look at a single step.
Result<void> check_interface(const ckks::ParamsLiteral& literal, const plan::InputSpec& in, const plan::OutputSpec& out,
                             const std::string& name) {
  if (const auto params = ckks::Params::make(literal); !params) {
    return error(params.error().code, "{}: {}", name, params.error().message);
  }
  const std::uint64_t plane = std::uint64_t{in.height} * in.width;
  const bool sides = in.channels > 0 && in.height > 0 && in.width > 0 && in.channels <= kMaxSide &&
                     in.height <= kMaxSide && in.width <= kMaxSide;
  if (!sides || plane * in.channels > kMaxElements) {
    return error(Code::bad_format, "{}: an input of {}x{}x{}; 1 to {} elements are allowed", name, in.channels,
                 in.height, in.width, kMaxElements);
  }
  if (in.mean.size() != in.channels || in.deviation.size() != in.channels || !all_finite(in.mean) ||
      !all_finite(in.deviation)) {
    return error(Code::bad_format, "{}: the normalisation needs one finite mean and deviation for each of {} channels",
                 name, in.channels);
  }
  for (const double d : in.deviation) {
    if (!(d > 0)) return error(Code::bad_format, "{}: a deviation of {}, it must be positive", name, d);
  }
  if (out.classes == 0 || out.classes > kMaxElements) {
    return error(Code::bad_format, "{}: {} classes; 1 to {} are allowed", name, out.classes, kMaxElements);
  }
  const std::size_t chain = literal.chain.size();
  if (in.limbs == 0 || in.limbs > chain || out.limbs == 0 || out.limbs > in.limbs) {
    return error(Code::bad_format, "{}: inputs of {} and outputs of {} limbs on a chain of {}", name, in.limbs,
                 out.limbs, chain);
  }
  if (!usable_scale(in.scale) || !usable_scale(out.scale) || !std::isfinite(out.error_std)) {
    return error(Code::bad_format, "{}: scales {} and {} are not usable", name, in.scale, out.scale);
  }
  // The client sizes the noise under published answers from it; 1e-9 forgives a compiler's other order of sums.
  if (!(out.noise_std > 0) || !(out.noise_std <= (1 + 1e-9) * out.error_std)) {
    return error(Code::bad_format, "{}: an encryption noise of {}; above 0 and at most the error, {}, are allowed",
                 name, out.noise_std, out.error_std);
  }
  OBSCURA_TRY_VOID(check_pixels(literal, in, name));
  return check_layouts(literal, in, out, name);
}

void write_map(base::Writer& w, const ckks::IntegerMap& map) {
  w.u32(map.inputs);
  w.u32(map.outputs);
  w.u32(static_cast<std::uint32_t>(map.matrices.size()));
  for (const auto& m : map.matrices) {
    w.u32(m.rows);
    w.u32(m.cols);
    write_integers(w, m.data);
  }
  w.u32(static_cast<std::uint32_t>(map.blocks.size()));
  for (const auto& b : map.blocks) {
    w.u32(b.matrix);
    write_integers(w, b.inputs);
    write_integers(w, b.outputs);
  }
}

ckks::IntegerMap read_map(base::Reader& r) {
  ckks::IntegerMap map;
  map.inputs = r.u32();
  map.outputs = r.u32();
  map.matrices.resize(r.count(kMaxElements, 12));
  for (auto& m : map.matrices) {
    m.rows = r.u32();
    m.cols = r.u32();
    m.data = read_array<std::int32_t>(r, kMaxWeights);
    if (!r.ok()) return map;
  }
  map.blocks.resize(r.count(kMaxElements, 12));
  for (auto& b : map.blocks) {
    b.matrix = r.u32();
    b.inputs = read_array<std::uint32_t>(r, kMaxElements);
    b.outputs = read_array<std::uint32_t>(r, kMaxElements);
    if (!r.ok()) return map;
  }
  return map;
}

struct WriteOperation {
  base::Writer& w;

  void operator()(const plan::Linear& x) const {
    w.u32(x.input);
    write_map(w, x.map);
    w.f64(x.weight_scale);
    write_numbers(w, x.bias);
  }
  void operator()(const plan::Multiply& x) const {
    w.u32(x.a);
    w.u32(x.b);
  }
  void operator()(const plan::Relinearize& x) const {
    w.u32(x.input);
    w.u32(x.rescale);
  }
  void operator()(const plan::Rescale& x) const {
    w.u32(x.input);
    w.u32(x.limbs);
  }
  void operator()(const plan::Combine& x) const {
    w.u32(static_cast<std::uint32_t>(x.terms.size()));
    for (const auto& term : x.terms) {
      w.u32(term.input);
      write_numbers(w, term.coefficients);
    }
    write_numbers(w, x.constants);
  }
  void operator()(const plan::Transform& x) const {
    w.u32(x.input);
    write_map(w, x.map);
    w.f64(x.weight_scale);
    write_numbers(w, x.bias);
    write_layout(w, x.from);
    write_layout(w, x.to);
    write_integers(w, x.spread);
    w.u32(static_cast<std::uint32_t>(x.split.period));
    w.u32(static_cast<std::uint32_t>(x.split.phase));
    w.f64(x.plain_scale);
    w.u32(x.rescale);
  }
  void operator()(const plan::Fold& x) const {
    w.u32(x.input);
    w.u32(static_cast<std::uint32_t>(x.sums.size()));
    for (const auto& sum : x.sums) {
      w.u32(sum.step);
      w.u32(sum.count);
    }
  }
};

plan::Transform read_transform(base::Reader& r) {
  plan::Transform x;
  x.input = r.u32();
  x.map = read_map(r);
  x.weight_scale = r.f64();
  x.bias = read_array<double>(r, kMaxElements);
  x.from = read_layout(r);
  x.to = read_layout(r);
  x.spread = read_array<std::uint32_t>(r, plan::kMaxSpreads);
  x.split.period = r.u32();
  x.split.phase = static_cast<std::int32_t>(r.u32());
  x.plain_scale = r.f64();
  x.rescale = r.u32();
  return x;
}

plan::Fold read_fold(base::Reader& r) {
  plan::Fold x;
  x.input = r.u32();
  x.sums.resize(r.count(plan::kMaxSpreads, 8));
  for (auto& sum : x.sums) {
    sum.step = r.u32();
    sum.count = r.u32();
  }
  return x;
}

plan::Operation read_operation(base::Reader& r, std::uint32_t tag) {
  switch (tag) {
    case 0: {
      plan::Linear x;
      x.input = r.u32();
      x.map = read_map(r);
      x.weight_scale = r.f64();
      x.bias = read_array<double>(r, kMaxElements);
      return x;
    }
    case 1: {
      const std::uint32_t a = r.u32();
      return plan::Multiply{a, r.u32()};
    }
    case 2: {
      const std::uint32_t input = r.u32();
      return plan::Relinearize{input, r.u32()};
    }
    case 3: {
      const std::uint32_t input = r.u32();
      return plan::Rescale{input, r.u32()};
    }
    case 5:
      return read_transform(r);
    case 6:
      return read_fold(r);
    default: {
      plan::Combine x;
      x.terms.resize(r.count(kMaxTerms, 8));
      for (auto& term : x.terms) {
        term.input = r.u32();
        term.coefficients = read_array<double>(r, kMaxElements);
      }
      x.constants = read_array<double>(r, kMaxElements);
      return x;
    }
  }
}

void write_value(base::Writer& w, const plan::ValueInfo& v) {
  w.u32(v.elements);
  w.u32(v.limbs);
  w.u32(v.parts);
  w.f64(v.scale);
  w.f64(v.max_abs);
  w.f64(v.error_std);
}

plan::ValueInfo read_value(base::Reader& r) {
  plan::ValueInfo v;
  v.elements = r.u32();
  v.limbs = r.u32();
  v.parts = r.u32();
  v.scale = r.f64();
  v.max_abs = r.f64();
  v.error_std = r.f64();
  return v;
}

Result<plan::Plan> parse_plan(base::ByteView payload, const std::string& name) {
  base::Reader r(payload);
  plan::Plan plan;
  plan.name = r.text(kMaxText);
  plan.batch = r.u32();
  plan.params = read_params(r);
  read_interface(r, plan.input, plan.output, plan.keys);
  const std::size_t steps = r.count(kMaxSteps, 52);
  for (std::size_t i = 0; i < steps && r.ok(); ++i) {
    plan::Step step;
    const std::uint32_t tag = r.u32();
    if (tag >= plan::kOperationCount) {
      return error(Code::bad_format, "{}: step {}: operation {} is not known", name, i + 1, tag);
    }
    step.operation = read_operation(r, tag);
    step.output = read_value(r);
    step.origin = r.text(kMaxText);
    step.seconds = r.f64();
    plan.steps.push_back(std::move(step));
  }
  const std::size_t reasons = r.count(kMaxSteps, 4);
  for (std::size_t i = 0; i < reasons && r.ok(); ++i) plan.reasons.push_back(r.text(kMaxText));
  plan.predicted_seconds = r.f64();
  plan.predicted_bytes = r.u64();
  if (!r.ok()) return error(Code::bad_format, "{}: a size or count in the plan does not fit", name);
  if (r.remaining() > 0) return error(Code::bad_format, "{}: {} bytes after the plan's end", name, r.remaining());
  return plan;
}

}  // namespace

base::Bytes write_plan(const plan::Plan& plan) {
  base::Writer w;
  w.text(plan.name);
  w.u32(plan.batch);
  write_params(w, plan.params);
  write_interface(w, plan.input, plan.output, plan.keys);
  w.u32(static_cast<std::uint32_t>(plan.steps.size()));
  for (const auto& step : plan.steps) {
    w.u32(static_cast<std::uint32_t>(step.operation.index()));
    std::visit(WriteOperation{w}, step.operation);
    write_value(w, step.output);
    w.text(step.origin);
    w.f64(step.seconds);
  }
  w.u32(static_cast<std::uint32_t>(plan.reasons.size()));
  for (const auto& reason : plan.reasons) w.text(reason);
  w.f64(plan.predicted_seconds);
  w.u64(plan.predicted_bytes);
  return make_frame(Kind::plan, w.bytes());
}

Result<NamedPlan> read_plan(base::ByteView frame, const std::string& name) {
  OBSCURA_TRY(const base::ByteView payload, open_frame(frame, Kind::plan, name));
  OBSCURA_TRY(plan::Plan plan, parse_plan(payload, name));
  OBSCURA_TRY_VOID(check_interface(plan.params, plan.input, plan.output, name));
  if (const auto verified = plan::verify(plan); !verified) {
    return error(verified.error().code, "{}: {}", name, verified.error().message);
  }
  return NamedPlan{std::move(plan), frame_digest(frame)};
}

Result<NamedPlan> read_plan_file(const std::filesystem::path& path) {
  OBSCURA_TRY(const base::Bytes bytes, read_frame_file(path, Kind::plan, kMaxPayload));
  return read_plan(bytes, path.string());
}

plan::Offer make_offer(const NamedPlan& plan) { return plan::make_offer(plan.plan, plan.digest); }

base::Bytes write_offer(const plan::Offer& offer) {
  base::Writer w;
  w.text(offer.name);
  w.raw(std::as_bytes(std::span(offer.plan_digest)));
  write_params(w, offer.params);
  write_interface(w, offer.input, offer.output, offer.keys);
  return make_frame(Kind::offer, w.bytes());
}

Result<plan::Offer> read_offer(base::ByteView frame, const std::string& name) {
  OBSCURA_TRY(const base::ByteView payload, open_frame(frame, Kind::offer, name));
  base::Reader r(payload);
  plan::Offer offer;
  offer.name = r.text(kMaxText);
  const base::ByteView digest = r.raw(offer.plan_digest.size());
  if (!digest.empty()) std::memcpy(offer.plan_digest.data(), digest.data(), digest.size());
  offer.params = read_params(r);
  read_interface(r, offer.input, offer.output, offer.keys);
  if (!r.ok() || r.remaining() > 0) {
    return error(Code::bad_format, "{}: a size or count in the offer does not fit", name);
  }
  OBSCURA_TRY_VOID(check_interface(offer.params, offer.input, offer.output, name));
  return offer;
}

Result<plan::Offer> read_offer_file(const std::filesystem::path& path) {
  OBSCURA_TRY(const base::Bytes bytes, read_frame_file(path, Kind::offer, kMaxOfferPayload));
  return read_offer(bytes, path.string());
}

}  // namespace obscura::wire
