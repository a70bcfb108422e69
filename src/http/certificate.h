// SPDX-License-Identifier: Apache-2.0
/// Certificates for who has none: signed by themselves, trusted where they are given as what to trust.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "base/check.h"

namespace obscura::http {

struct Certificate {
  std::string certificate;  ///< PEM
  std::string key;          ///< PEM, PKCS #8, under no passphrase: secret
};

/// The certificate of a PEM file may be shown at this time: its first day has come, and its last has not passed.
/// errors  io; bad_format: no PEM; wrong_params: not yet, or not any more
Result<void> check_dates(const std::filesystem::path& pem,
                         std::chrono::system_clock::time_point at = std::chrono::system_clock::now());

/// A new ECDSA key on P-256 and its certificate, for servers and clients: it names these DNS names and addresses (the
/// first is its subject's common name too) and holds for `days` days from an hour before `from`, since clocks differ.
/// errors  wrong_params: no name; neither a DNS name nor an address; days not 1 to 36500
Result<Certificate> make_certificate(const std::vector<std::string>& names, int days,
                                     std::chrono::system_clock::time_point from = std::chrono::system_clock::now());

}  // namespace obscura::http
