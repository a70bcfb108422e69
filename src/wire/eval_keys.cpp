// SPDX-License-Identifier: Apache-2.0
#include "wire/eval_keys.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <utility>

#include "base/parallel.h"
#include "base/random.h"
#include "wire/binding.h"
#include "wire/plan_parts.h"
#include "wire/residues.h"

namespace obscura::wire {

namespace {

// name; degree, primes, digit; ring, relinearisation, bootstrapping and its set; number of Galois keys, and of each
// power and limbs
constexpr std::size_t kPrefixBytes = kBindingBytes + 16 + 3 + kDigestBytes + 4;
constexpr std::size_t kGaloisBytes = 12;
constexpr std::uint64_t kMaxHeader = kPrefixBytes + kMaxKeys * kGaloisBytes;

std::uint64_t key_payload(const ckks::Context& context, std::size_t limbs) {
  const ring::Basis& basis = context.basis();
  const std::size_t digit = packed_bytes(basis, limbs) + packed_bytes(basis, context.chain_limbs(), basis.size());
  return 8 + sizeof(base::Seed) + context.digits(limbs) * digit;
}

Result<void> check_params(const EvalKeysHeader& actual, const ckks::Context& context, const std::string& name) {
  const ckks::ParamsLiteral& params = context.params().literal();
  if (const Digest expected = name_of_params(params); actual.name.params != expected) {
    return error(Code::wrong_params,
                 "{}: keys for parameters {} ({} ring, N = 2^{}, {} + {} primes, digits of {}); the plan has {} ({}, "
                 "2^{}, {} + {}, {}): make keys with its offer (obscura keygen)",
                 name, short_name(actual.name.params), ckks::name_of(actual.ring), actual.log2_degree, actual.chain,
                 actual.special, actual.digit_limbs, short_name(expected), ckks::name_of(params.ring),
                 params.log2_degree, params.chain.size(), params.special.size(), params.digit_limbs);
  }
  for (const EvalKeysHeader::Galois& key : actual.galois) {
    if (key.limbs >= 1 && key.limbs <= context.chain_limbs()) continue;
    return error(Code::bad_format, "{}: a key of X -> X^{} for {} limbs; 1 to {} are allowed", name, key.element,
                 key.limbs, context.chain_limbs());
  }
  return {};
}

const EvalKeysHeader::Galois* find(const EvalKeysHeader& header, std::uint64_t element) {
  const auto found = std::find_if(header.galois.begin(), header.galois.end(),
                                  [&](const EvalKeysHeader::Galois& g) { return g.element == element; });
  return found == header.galois.end() ? nullptr : &*found;
}

/// Why the header's keys do not serve for this one; empty where they do.
std::string lacking(const ckks::Context& context, const ckks::KeyNeeds& needs, const EvalKeysHeader& header,
                    const ckks::NeededKey& key) {
  using Sort = ckks::NeededKey::Sort;
  const std::string what = ckks::describe(context, key);
  if (key.sort == Sort::relinearization) return header.relinearization ? "" : what;
  if (key.sort != Sort::galois) {
    const bool all = header.bootstrap == 1 + needs.bootstrapper->trace().size();
    return all && header.bootstrap_set == name_of_set(needs.bootstrapper->params().literal()) ? "" : what;
  }
  const EvalKeysHeader::Galois* const there = find(header, key.element);
  if (there == nullptr) return what;
  if (there->limbs >= key.limbs) return "";
  return fmt::format("{} for {} limbs (it is there for {})", what, key.limbs, there->limbs);
}

/// The header lists all that is needed.
Result<void> check_list(const ckks::Context& context, const ckks::KeyNeeds& needs, const EvalKeysHeader& header,
                        const std::string& name) {
  constexpr std::size_t kNamed = 4;
  std::vector<std::string> missing;
  for (const ckks::NeededKey& key : ckks::list(context, needs)) {
    if (std::string one = lacking(context, needs, header, key); !one.empty()) missing.push_back(std::move(one));
  }
  if (missing.empty()) return {};
  const std::size_t more = missing.size() - std::min(missing.size(), kNamed);
  missing.resize(missing.size() - more);
  return error(
      Code::missing_key, "{}: {}{} that the plan needs {} not in it: make keys with its offer (obscura keygen)", name,
      fmt::join(missing, ", "), more > 0 ? fmt::format(" and {} more", more) : "", missing.size() == 1 ? "is" : "are");
}

/// A key of a file: what it is, and, where it is needed, for how many limbs.
struct Listed {
  ckks::NeededKey key;
  std::size_t wanted = 0;
  bool known = true;  ///< of parameters that are at hand
};

/// All keys of a file, in their order.
std::vector<Listed> list(const ckks::Context& context, const ckks::KeyNeeds& needs, const EvalKeysHeader& header) {
  using Sort = ckks::NeededKey::Sort;
  std::vector<Listed> out;
  if (header.relinearization) {
    const std::size_t all = context.chain_limbs();
    out.push_back({{Sort::relinearization, 0, all}, needs.relinearization ? all : 0});
  }
  for (const EvalKeysHeader::Galois& g : header.galois) {
    const auto need = needs.galois.find(g.element);
    out.push_back({{Sort::galois, g.element, g.limbs}, need == needs.galois.end() ? 0 : need->second});
  }
  if (needs.bootstrapper == nullptr) {
    for (std::uint8_t k = 0; k < header.bootstrap; ++k) out.push_back({{Sort::to_dense, 0, 0}, 0, false});
    return out;
  }
  for (const ckks::NeededKey& key : ckks::list(context, needs)) {
    if (key.sort == Sort::to_sparse || key.sort == Sort::to_dense) out.push_back({key, key.limbs});
  }
  return out;
}

std::uint64_t key_frame(const ckks::Context& context, const ckks::KeyNeeds& needs, const ckks::NeededKey& key) {
  return kHeaderBytes + key_payload(ckks::context_of(context, needs, key), key.limbs) + kDigestBytes;
}

/// What follows from the list of keys, where all are of parameters that are at hand.
Result<void> check_size(const ckks::Context& context, const ckks::KeyNeeds& needs, const std::vector<Listed>& keys,
                        const base::InputFile& file) {
  std::uint64_t expected = 0;
  bool exact = true;
  for (const Listed& one : keys) {
    exact = exact && one.known;
    if (one.known) expected += key_frame(context, needs, one.key);
  }
  if (exact ? file.remaining() == expected : file.remaining() > expected) return {};
  return error(Code::bad_format, "{}: {} bytes of keys, expected {}{}", file.path().string(), file.remaining(),
               exact ? "" : "more than ", expected);
}

}  // namespace

Digest name_of_set(const ckks::BootstrapLiteral& set) {
  base::Writer w;
  w.text("obscura bootstrapping");
  write_bootstrap(w, {set, 1, 1});
  return base::digest(w.bytes());
}

std::uint64_t keys_header_bytes(std::size_t galois) {
  return kHeaderBytes + kPrefixBytes + galois * kGaloisBytes + kDigestBytes;
}

std::uint64_t key_frame_bytes(const ckks::ParamsLiteral& params, std::size_t limbs) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < limbs; ++i) bits += std::bit_width(params.chain[i]);
  for (const std::uint64_t prime : params.special) bits += std::bit_width(prime);
  const auto alpha = static_cast<std::size_t>(params.digit_limbs);
  const std::uint64_t digit = (bits << params.log2_degree) / 8;
  return kHeaderBytes + 8 + sizeof(base::Seed) + (limbs + alpha - 1) / alpha * digit + kDigestBytes;
}

EvalKeysHeader header_of(const ckks::Context& context, const ckks::KeyNeeds& needs, const KeyId& key) {
  EvalKeysHeader header;
  header.name = {name_of_params(context.params().literal()), key};
  header.log2_degree = static_cast<std::uint32_t>(context.params().literal().log2_degree);
  header.ring = context.params().ring();
  header.chain = static_cast<std::uint32_t>(context.chain_limbs());
  header.special = static_cast<std::uint32_t>(context.special_limbs());
  header.digit_limbs = static_cast<std::uint32_t>(context.params().literal().digit_limbs);
  header.relinearization = needs.relinearization;
  if (needs.bootstrapper != nullptr) {
    header.bootstrap = static_cast<std::uint8_t>(1 + needs.bootstrapper->trace().size());
    header.bootstrap_set = name_of_set(needs.bootstrapper->params().literal());
  }
  for (const auto& [element, limbs] : needs.galois)
    header.galois.push_back({element, static_cast<std::uint32_t>(limbs)});
  return header;
}

base::Bytes write_keys_header(const EvalKeysHeader& header) {
  base::Writer w;
  write_key_name(w, header.name);
  w.u32(header.log2_degree);
  w.u32(header.chain);
  w.u32(header.special);
  w.u32(header.digit_limbs);
  w.u8(static_cast<std::uint8_t>(header.ring));
  w.u8(header.relinearization ? 1 : 0);
  w.u8(header.bootstrap);
  write_nonce(w, header.bootstrap_set);
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
  header.name = read_key_name(r);
  for (std::uint32_t* field : {&header.log2_degree, &header.chain, &header.special, &header.digit_limbs}) {
    *field = r.u32();
  }
  const std::uint8_t ring = r.u8();
  header.ring = ring == 0 ? ckks::RingType::standard : ckks::RingType::conjugate_invariant;
  header.relinearization = r.u8() == 1;
  header.bootstrap = r.u8();
  header.bootstrap_set = read_nonce(r);
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
  if (ring > 1) {
    return error(Code::bad_format, "{}: keys of ring {}, 0 (standard) and 1 (conjugate-invariant) are allowed", name,
                 ring);
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
  return read_key(context, limbs, limbs, index, frame, name);
}

Result<ckks::SwitchKey> read_key(const ckks::Context& context, std::size_t limbs, std::size_t wanted,
                                 std::uint64_t index, base::ByteView frame, const std::string& name) {
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
  for (std::size_t d = 0; d < context.digits(wanted); ++d) {
    ring::NttPoly body = ring::NttPoly::absent(basis.resources(), basis.degree(), basis.size());
    for (std::size_t i = 0; i < basis.size(); ++i) {
      if (i >= limbs && i < context.chain_limbs()) continue;
      if (i >= wanted && i < context.chain_limbs()) {
        r.raw(packed_bytes(basis, i, i + 1));
        continue;
      }
      const auto limb = unpack_limb(basis, i, r, body);
      if (!limb) return error(Code::bad_format, "{}: digit {}: {}", place, d, limb.error().message);
    }
    key.body.push_back(std::move(body));
  }
  key.uniform = ckks::UniformHalf(basis, key.seed, key.body.size());
  return key;
}

Result<NamedEvalKeys> read_eval_keys_file(const ckks::Context& context, const ckks::KeyNeeds& needs,
                                          const std::filesystem::path& path) {
  OBSCURA_TRY(base::InputFile file, base::InputFile::open(path));
  return read_eval_keys(context, needs, file);
}

Result<NamedEvalKeys> read_eval_keys(const ckks::Context& context, const ckks::KeyNeeds& needs, base::InputFile& file) {
  const std::string name = file.path().string();
  NamedEvalKeys named;
  std::vector<Listed> keys;
  {
    OBSCURA_TRY(const base::Bytes frame, read_frame(file, Kind::evaluation_keys, kMaxHeader));
    OBSCURA_TRY(const EvalKeysHeader header, read_keys_header(frame, name));
    OBSCURA_TRY_VOID(check_params(header, context, name));
    OBSCURA_TRY_VOID(check_list(context, needs, header, name));
    named.name = header.name;
    keys = list(context, needs, header);
  }
  OBSCURA_TRY_VOID(check_size(context, needs, keys, file));
  // As many frames at a time as there are threads to check and unpack them.
  const std::size_t together = base::thread_count();
  for (std::size_t next = 0; next < keys.size();) {
    std::vector<base::Bytes> frames;
    std::vector<std::size_t> at;
    for (; next < keys.size() && frames.size() < together; ++next) {
      if (keys[next].wanted == 0) {
        OBSCURA_TRY_VOID(skip_frame(file, Kind::key));
        continue;
      }
      const ckks::NeededKey& key = keys[next].key;
      const std::uint64_t payload = key_payload(ckks::context_of(context, needs, key), key.limbs);
      OBSCURA_TRY(frames.emplace_back(), read_frame(file, Kind::key, payload));
      at.push_back(next);
    }
    std::vector<std::optional<Result<ckks::SwitchKey>>> read(frames.size());
    base::parallel_for(frames.size(), [&](std::size_t i) {
      const auto& [key, wanted, known] = keys[at[i]];
      read[i] = read_key(ckks::context_of(context, needs, key), key.limbs, wanted, at[i], frames[i], name);
    });
    for (std::size_t i = 0; i < frames.size(); ++i) {
      OBSCURA_TRY(ckks::SwitchKey key, std::move(*read[i]));
      ckks::put(named.keys, keys[at[i]].key, std::move(key));
    }
  }
  if (file.remaining() == 0) return named;
  return error(Code::bad_format, "{}: {} bytes after its end", name, file.remaining());
}

Result<EvalKeysHeader> inspect_eval_keys(const std::filesystem::path& path) {
  OBSCURA_TRY(base::InputFile file, base::InputFile::open(path));
  OBSCURA_TRY(const base::Bytes frame, read_frame(file, Kind::evaluation_keys, kMaxHeader));
  return read_keys_header(frame, path.string());
}

}  // namespace obscura::wire
