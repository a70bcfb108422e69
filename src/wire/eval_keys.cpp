// SPDX-License-Identifier: Apache-2.0
#include "wire/eval_keys.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "base/parallel.h"
#include "wire/binding.h"
#include "wire/residues.h"

namespace obscura::wire {

namespace {

// binding; degree, primes, digit; relinearisation, bootstrapping; number of Galois keys, and of each power and limbs
constexpr std::size_t kPrefixBytes = kBindingBytes + 16 + 2 + 4;
constexpr std::size_t kGaloisBytes = 12;
constexpr std::uint64_t kMaxHeader = kPrefixBytes + kMaxKeys * kGaloisBytes;

std::uint64_t key_payload(const ckks::Context& context, std::size_t limbs) {
  const ring::Basis& basis = context.basis();
  const std::size_t digit = packed_bytes(basis, limbs) + packed_bytes(basis, context.chain_limbs(), basis.size());
  return 8 + sizeof(base::Seed) + context.digits(limbs) * digit;
}

Result<void> check_ring(const EvalKeysHeader& actual, const EvalKeysHeader& expected, const std::string& name) {
  if (actual.binding.plan != expected.binding.plan) {
    return error(Code::wrong_params, "{}: keys for plan {}, but this is plan {}", name, short_name(actual.binding.plan),
                 short_name(expected.binding.plan));
  }
  if (actual.log2_degree != expected.log2_degree || actual.chain != expected.chain ||
      actual.special != expected.special || actual.digit_limbs != expected.digit_limbs) {
    return error(Code::wrong_params,
                 "{}: keys of degree 2^{}, {} + {} primes, digits of {}; the plan has 2^{}, {} + {}, {}", name,
                 actual.log2_degree, actual.chain, actual.special, actual.digit_limbs, expected.log2_degree,
                 expected.chain, expected.special, expected.digit_limbs);
  }
  return {};
}

/// The header lists exactly what is needed.
Result<void> check_list(const ckks::Context& context, const ckks::KeyNeeds& needs, const EvalKeysHeader& header,
                        const std::string& name) {
  for (const ckks::NeededKey& key : ckks::list(context, needs)) {
    using Sort = ckks::NeededKey::Sort;
    if (key.sort == Sort::relinearization ? header.relinearization : key.sort != Sort::galois && header.bootstrap > 0) {
      continue;
    }
    const auto found = std::find_if(header.galois.begin(), header.galois.end(),
                                    [&](const EvalKeysHeader::Galois& g) { return g.element == key.element; });
    if (key.sort != Sort::galois || found == header.galois.end()) {
      return error(Code::missing_key, "{}: {} that the plan needs is not in it", name, ckks::describe(context, key));
    }
    if (found->limbs != key.limbs) {
      return error(Code::missing_key, "{}: {} is for {} limbs; the plan needs {}", name, ckks::describe(context, key),
                   found->limbs, key.limbs);
    }
  }
  if (const std::size_t needed = ckks::list(context, needs).size(); header.keys() != needed) {
    return error(Code::bad_format, "{}: {} keys; the plan needs {}", name, header.keys(), needed);
  }
  return {};
}

}  // namespace

EvalKeysHeader header_of(const ckks::Context& context, const ckks::KeyNeeds& needs, const Binding& binding) {
  EvalKeysHeader header;
  header.binding = binding;
  header.log2_degree = static_cast<std::uint32_t>(context.params().literal().log2_degree);
  header.chain = static_cast<std::uint32_t>(context.chain_limbs());
  header.special = static_cast<std::uint32_t>(context.special_limbs());
  header.digit_limbs = static_cast<std::uint32_t>(context.params().literal().digit_limbs);
  header.relinearization = needs.relinearization;
  if (needs.bootstrapper != nullptr) {
    header.bootstrap = static_cast<std::uint8_t>(1 + needs.bootstrapper->trace().size());
  }
  for (const auto& [element, limbs] : needs.galois)
    header.galois.push_back({element, static_cast<std::uint32_t>(limbs)});
  return header;
}

base::Bytes write_keys_header(const EvalKeysHeader& header) {
  base::Writer w;
  write_binding(w, header.binding);
  w.u32(header.log2_degree);
  w.u32(header.chain);
  w.u32(header.special);
  w.u32(header.digit_limbs);
  w.u8(header.relinearization ? 1 : 0);
  w.u8(header.bootstrap);
  w.u32(static_cast<std::uint32_t>(header.galois.size()));
  for (const EvalKeysHeader::Galois& key : header.galois) {
    w.u64(key.element);
    w.u32(key.limbs);
  }
  return make_frame(Kind::evaluation_keys, w.bytes());
}

Result<EvalKeysHeader> read_keys_header(base::ByteView frame, const std::string& name) {
  OBSCURA_TRY(const base::ByteView payload, open_frame(frame, Kind::evaluation_keys, name));
  base::Reader r(payload);
  EvalKeysHeader header;
  header.binding = read_binding(r);
  for (std::uint32_t* field : {&header.log2_degree, &header.chain, &header.special, &header.digit_limbs}) {
    *field = r.u32();
  }
  header.relinearization = r.u8() == 1;
  header.bootstrap = r.u8();
  header.galois.resize(r.count(kMaxKeys, kGaloisBytes));
  for (EvalKeysHeader::Galois& key : header.galois) {
    key.element = r.u64();
    key.limbs = r.u32();
  }
  if (!r.ok()) return error(Code::bad_format, "{}: {} bytes are too few for its list of keys", name, payload.size());
  if (r.remaining() > 0) {
    return error(Code::bad_format, "{}: {} bytes after its list of keys", name, r.remaining());
  }
  if (header.log2_degree > static_cast<std::uint32_t>(ckks::kMaxLog2Degree)) {
    return error(Code::bad_format, "{}: keys of degree 2^{}, at most 2^{} is allowed", name, header.log2_degree,
                 ckks::kMaxLog2Degree);
  }
  for (std::size_t k = 1; k < header.galois.size(); ++k) {
    if (header.galois[k - 1].element < header.galois[k].element) continue;
    return error(Code::bad_format, "{}: the keys of X^{} and X^{} are out of order", name, header.galois[k - 1].element,
                 header.galois[k].element);
  }
  return header;
}

base::Bytes write_key(const ckks::Context& context, std::uint64_t index, const ckks::SwitchKey& key) {
  base::Writer w;
  w.reserve(8 + key.seed.size() + key.body.size() * packed_bytes(context.basis(), context.basis().size()));
  w.u64(index);
  w.raw(std::as_bytes(std::span(key.seed)));
  for (const ring::NttPoly& body : key.body) pack(context.basis(), body, w);
  return make_frame(Kind::key, w.bytes());
}

Result<ckks::SwitchKey> read_key(const ckks::Context& context, std::size_t limbs, std::uint64_t index,
                                 base::ByteView frame, const std::string& name) {
  const std::string place = fmt::format("{}: key {}", name, index);
  OBSCURA_TRY(const base::ByteView payload, open_frame(frame, Kind::key, place));
  if (const std::uint64_t expected = key_payload(context, limbs); payload.size() != expected) {
    return error(Code::bad_format, "{}: {} bytes, expected {}", place, payload.size(), expected);
  }
  base::Reader r(payload);
  if (const std::uint64_t actual = r.u64(); actual != index) {
    return error(Code::bad_format, "{}: number {} stands in its place", place, actual);
  }
  ckks::SwitchKey key;
  std::memcpy(key.seed.data(), r.raw(key.seed.size()).data(), key.seed.size());
  const ring::Basis& basis = context.basis();
  for (std::size_t d = 0; d < context.digits(limbs); ++d) {
    ring::NttPoly body = ring::NttPoly::absent(basis.degree(), basis.size());
    for (std::size_t i = 0; i < basis.size(); ++i) {
      if (i >= limbs && i < context.chain_limbs()) continue;
      const auto limb = unpack_limb(basis, i, r, body);
      if (!limb) return error(Code::bad_format, "{}: digit {}: {}", place, d, limb.error().message);
    }
    key.body.push_back(std::move(body));
  }
  key.uniform = ckks::UniformHalf(basis, key.seed, key.body.size());
  return key;
}

Result<NamedEvalKeys> read_eval_keys_file(const ckks::Context& context, const ckks::KeyNeeds& needs, const Digest& plan,
                                          const std::filesystem::path& path) {
  const std::string name = path.string();
  OBSCURA_TRY(base::InputFile file, base::InputFile::open(path));
  NamedEvalKeys named;
  {
    OBSCURA_TRY(const base::Bytes frame, read_frame(file, Kind::evaluation_keys, kMaxHeader));
    OBSCURA_TRY(const EvalKeysHeader header, read_keys_header(frame, name));
    OBSCURA_TRY_VOID(check_ring(header, header_of(context, needs, {plan, {}}), name));
    OBSCURA_TRY_VOID(check_list(context, needs, header, name));
    named.binding = header.binding;
  }
  const std::vector<ckks::NeededKey> keys = ckks::list(context, needs);
  const auto payload = [&](const ckks::NeededKey& key) {
    return key_payload(ckks::context_of(context, needs, key), key.limbs);
  };
  std::uint64_t expected = 0;
  for (const ckks::NeededKey& key : keys) expected += kHeaderBytes + payload(key) + kDigestBytes;
  if (file.remaining() != expected) {
    return error(Code::bad_format, "{}: {} bytes of keys, expected {}", name, file.remaining(), expected);
  }
  // As many frames at a time as there are threads to check and unpack them.
  const std::size_t together = base::thread_count();
  for (std::size_t first = 0; first < keys.size(); first += together) {
    std::vector<base::Bytes> frames;
    for (std::size_t k = first; k < std::min(keys.size(), first + together); ++k) {
      OBSCURA_TRY(frames.emplace_back(), read_frame(file, Kind::key, payload(keys[k])));
    }
    std::vector<std::optional<Result<ckks::SwitchKey>>> read(frames.size());
    base::parallel_for(frames.size(), [&](std::size_t i) {
      const ckks::NeededKey& key = keys[first + i];
      read[i] = read_key(ckks::context_of(context, needs, key), key.limbs, first + i, frames[i], name);
    });
    for (std::size_t i = 0; i < frames.size(); ++i) {
      OBSCURA_TRY(ckks::SwitchKey key, std::move(*read[i]));
      ckks::put(named.keys, keys[first + i], std::move(key));
    }
  }
  return named;
}

Result<EvalKeysHeader> inspect_eval_keys(const std::filesystem::path& path) {
  OBSCURA_TRY(base::InputFile file, base::InputFile::open(path));
  OBSCURA_TRY(const base::Bytes frame, read_frame(file, Kind::evaluation_keys, kMaxHeader));
  return read_keys_header(frame, path.string());
}

}  // namespace obscura::wire
