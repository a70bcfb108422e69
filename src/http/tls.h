// SPDX-License-Identifier: Apache-2.0
/// TLS by OpenSSL, as the client and the server of http/ use it. Internal to them.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <boost/system/error_code.hpp>
#include <string>

#include "http/client.h"
#include "http/server.h"

namespace obscura::http {

/// errors  io: a file is absent. bad_format: no PEM, or a key under a passphrase. wrong_params: a key that is not the
///         certificate's
Result<boost::asio::ssl::context> server_context(const ServerTls& tls);
/// errors  as above; wrong_params also: a certificate without a key, or the reverse
Result<boost::asio::ssl::context> client_context(const ClientTls& tls);

/// Of the certificate that the other side has shown and that was accepted; "" where there is none.
std::string common_name_of_peer(SSL* connection);

/// What was wrong with a certificate.
struct Doubt {
  int error = X509_V_OK;
  std::string from, until;  ///< its dates
  std::string names;        ///< what it is for
};
Doubt doubt_of(X509_STORE_CTX* checked);

/// Before a client's handshake: which host is wanted, told in the clear for servers of many names, and checked.
/// errors  wrong_params: no host has such a name
Result<void> expect_host(SSL* connection, const std::string& host);

/// Whether the other side spoke HTTP in the clear.
bool speaks_http(const boost::system::error_code& failed);
/// Whether the other side refused, for a reason that it told.
bool is_alert(const boost::system::error_code& failed);

/// One sentence for a connection that TLS did not let come to be, or broke off.
Error explain(const Url& to, const boost::system::error_code& failed, const Doubt& doubt);

}  // namespace obscura::http
