// SPDX-License-Identifier: Apache-2.0
/// What a page shows, as JSON. Arrow: client -> web.
#pragma once

#include <string>

#include "client/client.h"

namespace obscura::web {

/// {"network", "plan", "keysName", "channels", "height", "width", "classes", "classNames", "kind", "imagesAtOnce",
/// "logitError", "keys", "keyBytes", "keyMemory", "keySeconds", "bootstraps", "degree", "log2QP", "signer"}: names of
/// bytes in hexadecimal, "signer" null of an offer that nobody signed.
/// errors  as client::cost_of_keys
Result<std::string> describe(const plan::Offer& offer);

/// {"images", "classes", "logits": [image][class], "labels": [image][label], "probabilities": [image][class]}; logits
/// to 9 digits, which give the float back.
std::string describe(const client::Logits& logits, const plan::AnswerSpec& answer);

}  // namespace obscura::web
