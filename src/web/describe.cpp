// SPDX-License-Identifier: Apache-2.0
#include "web/describe.h"

#include <vector>

#include "client/answer.h"
#include "wire/binding.h"

namespace obscura::web {

namespace {

/// Text that is readable UTF-8 (base::is_readable), as the offer's is: quotes and backslashes alone want an escape.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

template <class Row, class Write>
std::string list(const Row& row, const Write& write) {
  std::string out = "[";
  for (const auto& one : row) {
    if (out.size() > 1) out += ',';
    out += write(one);
  }
  return out + ']';
}

}  // namespace

Result<std::string> describe(const plan::Offer& offer) {
  OBSCURA_TRY(const client::KeyCost cost, client::cost_of_keys(offer));
  const plan::InputSpec& input = offer.input;
  const plan::AnswerSpec& answer = offer.output.answer;
  std::string out = fmt::format(R"({{"network":{},"plan":"{}","keysName":"{}")", quoted(offer.name),
                                wire::hex(offer.plan_digest), client::name_of_keys(offer));
  out += fmt::format(R"(,"channels":{},"height":{},"width":{},"classes":{})", input.channels, input.height, input.width,
                     offer.output.classes);
  out +=
      fmt::format(R"(,"classNames":{},"kind":"{}","imagesAtOnce":{},"logitError":{})", list(answer.class_names, quoted),
                  plan::to_string(answer.kind), offer.images_at_once(), offer.output.error_std);
  out += fmt::format(R"(,"keys":{},"keyBytes":{},"keyMemory":{},"keySeconds":{})", cost.keys, cost.file_bytes,
                     cost.memory_bytes, cost.core_seconds);
  OBSCURA_TRY(const ckks::Params params, ckks::Params::make(offer.params));
  out += fmt::format(R"(,"bootstraps":{},"degree":{},"log2QP":{:.1f},"signer":{}}})", offer.bootstrap.has_value(),
                     params.degree(), params.log2_qp(),
                     offer.signer ? quoted(wire::hex(*offer.signer)) : std::string("null"));
  return out;
}

std::string describe(const client::Logits& logits, const plan::AnswerSpec& answer) {
  std::vector<std::span<const float>> rows;
  for (std::size_t i = 0; i < logits.images; ++i) {
    rows.push_back(std::span(logits.values).subspan(i * logits.classes, logits.classes));
  }
  const auto number = [](double x) { return fmt::format("{:.9g}", x); };
  const auto integer = [](std::uint32_t x) { return std::to_string(x); };
  return fmt::format(R"({{"images":{},"classes":{},"logits":{},"labels":{},"probabilities":{}}})", logits.images,
                     logits.classes, list(rows, [&](auto row) { return list(row, number); }),
                     list(rows, [&](auto row) { return list(client::labels(answer, row), integer); }),
                     list(rows, [&](auto row) { return list(client::probabilities(answer, row), number); }));
}

}  // namespace obscura::web
