// SPDX-License-Identifier: Apache-2.0
/// Requests to a server of HTTP/1.1, on Boost.Beast: what is sent and what comes back need not fit in memory.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/files.h"
#include "base/parallel.h"
#include "http/events.h"

namespace obscura::http {

/// http://HOST[:PORT] or https://HOST[:PORT]
struct Url {
  std::string host;
  std::string port = "80";
  bool tls = false;
};
/// errors  wrong_params: another scheme, or no host
Result<Url> parse_url(const std::string& text);

/// For https; of no meaning for http.
struct ClientTls {
  std::filesystem::path ca = {};           ///< PEM: trusted in place of the system's certificates
  std::filesystem::path certificate = {};  ///< PEM: this client's, for servers that ask for one, then its issuers'
  std::filesystem::path key = {};          ///< PEM, under no passphrase: the certificate's
};

struct Call {
  std::string method = "GET";
  std::string target = "/";
  std::map<std::string, std::string> headers = {};
  base::Bytes body = {};
  base::InputFile* file = nullptr;  ///< what comes after `body`, from where it stands
  /// What comes after those, made while it is sent: fills each piece whole, and may wait for that. So many bytes.
  std::function<Result<void>(std::span<std::byte>)> more = {};
  std::uint64_t more_bytes = 0;
  base::Progress progress = {};  ///< counts bytes that were sent; asked while waiting for the answer too
  ClientTls tls = {};
  /// Where set, gets each event of an answer that is a stream of events, as it comes; false stops with `cancelled`.
  /// Such a stream may last; one without a byte for 60 s has broken off. The body of the reply is empty then.
  std::function<bool(const Event&)> event = {};
  std::uint64_t max_answer = std::uint64_t{1} << 20;  ///< bytes; of a stream of events, of each
  std::chrono::seconds wait{3600};                    ///< for the answer to begin; pieces on their way have 30 s each
};

struct Reply {
  unsigned status = 0;
  std::map<std::string, std::string> headers;  ///< names in lower case
  base::Bytes body;
};

/// Sends one request, on a connection of its own.
/// errors  io: no such host, refused, broken off, too late, no TLS there; a file of `tls` is absent. bad_format: no
///         HTTP, or an answer over max_answer; no PEM in a file. wrong_params: the server's certificate is out of its
///         dates, of an issuer that is not trusted, or another host's; the server does not take this client's; a key
///         that is not the certificate's. cancelled; those of call.more
Result<Reply> send(const Url& to, Call call);

}  // namespace obscura::http
