// SPDX-License-Identifier: Apache-2.0
#include "wire/plan_parts.h"

#include <utility>

#include "plan/polynomial.h"

namespace obscura::wire {

void write_layout(base::Writer& w, const plan::Layout& x) {
  for (const std::uint32_t v :
       {x.channels, x.height, x.width, x.phases, x.row, x.column, x.period, x.sharing.images, x.sharing.stride}) {
    w.u32(v);
  }
  w.u32(static_cast<std::uint32_t>(x.units.size()));
  for (const plan::Place& unit : x.units) {
    w.u32(unit.ciphertext);
    w.u32(unit.position);
  }
}

plan::Layout read_layout(base::Reader& r) {
  plan::Layout x;
  for (std::uint32_t* v : {&x.channels, &x.height, &x.width, &x.phases, &x.row, &x.column, &x.period, &x.sharing.images,
                           &x.sharing.stride}) {
    *v = r.u32();
  }
  x.units.resize(r.count(plan::kMaxLayoutElements, 8));
  for (plan::Place& unit : x.units) {
    unit.ciphertext = r.u32();
    unit.position = r.u32();
  }
  return x;
}

namespace {

constexpr std::size_t kMaxWeights = std::size_t{1} << 28;
constexpr std::size_t kMaxTerms = 64;
constexpr std::size_t kMaxFactors = 32;

/// Calls visit for each number of a literal, in the order of the file.
template <class Literal, class Visit>
void for_numbers(Literal& x, const Visit& visit) {
  for (auto* field : {&x.log2_degree, &x.log2_slots, &x.base_bits, &x.levels, &x.level_bits, &x.weight, &x.range,
                      &x.log2_ratio, &x.cosine_degree, &x.double_angles, &x.wide_angles, &x.wide_bits, &x.angle_bits,
                      &x.slot_to_coeff_bits, &x.coeff_to_slot_bits, &x.special, &x.special_bits}) {
    visit(*field);
  }
}

void write_map(base::Writer& w, const ckks::IntegerMap& map) {
  w.u32(map.inputs);
  w.u32(map.outputs);
  w.u32(static_cast<std::uint32_t>(map.matrices.size()));
  for (const auto& m : map.matrices) {
    w.u32(m.rows);
    w.u32(m.cols);
    write_array(w, m.data);
  }
  w.u32(static_cast<std::uint32_t>(map.blocks.size()));
  for (const auto& b : map.blocks) {
    w.u32(b.matrix);
    write_array(w, b.inputs);
    write_array(w, b.outputs);
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
    write_array(w, x.bias);
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
      write_array(w, term.coefficients);
    }
    write_array(w, x.constants);
  }
  void operator()(const plan::Transform& x) const {
    w.u32(x.input);
    write_map(w, x.map);
    w.f64(x.weight_scale);
    write_array(w, x.bias);
    write_layout(w, x.from);
    write_layout(w, x.to);
    write_array(w, x.spread);
    w.u32(static_cast<std::uint32_t>(x.split.period));
    w.u32(static_cast<std::uint32_t>(x.split.phase));
    w.u32(static_cast<std::uint32_t>(x.split.pair));
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
  void operator()(const plan::Polynomial& x) const {
    w.u32(x.input);
    w.u8(x.relu ? 1 : 0);
    w.f64(x.output_scale);
    w.u32(static_cast<std::uint32_t>(x.stages.size()));
    for (const auto& stage : x.stages) {
      w.f64(stage.low);
      w.f64(stage.high);
      w.u8(stage.basis == ckks::PolynomialBasis::chebyshev ? 1 : 0);
      write_array(w, stage.coefficients);
    }
  }
  void operator()(const plan::Bootstrap& x) const { w.u32(x.input); }
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
  x.split.pair = r.u32();
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

plan::Polynomial read_polynomial(base::Reader& r) {
  plan::Polynomial x;
  x.input = r.u32();
  x.relu = r.u8() == 1;
  x.output_scale = r.f64();
  x.stages.resize(r.count(plan::kMaxPolynomialStages, 21));
  for (auto& stage : x.stages) {
    stage.low = r.f64();
    stage.high = r.f64();
    stage.basis = r.u8() == 1 ? ckks::PolynomialBasis::chebyshev : ckks::PolynomialBasis::monomial;
    stage.coefficients = read_array<double>(r, ckks::kMaxPolynomialDegree + 1);
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
    case 7:
      return read_polynomial(r);
    case 8:
      return plan::Bootstrap{r.u32()};
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

}  // namespace

void write_bootstrap(base::Writer& w, const plan::BootstrapSpec& x) {
  for_numbers(x.literal, [&](int field) { w.u32(static_cast<std::uint32_t>(field)); });
  write_array(w, x.literal.slot_to_coeff);
  write_array(w, x.literal.coeff_to_slot);
  w.f64(x.input_scale);
  w.f64(x.output_scale);
}

plan::BootstrapSpec read_bootstrap(base::Reader& r) {
  plan::BootstrapSpec x;
  for_numbers(x.literal, [&](int& field) { field = static_cast<int>(r.u32()); });
  x.literal.slot_to_coeff = read_array<int>(r, kMaxFactors);
  x.literal.coeff_to_slot = read_array<int>(r, kMaxFactors);
  x.input_scale = r.f64();
  x.output_scale = r.f64();
  return x;
}

void write_step(base::Writer& w, const plan::Step& step) {
  w.u32(static_cast<std::uint32_t>(step.operation.index()));
  std::visit(WriteOperation{w}, step.operation);
  write_value(w, step.output);
  w.text(step.origin);
  w.f64(step.seconds);
  w.u64(step.bytes);
}

Result<plan::Step> read_step(base::Reader& r, const std::string& place) {
  const std::uint32_t tag = r.u32();
  if (tag >= plan::kOperationCount) return error(Code::bad_format, "{}: operation {} is not known", place, tag);
  plan::Step step;
  step.operation = read_operation(r, tag);
  step.output = read_value(r);
  step.origin = r.text(kMaxText);
  step.seconds = r.f64();
  step.bytes = r.u64();
  return step;
}

}  // namespace obscura::wire
