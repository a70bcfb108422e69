// SPDX-License-Identifier: Apache-2.0
/// The document of the service's interface (OpenAPI 3), made from openapi.json.in.
#pragma once

namespace obscura::service {

extern const char* const kOpenApi;

}  // namespace obscura::service
