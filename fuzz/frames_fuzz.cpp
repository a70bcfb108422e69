// SPDX-License-Identifier: Apache-2.0
// Any bytes are a frame or one sentence. The first byte chooses what the rest is: a whole file, or the payload of a
// frame of one kind, whose digest is then made right so that the parser behind it is reached.
#include <cstddef>
#include <cstdint>

#include "ckks/context.h"
#include "wire/ciphertexts.h"
#include "wire/eval_keys.h"
#include "wire/frames.h"
#include "wire/plan_frame.h"
#include "wire/state.h"

namespace {

using namespace obscura;

/// A ring so small that whole keys and ciphertexts are some thousand bytes.
const ckks::Context& toy_context() {
  static const auto context = [] {
    ckks::ParamsLiteral literal;
    literal.log2_degree = 9;
    literal.chain = ckks::make_primes(9, 36, 2, {}).value();
    literal.special = ckks::make_primes(9, 40, 1, {}).value();
    literal.digit_limbs = 1;
    return ckks::Context::make(ckks::Params::insecure_for_tests(literal).value());
  }();
  return *context;
}

template <class T>
void require_sentence(const Result<T>& result) {
  if (!result.ok()) OBSCURA_CHECK(!result.error().message.empty(), "an error without a sentence");
}

void read_whole(base::ByteView bytes) {
  for (std::uint32_t kind = 1; kind <= 12; ++kind)
    require_sentence(wire::open_frame(bytes, static_cast<wire::Kind>(kind), "input"));
  require_sentence(wire::read_plan(bytes, "input"));
  require_sentence(wire::read_offer(bytes, "input"));
  require_sentence(wire::read_keys_header(bytes, "input"));
  require_sentence(wire::read_state_header(bytes, "input"));
}

void read_offer(base::ByteView payload) {
  const auto offer = wire::read_offer(wire::make_frame(wire::Kind::offer, payload), "input");
  require_sentence(offer);
  if (!offer.ok()) return;
  const auto again = wire::read_offer(wire::write_offer(*offer), "written");
  OBSCURA_CHECK(again.ok(), "an offer was written, but not read: {}", again.error().message);
}

void read_keys(base::ByteView payload) {
  const auto header = wire::read_keys_header(wire::make_frame(wire::Kind::evaluation_keys, payload), "input");
  require_sentence(header);
  if (!header.ok()) return;
  const auto again = wire::read_keys_header(wire::write_keys_header(*header), "written");
  OBSCURA_CHECK(again.ok() && *again == *header, "a list of keys changed on its way");
}

void read_key(base::ByteView payload) {
  const base::Bytes frame = wire::make_frame(wire::Kind::key, payload);
  for (const std::size_t limbs : {1U, 2U}) require_sentence(wire::read_key(toy_context(), limbs, 0, frame, "input"));
}

void read_header(wire::Kind kind, base::ByteView payload) {
  const auto header = wire::read_header(kind, wire::make_frame(kind, payload), "input");
  require_sentence(header);
  if (header.ok()) OBSCURA_CHECK(header->records() >= header->elements, "{} records", header->records());
}

void read_state(base::ByteView payload) {
  const auto header = wire::read_state_header(wire::make_frame(wire::Kind::state, payload), "input");
  require_sentence(header);
  if (!header.ok()) return;
  const auto again = wire::read_state_header(wire::write_state_header(*header), "written");
  OBSCURA_CHECK(again.ok() && *again == *header, "a state changed on its way");
}

void read_record(base::ByteView payload) {
  wire::CiphertextHeader header;
  header.log2_degree = 9;
  header.limbs = payload.size() % 2 == 0 ? 1 : 2;
  header.seeded = payload.size() % 3 == 0;
  header.scale = 1;
  const base::Bytes frame = wire::make_frame(wire::Kind::record, payload);
  for (const std::uint32_t parts : {2U, 3U}) {
    header.parts = parts;
    for (const bool seeded : {false, true}) {
      header.seeded = seeded;
      require_sentence(wire::read_record(toy_context(), header, wire::RecordPlace{}, frame, "input"));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const base::ByteView rest(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  switch (data[0] % 8) {
    case 0:
      read_whole(rest);
      break;
    case 1:
      read_offer(rest);
      break;
    case 2:
      read_keys(rest);
      break;
    case 3:
      read_header(wire::Kind::inputs, rest);
      break;
    case 4:
      read_header(wire::Kind::outputs, rest);
      break;
    case 5:
      read_record(rest);
      break;
    case 6:
      read_key(rest);
      break;
    default:
      read_state(rest);
      break;
  }
  return 0;
}
