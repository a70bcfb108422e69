// SPDX-License-Identifier: Apache-2.0
/// What a network's outputs say, and how precise they have to be for that. Arrow: nn::Graph -> plan::AnswerSpec.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compile/measure/statistics.h"
#include "nn/graph.h"
#include "plan/answer.h"

namespace obscura::compile {

/// The function is the network's ending. The kind, unless it is given: of two outputs or more, several where they end
/// in a sigmoid, else one; of one output, binary where it ends in a sigmoid, else values.
/// errors  wrong_params, naming the network: plan::verify_answer refuses kind, function or class names
Result<plan::AnswerSpec> answer_of(const nn::Graph& graph, std::optional<plan::AnswerKind> kind,
                                   const std::vector<std::string>& class_names);

/// What the error of an output is measured by: of one label, the distance of an output from the mean of its image's
/// outputs; of other kinds, which compare nothing within an image, the standard deviation over the images of the output
/// that varies least (those that are constant left out, and no less than a share of the one that varies most). Where
/// nothing varies, the largest |output|, and where that is 0 too, 1: never 0.
double spread_of(const Statistics& statistics, plan::AnswerKind kind);

}  // namespace obscura::compile
