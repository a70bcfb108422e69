// SPDX-License-Identifier: Apache-2.0
/// What travels between Obscura and SEAL: named records, neutral to both. Polynomials are coefficients in [0, p), since
/// the two order NTT values differently and choose different roots; slots are in SEAL's order.
///
/// A record is a name (u32 length, bytes), a kind (u8), then
///   values       u32 count, f64s
///   polynomials  u32 parts, u32 limbs, u32 degree, f64 scale, u64 residues: part by part, limb by limb
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "ckks/context.h"
#include "ckks/values.h"

namespace obscura::judge {

/// SEAL's slot i is the value at zeta^(3^i), ours at zeta^(5^j). Since 5^j = +-3^i (mod 2N) for exactly one i < N/2,
/// the same values stand in another order, conjugated where the sign is minus: the same for real slots.
std::vector<double> to_seal_order(const ckks::Context& context, std::span<const double> slots);
std::vector<double> from_seal_order(const ckks::Context& context, std::span<const double> slots);
/// The rotation of SEAL that is X -> X^element.
/// errors  ContractError: no power of 3.
std::int64_t seal_step(const ckks::Context& context, std::uint64_t element);

class Outbox {
 public:
  explicit Outbox(const ckks::Context& context) : context_(&context) {}
  void values(const std::string& name, std::span<const double> values);
  void polynomials(const std::string& name, std::span<const ring::NttPoly> parts, double scale);
  void ciphertext(const std::string& name, const ckks::Ciphertext& x) { polynomials(name, x.parts, x.scale); }
  /// Body and uniform half of each digit in turn: SEAL's order, and SEAL's gadget where digits are single limbs and one
  /// special prime stands last.
  void switch_key(const std::string& name, const ckks::SwitchKey& key);
  /// Ours switches from s to the inverse automorphism of s, before the permutation; SEAL's from the automorphism of s
  /// to s, after it. With body + uniform s(X^(1/k)) = P g s + e, the automorphism of the whole equation is SEAL's.
  void galois_key(const std::string& name, const ckks::SwitchKey& key, std::uint64_t element);
  const base::Bytes& bytes() const { return writer_.bytes(); }

 private:
  const ckks::Context* context_;
  base::Writer writer_;
};

/// The answer. Reading a record that is absent, or not of the form that is asked for, throws ContractError.
class Inbox {
 public:
  /// errors  damaged records, residues out of range.
  static Result<Inbox> parse(const ckks::Context& context, base::ByteView bytes);
  /// In our order of slots.
  std::vector<double> slots(const std::string& name) const;
  const ckks::Ciphertext& ciphertext(const std::string& name) const;
  ckks::SwitchKey switch_key(const std::string& name) const;
  ckks::SwitchKey galois_key(const std::string& name, std::uint64_t element) const;

 private:
  explicit Inbox(const ckks::Context& context) : context_(&context) {}
  Result<void> parse_polynomials(const std::string& name, base::Reader& reader);
  const ckks::Context* context_;
  std::map<std::string, std::vector<double>> values_;
  std::map<std::string, ckks::Ciphertext> polynomials_;
};

}  // namespace obscura::judge
