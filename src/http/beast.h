// SPDX-License-Identifier: Apache-2.0
/// What the client and the server share of Boost.Beast. Internal: its names stay out of the other headers.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <map>
#include <string>
#include <type_traits>

namespace obscura::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using boost::system::error_code;

using Plain = beast::tcp_stream;
using Secure = beast::ssl_stream<Plain>;
template <class Stream>
inline constexpr bool kIsSecure = std::is_same_v<Stream, Secure>;

/// What is read or written at a time. Beast reads as much as its buffer has room for: of one that was not reserved,
/// 512 bytes.
inline constexpr std::size_t kPieceBytes = std::size_t{1} << 16;

/// co_await operation(..., into(failed)): what goes wrong is told, not thrown.
inline auto into(error_code& failed) { return asio::redirect_error(asio::use_awaitable, failed); }

/// Names in lower case.
inline std::map<std::string, std::string> headers_of(const bhttp::fields& fields) {
  std::map<std::string, std::string> headers;
  for (const auto& field : fields) {
    std::string name(field.name_string());
    for (char& letter : name) letter = letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
    headers[name] = std::string(field.value());
  }
  return headers;
}

}  // namespace obscura::http
