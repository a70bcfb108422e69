// SPDX-License-Identifier: Apache-2.0
/// HTTP/1.1 over sockets and TLS, on Boost.Beast: bodies go to whoever takes them piece by piece, so that memory does
/// not grow with what is sent. Knows nothing of models, keys and images.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/files.h"

namespace obscura::http {

/// What stands before a body. Each answer has the header X-Request-Id.
struct Head {
  std::string method;
  std::string target;                          ///< path and query, as sent
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::optional<std::uint64_t> length;         ///< of the body, where it was announced
  std::string client = {};                     ///< common name in the client's certificate; "": none, or none asked for
  std::string request = {};                    ///< names it: X-Request-Id where that is_request_id(), else a new name
};

/// 1 to 64 letters, digits, '.', '-' and '_'.
bool is_request_id(const std::string& text);

/// A request that has ended.
struct Served {
  std::string request, method, path;  ///< the path without its query; "" where no head could be read
  unsigned status = 0;                ///< 0: it broke off before its answer began
  double seconds = 0;                 ///< from its head's last byte
};

struct Response {
  unsigned status = 200;
  std::string type = "application/json";
  std::map<std::string, std::string> headers = {};
  base::Bytes body = {};
  /// What comes after `body`, for answers larger than memory should hold.
  std::optional<base::InputFile> file = {};
  /// Where set, the answer is not there yet: this is asked every 2 to 50 ms until it gives one, which is sent in place
  /// of all that stands here. No thread waits meanwhile, and a client that goes away, or closes its half of the
  /// connection, ends the exchange. What it throws is answered with 500.
  /// threads  the server's loop, like `events`: neither may take long, and neither is called after the exchange's end
  std::function<std::optional<Response>()> later = {};
  /// Where set, the answer is a stream of server-sent events, without `type`, `body` and `file`: the text that comes
  /// back is sent as it is, lines and all; "" is nothing new yet, asked again as `later` is; nullopt is the end. A
  /// client that goes away ends the exchange, and so does the server's end, which breaks the stream off.
  std::function<std::optional<std::string>()> events = {};
};

/// One request. Made when its head is there, and ended with the connection or the answer, whichever comes first.
class Exchange {
 public:
  virtual ~Exchange() = default;
  /// An answer that needs no body; one that comes is not read, and ends the connection.
  virtual std::optional<Response> at_once() { return std::nullopt; }
  /// Bytes of the body that are taken at most; more is answered with 413 before it is read.
  virtual std::uint64_t limit() const { return 0; }
  /// The next piece of the body. An answer that comes back ends the request, its body unread.
  virtual std::optional<Response> take(base::ByteView piece) = 0;
  /// The body is whole. May take long: it runs on a thread that serves nobody else.
  virtual Response answer() = 0;
};

/// Who takes a request, by its head.
using Route = std::function<std::unique_ptr<Exchange>(const Head&)>;

struct ServerTls {
  std::filesystem::path certificate;  ///< PEM: the server's, then those of its issuers
  std::filesystem::path key;          ///< PEM, under no passphrase
  /// PEM: where given, clients show a certificate that is one of these, or issued by one.
  std::filesystem::path client_ca = {};
};

struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  ///< 0: any that is free
  std::size_t connections = 256;
  std::uint32_t header_bytes = 16384;
  std::chrono::seconds idle{30};           ///< between two pieces of a head or body, and two requests
  std::size_t workers = 4;                 ///< calls of Exchange::answer() at a time
  std::chrono::milliseconds alive{15000};  ///< events without a word for this long get a comment, so that they last
  std::function<void(const Served&)> served = {};  ///< told of each request. threads: the server's loop
  std::optional<ServerTls> tls = {};               ///< where set, TLS 1.2 or later, and nothing in the clear
};

class Server {
 public:
  /// Listens, and serves on threads of its own until it is destroyed.
  /// errors  io: the address is taken, or not this machine's; a file of `tls` is absent. bad_format: no PEM, or a key
  ///         under a passphrase. wrong_params: no address; a key that is not the certificate's
  static Result<Server> start(const ServerOptions& options, Route route);
  Server(Server&&) noexcept;
  Server& operator=(Server&&) noexcept;
  /// Takes no more connections, and waits for the answers that are under way, those of Response::later too.
  ~Server();
  std::uint16_t port() const;

 private:
  struct Internal;
  explicit Server(std::unique_ptr<Internal> internal);
  std::unique_ptr<Internal> internal_;
};

/// The words of a status: "Not Found".
std::string reason_of(unsigned status);

}  // namespace obscura::http
