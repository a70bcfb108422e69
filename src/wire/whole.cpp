// SPDX-License-Identifier: Apache-2.0
#include "wire/whole.h"

#include <utility>

#include "base/random.h"
#include "wire/binding.h"
#include "wire/ciphertexts.h"
#include "wire/eval_keys.h"
#include "wire/signature.h"
#include "wire/state.h"

namespace obscura::wire {

namespace {

/// What stands behind a header.
struct Parts {
  std::optional<Kind> kind;  ///< nothing: no parts
  std::uint64_t count = 0;
  bool placed = false;  ///< each says of how many and of which request it is
  Nonce request{};
};

Result<Parts> parts_of(Kind kind, base::ByteView frame, const std::string& name) {
  switch (kind) {
    case Kind::evaluation_keys: {
      OBSCURA_TRY(const EvalKeysHeader header, read_keys_header(frame, name));
      return Parts{Kind::key, header.keys(), false, {}};
    }
    case Kind::inputs:
    case Kind::outputs: {
      OBSCURA_TRY(const CiphertextHeader header, read_header(kind, frame, name));
      return Parts{Kind::record, header.records(), true, header.request};
    }
    case Kind::state: {
      OBSCURA_TRY(const StateHeader header, read_state_header(frame, name));
      return Parts{Kind::record, header.live.size(), true, header.inputs};
    }
    default: {
      const auto payload = open_frame(frame, kind, name);
      if (!payload) return payload.error();
      return Parts{};
    }
  }
}

Result<void> check_part(const Parts& parts, std::uint64_t index, base::ByteView frame, const std::string& name) {
  const std::string place = fmt::format("{}: part {}", name, index);
  OBSCURA_TRY(const base::ByteView payload, open_frame(frame, *parts.kind, place));
  base::Reader r(payload);
  const std::uint64_t actual = r.u64();
  const std::uint64_t count = parts.placed ? r.u64() : parts.count;
  const Nonce request = parts.placed ? read_nonce(r) : parts.request;
  if (r.ok() && actual == index && count == parts.count && request == parts.request) return {};
  return error(Code::bad_format, "{}: number {} of {} of request {} stands in its place; {} of {} of {} is expected",
               place, actual, count, short_name(request), index, parts.count, short_name(parts.request));
}

}  // namespace

Result<Whole> check_whole(const std::filesystem::path& path) {
  const std::string name = path.string();
  Whole whole;
  OBSCURA_TRY(whole.kind, read_kind(path));
  OBSCURA_TRY(base::InputFile file, base::InputFile::open(path));
  OBSCURA_TRY(const base::Bytes header, read_frame(file, whole.kind, kMaxPayload));
  OBSCURA_TRY(const Parts parts, parts_of(whole.kind, header, name));
  base::Bytes names = header;
  for (; whole.parts < parts.count; ++whole.parts) {
    OBSCURA_TRY(const base::Bytes frame, read_frame(file, *parts.kind, kMaxPayload));
    OBSCURA_TRY_VOID(check_part(parts, whole.parts, frame, name));
    const base::ByteView digest = base::ByteView(frame).last(kDigestBytes);
    names.insert(names.end(), digest.begin(), digest.end());
  }
  const bool signable = whole.kind == Kind::offer || whole.kind == Kind::outputs;
  if (signable && file.remaining() > 0) {
    const Digest own = whole.kind == Kind::offer ? frame_digest(header) : base::digest(names);
    OBSCURA_TRY(whole.signer, read_signature(file, whole.kind, own));
  }
  if (file.remaining() == 0) return whole;
  return error(Code::bad_format, "{}: {} bytes after its end", name, file.remaining());
}

}  // namespace obscura::wire
