// SPDX-License-Identifier: Apache-2.0
#include "wire/plan_frame.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "plan/verify.h"
#include "wire/plan_parts.h"
#include "wire/signature.h"

namespace obscura::wire {

namespace {

constexpr std::size_t kMaxSteps = 1000;
constexpr std::size_t kMaxRotations = std::size_t{1} << 16;
constexpr std::uint32_t kMaxSide = 65536;
constexpr std::uint64_t kMaxOfferPayload = std::uint64_t{1} << 24;  // layouts of kMaxElements, 8 bytes each

void write_params(base::Writer& w, const ckks::ParamsLiteral& p) {
  w.u32(static_cast<std::uint32_t>(p.log2_degree));
  write_array(w, p.chain);
  write_array(w, p.special);
  w.u32(static_cast<std::uint32_t>(p.digit_limbs));
  w.u8(static_cast<std::uint8_t>(p.ring));
}

ckks::ParamsLiteral read_params(base::Reader& r) {
  ckks::ParamsLiteral p;
  p.log2_degree = static_cast<int>(r.u32());
  p.chain = read_array<std::uint64_t>(r, ckks::kMaxPrimes);
  p.special = read_array<std::uint64_t>(r, ckks::kMaxPrimes);
  p.digit_limbs = static_cast<int>(r.u32());
  p.ring = static_cast<ckks::RingType>(r.u8());  // ckks::Params judges it
  return p;
}

void write_answer(base::Writer& w, const plan::AnswerSpec& x) {
  w.u8(static_cast<std::uint8_t>(x.kind));
  w.u8(static_cast<std::uint8_t>(x.function));
  w.u32(static_cast<std::uint32_t>(x.class_names.size()));
  for (const std::string& name : x.class_names) w.text(name);
}

/// Numbers as they are: plan::verify_answer judges them.
plan::AnswerSpec read_answer(base::Reader& r) {
  plan::AnswerSpec x;
  x.kind = static_cast<plan::AnswerKind>(r.u8());
  x.function = static_cast<plan::AnswerFunction>(r.u8());
  x.class_names.resize(r.count(plan::kMaxClassNames, 4));
  for (std::string& name : x.class_names) name = r.text(plan::kMaxClassName);
  return x;
}

/// What a plan and its offer both say.
template <class T>
void write_interface(base::Writer& w, const T& x) {
  w.u32(x.input.channels);
  w.u32(x.input.height);
  w.u32(x.input.width);
  write_array(w, x.input.mean);
  write_array(w, x.input.std);
  w.f64(x.input.standardise.floor);
  w.f64(x.input.standardise.clip);
  w.u32(x.input.limbs);
  w.f64(x.input.scale);
  w.u32(x.output.classes);
  w.u32(x.output.limbs);
  w.f64(x.output.scale);
  w.f64(x.output.error_std);
  w.f64(x.output.noise_std);
  w.f64(x.output.noise_growth);
  write_answer(w, x.output.answer);
  w.u8(x.keys.relinearization ? 1 : 0);
  w.u32(static_cast<std::uint32_t>(x.keys.rotations.size()));
  for (const auto& [step, limbs] : x.keys.rotations) {
    w.u64(static_cast<std::uint64_t>(step));
    w.u32(limbs);
  }
  w.u32(x.keys.conjugation);
  w.u8(x.bootstrap ? 1 : 0);
  if (x.bootstrap) write_bootstrap(w, *x.bootstrap);
  write_layout(w, x.input.layout);
  write_layout(w, x.output.layout);
}

template <class T>
void read_interface(base::Reader& r, T& x) {
  x.input.channels = r.u32();
  x.input.height = r.u32();
  x.input.width = r.u32();
  x.input.mean = read_array<double>(r, kMaxSide);
  x.input.std = read_array<double>(r, kMaxSide);
  x.input.standardise.floor = r.f64();
  x.input.standardise.clip = r.f64();
  x.input.limbs = r.u32();
  x.input.scale = r.f64();
  x.output.classes = r.u32();
  x.output.limbs = r.u32();
  x.output.scale = r.f64();
  x.output.error_std = r.f64();
  x.output.noise_std = r.f64();
  x.output.noise_growth = r.f64();
  x.output.answer = read_answer(r);
  x.keys.relinearization = r.u8() == 1;
  for (std::size_t k = r.count(kMaxRotations, 12); k > 0; --k) {
    const auto step = static_cast<std::int64_t>(r.u64());
    x.keys.rotations[step] = r.u32();
  }
  x.keys.conjugation = r.u32();
  if (r.u8() == 1) x.bootstrap = read_bootstrap(r);
  x.input.layout = read_layout(r);
  x.output.layout = read_layout(r);
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
  const double largest = in.normaliser().largest();
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

/// Where the client puts images and finds their logits.
Result<void> check_layouts(std::uint64_t slots, const plan::InputSpec& in, const plan::OutputSpec& out,
                           const std::string& name) {
  OBSCURA_TRY_VOID(plan::verify_layout(in.layout, slots, name));
  OBSCURA_TRY_VOID(plan::verify_layout(out.layout, slots, name));
  if (in.layout.elements() != in.elements() || out.layout.elements() != out.classes ||
      in.layout.sharing != out.layout.sharing) {
    return error(Code::bad_format,
                 "{}: layouts of {} and {} elements of {} and {} images, {} and {} slots apart, for {} pixels and {} "
                 "classes",
                 name, in.layout.elements(), out.layout.elements(), in.layout.sharing.images, out.layout.sharing.images,
                 in.layout.sharing.stride, out.layout.sharing.stride, in.elements(), out.classes);
  }
  return {};
}

/// A set that was shown right, rotations of slots that are there, and limbs that are there.
template <class T>
Result<void> check_keys(const T& x, const std::string& name) {
  if (x.bootstrap) {
    const auto set = ckks::BootstrapParams::make(x.bootstrap->literal);
    if (!set) return error(set.error().code, "{}: {}", name, set.error().message);
    if (set.value().params().literal() != x.params) {
      return error(Code::wrong_params, "{}: parameters that are not those of its bootstrapping", name);
    }
  }
  const std::int64_t half = static_cast<std::int64_t>(x.params.slots() / 2);
  for (const auto& [step, limbs] : x.keys.rotations) {
    if (step == 0 || step <= -half || step > half || limbs == 0 || limbs > x.params.chain.size()) {
      return error(Code::bad_format, "{}: a rotation key of step {} at {} limbs; {} to {} at 1 to {} are allowed", name,
                   step, limbs, 1 - half, half, x.params.chain.size());
    }
  }
  if (x.keys.conjugation > x.params.chain.size()) {
    return error(Code::bad_format, "{}: a key of conjugation at {} limbs; up to {} are allowed", name,
                 x.keys.conjugation, x.params.chain.size());
  }
  return {};
}

/// What client and runtime rely on before they look at a single step.
template <class T>
Result<void> check_interface(const T& x, const std::string& name) {
  const ckks::ParamsLiteral& literal = x.params;
  const plan::InputSpec& in = x.input;
  const plan::OutputSpec& out = x.output;
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
  if (in.mean.size() != in.channels || in.std.size() != in.channels || !all_finite(in.mean) || !all_finite(in.std)) {
    return error(Code::bad_format, "{}: the normalisation needs one finite mean and deviation for each of {} channels",
                 name, in.channels);
  }
  for (const double d : in.std) {
    if (!(d > 0)) return error(Code::bad_format, "{}: a standard deviation of {}, it must be positive", name, d);
  }
  if (const auto fault = base::fault_of(in.standardise)) return error(Code::bad_format, "{}: {}", name, *fault);
  if (out.classes == 0 || out.classes > kMaxElements) {
    return error(Code::bad_format, "{}: {} classes; 1 to {} are allowed", name, out.classes, kMaxElements);
  }
  OBSCURA_TRY_VOID(plan::verify_answer(out.answer, out.classes, name));
  OBSCURA_TRY_VOID(check_keys(x, name));
  const std::size_t chain = literal.chain.size();
  if (in.limbs == 0 || in.limbs > chain || out.limbs == 0 || out.limbs > (x.bootstrap ? chain : in.limbs)) {
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
  if (!(out.noise_growth >= 1) || !std::isfinite(out.noise_growth)) {
    return error(Code::bad_format, "{}: an encryption noise that grows {} times; at least 1 is expected", name,
                 out.noise_growth);
  }
  OBSCURA_TRY_VOID(check_pixels(literal, in, name));
  return check_layouts(plan::slots(literal, x.bootstrap), in, out, name);
}

Result<plan::Plan> parse_plan(base::ByteView payload, const std::string& name) {
  base::Reader r(payload);
  plan::Plan plan;
  plan.name = r.text(kMaxText);
  plan.batch = r.u32();
  plan.params = read_params(r);
  read_interface(r, plan);
  const std::size_t steps = r.count(kMaxSteps, 60);
  for (std::size_t i = 0; i < steps && r.ok(); ++i) {
    OBSCURA_TRY(plan::Step step, read_step(r, fmt::format("{}: step {}", name, i + 1)));
    plan.steps.push_back(std::move(step));
  }
  const std::size_t reasons = r.count(kMaxSteps, 4);
  for (std::size_t i = 0; i < reasons && r.ok(); ++i) plan.reasons.push_back(r.text(kMaxText));
  plan.predicted_seconds = r.f64();
  plan.predicted_bytes = r.u64();
  plan.value_bytes = r.u64();
  plan.kept_bytes = r.u64();
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
  write_interface(w, plan);
  w.u32(static_cast<std::uint32_t>(plan.steps.size()));
  for (const auto& step : plan.steps) write_step(w, step);
  w.u32(static_cast<std::uint32_t>(plan.reasons.size()));
  for (const auto& reason : plan.reasons) w.text(reason);
  w.f64(plan.predicted_seconds);
  w.u64(plan.predicted_bytes);
  w.u64(plan.value_bytes);
  w.u64(plan.kept_bytes);
  return make_frame(Kind::plan, w.bytes());
}

Result<NamedPlan> read_plan(base::ByteView frame, const std::string& name) {
  OBSCURA_TRY(const base::ByteView payload, open_frame(frame, Kind::plan, name));
  OBSCURA_TRY(plan::Plan plan, parse_plan(payload, name));
  OBSCURA_TRY_VOID(check_interface(plan, name));
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
  write_interface(w, offer);
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
  read_interface(r, offer);
  if (!r.ok() || r.remaining() > 0) {
    return error(Code::bad_format, "{}: a size or count in the offer does not fit", name);
  }
  OBSCURA_TRY_VOID(check_interface(offer, name));
  return offer;
}

Result<plan::Offer> read_offer_file(const std::filesystem::path& path) {
  OBSCURA_TRY(base::InputFile file, base::InputFile::open(path));
  return read_offer(file);
}

Result<plan::Offer> read_offer(base::InputFile& file) {
  const std::string name = file.path().string();
  OBSCURA_TRY(const base::Bytes bytes, read_frame(file, Kind::offer, kMaxOfferPayload));
  if (file.remaining() > 0 && !only_frame_left(file, kSignaturePayload)) {
    return error(Code::bad_format, "{}: {} bytes after its end", name, file.remaining());
  }
  OBSCURA_TRY(plan::Offer offer, read_offer(bytes, name));
  if (file.remaining() > 0) {
    OBSCURA_TRY(offer.signer, read_signature(file, Kind::offer, frame_digest(bytes)));
  }
  return offer;
}

}  // namespace obscura::wire
