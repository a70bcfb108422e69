// SPDX-License-Identifier: Apache-2.0
/// Decrypted answers as files.
#pragma once

#include <string>
#include <vector>

#include "cli/verb.h"
#include "client/client.h"

namespace obscura::cli {

/// To be asked before the work begins; an empty path is none.
/// errors: io: it exists, or its folder does not; wrong_params: a name that does not end in .csv, .json or .npy
Result<void> check_save(const std::string& path);

/// A file that its owner alone may read, by the end of its name. .csv: a line an image: number, name of its file where
/// `files` has one, label and its name (of several labels with ';' between them), probability and logit of each class;
/// of plain values the number after the function and the logit of each output. .json: what --json prints. .npy: the
/// logits, images x classes floats.
/// errors: io
Result<void> save_answers(const std::string& path, const plan::AnswerSpec& spec, const client::Logits& logits,
                          const std::vector<std::string>& files, const Answer& answer);

}  // namespace obscura::cli
