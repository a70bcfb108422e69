// SPDX-License-Identifier: Apache-2.0
/// server.toml: what a service is told by the people who run it.
#pragma once

#include "http/server.h"
#include "service/service.h"

namespace obscura::service {

struct Configuration {
  http::ServerOptions http;
  ServiceOptions service;
};

/// FOLDER/server.toml; the defaults where there is none: this machine alone, without tokens. Paths in it are relative
/// to FOLDER. errors: io; bad_format, wrong_params: with file, line, key and allowed value
Result<Configuration> read_configuration(const std::filesystem::path& folder);

/// A server.toml that serves everybody who has a token, over TLS with tls/certificate.pem and tls/key.pem: every key
/// with what it means.
std::string first_configuration();

/// The keys as a table of Markdown: of docs/SERVICE.md.
std::string configuration_reference();

}  // namespace obscura::service
