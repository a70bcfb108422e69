// SPDX-License-Identifier: Apache-2.0
#include "run/engine.h"

#include "run/ckks_backend.h"

namespace obscura::run {

Result<std::shared_ptr<const Engine>> ckks_engine(const EngineParts& parts) {
  return engine_on(CkksBackend(parts.context, parts.keys), parts.program);
}

}  // namespace obscura::run
