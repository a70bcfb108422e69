// SPDX-License-Identifier: Apache-2.0
#include "wire/eval_keys.h"

#include <cstring>
#include <utility>

#include "wire/binding.h"
#include "wire/residues.h"

namespace obscura::wire {

namespace {

// binding, degree, primes, numbers of keys, digits
constexpr std::size_t kPrefixBytes = kBindingBytes + 20;

std::size_t key_digits(const ckks::Context& context) { return context.digits(context.chain_limbs()); }

EvalKeysInfo read_prefix(base::Reader& r) {
  EvalKeysInfo info;
  info.binding = read_binding(r);
  info.log2_degree = r.u32();
  info.primes = r.u32();
  info.relinearization = r.u32();
  info.digits = r.u32();
  info.rotations = r.u32();
  return info;
}

Result<void> check_prefix(const ckks::Context& context, const plan::KeyRequest& request, const Digest& plan,
                          const EvalKeysInfo& info, const std::string& name) {
  if (info.binding.plan != plan) {
    return error(Code::wrong_params, "{}: keys for plan {}, but this is plan {}", name, short_name(info.binding.plan),
                 short_name(plan));
  }
  const auto& literal = context.params().literal();
  if (info.log2_degree != static_cast<std::uint32_t>(literal.log2_degree) || info.primes != context.basis().size() ||
      info.digits != key_digits(context)) {
    return error(Code::bad_format, "{}: keys of degree 2^{}, {} primes, {} digits; the plan has 2^{}, {}, {}", name,
                 info.log2_degree, info.primes, info.digits, literal.log2_degree, context.basis().size(),
                 key_digits(context));
  }
  if (info.relinearization > 1) {
    return error(Code::bad_format, "{}: {} relinearisation keys, at most 1 is allowed", name, info.relinearization);
  }
  if (request.relinearization && info.relinearization == 0) {
    return error(Code::missing_key, "{}: the relinearisation key that the plan needs is not in it", name);
  }
  if (info.rotations != request.rotations.size()) {
    return error(Code::missing_key, "{}: {} rotation keys; the plan needs {}", name, info.rotations,
                 request.rotations.size());
  }
  return {};
}

std::size_t key_bytes(const ckks::Context& context) {
  return sizeof(base::Seed) + key_digits(context) * packed_bytes(context.basis(), context.basis().size());
}

void write_key(const ckks::Context& context, const ckks::SwitchKey& key, base::Writer& w) {
  OBSCURA_CHECK(key.body.size() == key_digits(context), "a key of {} digits", key.body.size());
  w.raw(std::as_bytes(std::span(key.seed)));
  for (const ring::NttPoly& body : key.body) pack(context.basis(), body, w);
}

Result<ckks::SwitchKey> read_key(const ckks::Context& context, base::Reader& r, const std::string& name) {
  ckks::SwitchKey key;
  std::memcpy(key.seed.data(), r.raw(key.seed.size()).data(), key.seed.size());
  for (std::size_t d = 0; d < key_digits(context); ++d) {
    auto body = unpack(context.basis(), context.basis().size(), r);
    if (!body) return error(Code::bad_format, "{}: digit {}: {}", name, d, body.error().message);
    key.body.push_back(std::move(body).value());
  }
  key.uniform = ckks::UniformHalf(context.basis(), key.seed, key_digits(context));
  return key;
}

}  // namespace

base::Bytes write_eval_keys(const ckks::Context& context, const ckks::EvalKeys& keys, const Binding& binding) {
  base::Writer w;
  w.reserve(kPrefixBytes + keys.relinearization.size() * key_bytes(context) +
            keys.galois.size() * (sizeof(std::uint64_t) + key_bytes(context)));
  write_binding(w, binding);
  w.u32(static_cast<std::uint32_t>(context.params().literal().log2_degree));
  w.u32(static_cast<std::uint32_t>(context.basis().size()));
  w.u32(static_cast<std::uint32_t>(keys.relinearization.size()));
  w.u32(static_cast<std::uint32_t>(key_digits(context)));
  w.u32(static_cast<std::uint32_t>(keys.galois.size()));
  for (const ckks::SwitchKey& key : keys.relinearization) write_key(context, key, w);
  for (const auto& [element, key] : keys.galois) {
    w.u64(element);
    write_key(context, key, w);
  }
  return make_frame(Kind::evaluation_keys, w.bytes());
}

Result<NamedEvalKeys> read_eval_keys(const ckks::Context& context, const plan::KeyRequest& request, const Digest& plan,
                                     base::ByteView frame, const std::string& name) {
  OBSCURA_TRY(const base::ByteView payload, open_frame(frame, Kind::evaluation_keys, name));
  base::Reader r(payload);
  const EvalKeysInfo info = read_prefix(r);
  if (!r.ok()) return error(Code::bad_format, "{}: {} bytes are too few for keys", name, payload.size());
  OBSCURA_TRY_VOID(check_prefix(context, request, plan, info, name));
  const std::size_t expected =
      info.relinearization * key_bytes(context) + info.rotations * (sizeof(std::uint64_t) + key_bytes(context));
  if (r.remaining() != expected) {
    return error(Code::bad_format, "{}: {} bytes of keys, expected {}", name, r.remaining(), expected);
  }
  NamedEvalKeys named;
  named.binding = info.binding;
  for (std::uint32_t k = 0; k < info.relinearization; ++k) {
    OBSCURA_TRY(ckks::SwitchKey key, read_key(context, r, name));
    named.keys.relinearization.push_back(std::move(key));
  }
  for (std::uint32_t k = 0; k < info.rotations; ++k) {
    const std::uint64_t element = r.u64();
    OBSCURA_TRY(ckks::SwitchKey key, read_key(context, r, name));
    named.keys.galois.emplace(element, std::move(key));
  }
  for (const auto& [step, limbs] : request.rotations) {
    if (named.keys.galois.contains(context.galois_element(step))) continue;
    return error(Code::missing_key, "{}: the key of rotations by {} that the plan needs is not in it", name, step);
  }
  return named;
}

Result<NamedEvalKeys> read_eval_keys_file(const ckks::Context& context, const plan::KeyRequest& request,
                                          const Digest& plan, const std::filesystem::path& path) {
  const std::uint64_t limit =
      kPrefixBytes + key_bytes(context) + request.rotations.size() * (sizeof(std::uint64_t) + key_bytes(context));
  OBSCURA_TRY(const base::Bytes frame, read_frame_file(path, Kind::evaluation_keys, limit));
  return read_eval_keys(context, request, plan, frame, path.string());
}

Result<EvalKeysInfo> inspect_eval_keys(const std::filesystem::path& path) {
  OBSCURA_TRY(const base::Bytes frame, read_frame_file(path, Kind::evaluation_keys, kMaxPayload));
  OBSCURA_TRY(const base::ByteView payload, open_frame(frame, Kind::evaluation_keys, path.string()));
  base::Reader r(payload);
  const EvalKeysInfo info = read_prefix(r);
  if (!r.ok()) {
    return error(Code::bad_format, "{}: {} bytes are too few for keys", path.string(), payload.size());
  }
  return info;
}

}  // namespace obscura::wire
