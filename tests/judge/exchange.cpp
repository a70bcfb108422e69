// SPDX-License-Identifier: Apache-2.0
#include "tests/judge/exchange.h"

#include <algorithm>

#include "ring/automorphism.h"

namespace obscura::judge {

namespace {

constexpr std::uint8_t kValues = 0;
constexpr std::uint8_t kPolynomials = 1;
/// Parts of a key at three digits, with room.
constexpr std::uint32_t kMaxParts = 16;
constexpr std::size_t kMaxName = 100;

/// [j] = SEAL's index of our slot j.
std::vector<std::size_t> seal_indices(const ckks::Context& context) {
  const std::size_t slots = context.params().slots(), order = 2 * context.degree();
  std::vector<std::size_t> of_exponent(order, slots);
  for (std::size_t i = 0, exponent = 1; i < slots; ++i, exponent = 3 * exponent % order) {
    of_exponent[exponent] = of_exponent[order - exponent] = i;
  }
  std::vector<std::size_t> out;
  for (std::size_t j = 0, exponent = 1; j < slots; ++j, exponent = 5 * exponent % order) {
    out.push_back(of_exponent[exponent]);
  }
  return out;
}

ring::NttPoly uniform_of(const ckks::Context& context, const ckks::SwitchKey& key, std::size_t digit) {
  ring::NttPoly out(context.resources(), context.degree(), context.basis().size());
  for (std::size_t i = 0; i < out.limbs(); ++i) std::copy_n(key.uniform.limb(digit, i), out.degree(), out.limb(i));
  return out;
}

ckks::SwitchKey permute_key(const ckks::Context& context, const ckks::SwitchKey& key, std::uint64_t element) {
  const auto index = context.automorphisms().permutation(element);
  ckks::SwitchKey out;
  for (const ring::NttPoly& poly : key.body) out.body.push_back(ring::permute(context.basis(), poly, index));
  std::vector<ring::NttPoly> uniform;
  for (std::size_t d = 0; d < key.uniform.digits(); ++d)
    uniform.push_back(ring::permute(context.basis(), uniform_of(context, key, d), index));
  out.uniform = ckks::UniformHalf(std::move(uniform));
  return out;
}

}  // namespace

std::vector<double> to_seal_order(const ckks::Context& context, std::span<const double> slots) {
  const std::vector<std::size_t> index = seal_indices(context);
  std::vector<double> out(index.size(), 0.0);
  for (std::size_t j = 0; j < slots.size(); ++j) out[index[j]] = slots[j];
  return out;
}

std::vector<double> from_seal_order(const ckks::Context& context, std::span<const double> slots) {
  OBSCURA_CHECK(slots.size() == context.params().slots(), "{} slots of SEAL's", slots.size());
  std::vector<double> out;
  for (const std::size_t i : seal_indices(context)) out.push_back(slots[i]);
  return out;
}

std::int64_t seal_step(const ckks::Context& context, std::uint64_t element) {
  std::uint64_t power = 1;
  for (std::size_t step = 0; step < context.params().slots(); ++step) {
    if (power == element) return static_cast<std::int64_t>(step);
    power = 3 * power % (2 * context.degree());
  }
  OBSCURA_CHECK(false, "{} is no power of 3", element);
}

void Outbox::values(const std::string& name, std::span<const double> values) {
  writer_.text(name);
  writer_.u8(kValues);
  writer_.u32(static_cast<std::uint32_t>(values.size()));
  for (const double x : values) writer_.f64(x);
}

void Outbox::polynomials(const std::string& name, std::span<const ring::NttPoly> parts, double scale) {
  writer_.text(name);
  writer_.u8(kPolynomials);
  writer_.u32(static_cast<std::uint32_t>(parts.size()));
  writer_.u32(static_cast<std::uint32_t>(parts.front().limbs()));
  writer_.u32(static_cast<std::uint32_t>(context_->degree()));
  writer_.f64(scale);
  std::vector<std::uint64_t> residues(context_->degree());
  for (const ring::NttPoly& part : parts) {
    const ring::CoeffPoly coefficients = context_->basis().to_coeff(part);
    for (std::size_t i = 0; i < part.limbs(); ++i) {
      context_->basis().export_limb(coefficients.residues(i), i, residues);
      writer_.raw(std::as_bytes(std::span(residues)));
    }
  }
}

void Outbox::switch_key(const std::string& name, const ckks::SwitchKey& key) {
  std::vector<ring::NttPoly> parts;
  for (std::size_t d = 0; d < key.body.size(); ++d) {
    parts.push_back(key.body[d]);
    parts.push_back(uniform_of(*context_, key, d));
  }
  polynomials(name, parts, 1);
}

void Outbox::galois_key(const std::string& name, const ckks::SwitchKey& key, std::uint64_t element) {
  switch_key(name, permute_key(*context_, key, element));
}

Result<void> Inbox::parse_polynomials(const std::string& name, base::Reader& reader) {
  const std::uint32_t parts = reader.u32(), limbs = reader.u32(), degree = reader.u32();
  const std::size_t n = context_->degree();
  if (!reader.ok() || parts > kMaxParts || limbs > context_->basis().size() || degree != n) {
    return error(Code::bad_format, "{}: {} parts of {} limbs of degree {}", name, parts, limbs, degree);
  }
  ckks::Ciphertext& out = polynomials_[name];
  out.scale = reader.f64();
  std::vector<std::uint64_t> residues(n);
  for (std::uint32_t part = 0; part < parts; ++part) {
    ring::CoeffPoly poly(context_->resources(), n, limbs);
    for (std::uint32_t i = 0; i < limbs; ++i) {
      for (std::uint64_t& x : residues) x = reader.u64();
      if (!context_->basis().import_limb(residues, i, poly.residues(i))) {
        return error(Code::bad_format, "{}: part {}, limb {}: a residue is not below the prime", name, part, i);
      }
    }
    out.parts.push_back(context_->basis().to_ntt(poly));
  }
  return {};
}

Result<Inbox> Inbox::parse(const ckks::Context& context, base::ByteView bytes) {
  Inbox out(context);
  base::Reader reader(bytes);
  while (reader.ok() && reader.remaining() > 0) {
    const std::string name = reader.text(kMaxName);
    if (reader.u8() == kPolynomials) {
      OBSCURA_TRY_VOID(out.parse_polynomials(name, reader));
    } else {
      std::vector<double>& values = out.values_[name];
      values.resize(reader.count(2 * context.degree(), sizeof(double)));
      for (double& x : values) x = reader.f64();
    }
  }
  if (!reader.ok()) return error(Code::bad_format, "SEAL's answer is truncated");
  return out;
}

std::vector<double> Inbox::slots(const std::string& name) const {
  const auto found = values_.find(name);
  OBSCURA_CHECK(found != values_.end(), "SEAL gave no {}", name);
  return from_seal_order(*context_, found->second);
}

const ckks::Ciphertext& Inbox::ciphertext(const std::string& name) const {
  const auto found = polynomials_.find(name);
  OBSCURA_CHECK(found != polynomials_.end(), "SEAL gave no {}", name);
  return found->second;
}

ckks::SwitchKey Inbox::switch_key(const std::string& name) const {
  const ckks::Ciphertext& parts = ciphertext(name);
  OBSCURA_CHECK(parts.limbs() == context_->basis().size(), "{}: {} limbs", name, parts.limbs());
  ckks::SwitchKey out;
  std::vector<ring::NttPoly> uniform;
  for (std::size_t part = 0; part + 1 < parts.parts.size(); part += 2) {
    out.body.push_back(parts.parts[part]);
    uniform.push_back(parts.parts[part + 1]);
  }
  out.uniform = ckks::UniformHalf(std::move(uniform));
  return out;
}

ckks::SwitchKey Inbox::galois_key(const std::string& name, std::uint64_t element) const {
  const std::size_t order = 2 * context_->degree();
  return permute_key(*context_, switch_key(name), ring::power_mod(element, context_->degree() / 2 - 1, order));
}

}  // namespace obscura::judge
