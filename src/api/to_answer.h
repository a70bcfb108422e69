// SPDX-License-Identifier: Apache-2.0
/// Decrypted logits as the public headers show them.
#pragma once

#include <span>
#include <utility>

#include "client/answer.h"
#include "client/client.h"
#include "obscura/client.h"

namespace obscura::api {

inline Answer to_answer(client::Logits logits, const plan::AnswerSpec& spec) {
  Answer answer{logits.images, logits.classes, std::move(logits.values), {}, {}};
  for (std::size_t i = 0; i < answer.images; ++i) {
    const auto row = std::span<const float>(answer.logits).subspan(i * answer.classes, answer.classes);
    answer.labels.push_back(client::labels(spec, row));
    answer.probabilities.push_back(client::probabilities(spec, row));
  }
  return answer;
}

}  // namespace obscura::api
