// SPDX-License-Identifier: Apache-2.0
/// Certificates for who has none: signed by themselves, trusted where they are given as what to trust.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/check.h"

namespace obscura::http {

struct Certificate {
  std::string certificate;  ///< PEM
  std::string key;          ///< PEM, PKCS #8, under no passphrase: secret
};

/// A new ECDSA key on P-256 and its certificate, for servers and clients: it names these DNS names and addresses (the
/// first is its subject's common name too) and holds for `days` days from an hour before `from`, since clocks differ.
/// errors  wrong_params: no name; neither a DNS name nor an address; days not 1 to 36500
Result<Certificate> make_certificate(const std::vector<std::string>& names, int days,
                                     std::chrono::system_clock::time_point from = std::chrono::system_clock::now());

}  // namespace obscura::http
