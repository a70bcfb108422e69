// SPDX-License-Identifier: Apache-2.0
#include "run/execute.h"

namespace obscura::run {

const char* operation_name(const plan::Operation& operation) {
  static constexpr const char* kNames[plan::kOperationCount] = {"Linear", "Multiply", "Relinearize", "Rescale",
                                                                "Combine"};
  return kNames[operation.index()];
}

}  // namespace obscura::run
