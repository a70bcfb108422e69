// SPDX-License-Identifier: Apache-2.0
#include "http/tls.h"

#include <fmt/chrono.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <boost/asio/ssl/error.hpp>
#include <ctime>
#include <filesystem>
#include <utility>
#include <vector>

#include "http/owned.h"

namespace obscura::http {

namespace {

using boost::asio::ssl::context;
using std::filesystem::path;

constexpr std::uint64_t kMaxPem = std::uint64_t{1} << 20;

/// PEM in memory; wiped, since it may be a key.
class Pem {
 public:
  explicit Pem(base::Bytes bytes)
      : bytes_(std::move(bytes)), bio_(BIO_new_mem_buf(bytes_.data(), static_cast<int>(bytes_.size()))) {}
  Pem(Pem&&) = default;
  ~Pem() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }
  BIO* bio() const { return bio_.get(); }

 private:
  base::Bytes bytes_;
  OwnedBio bio_;
};

Result<std::vector<OwnedX509>> certificates_of(const path& file) {
  OBSCURA_TRY(base::Bytes bytes, base::read_file(file, kMaxPem));
  const Pem pem(std::move(bytes));
  std::vector<OwnedX509> all;
  while (X509* one = PEM_read_bio_X509(pem.bio(), nullptr, nullptr, nullptr)) all.emplace_back(one);
  const unsigned long why = ERR_peek_last_error();
  ERR_clear_error();
  // What ends a file without another certificate is this one error; all others are damage.
  if (all.empty() || ERR_GET_LIB(why) != ERR_LIB_PEM || ERR_GET_REASON(why) != PEM_R_NO_START_LINE) {
    return error(Code::bad_format, "{}: no certificate in PEM, or a damaged one", file.string());
  }
  return all;
}

/// OpenSSL would ask at the terminal for a passphrase.
int no_passphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

Result<OwnedKey> key_of(const path& file) {
  OBSCURA_TRY(base::Bytes bytes, base::read_file(file, kMaxPem));
  const Pem pem(std::move(bytes));
  bool asked = false;
  OwnedKey key(PEM_read_bio_PrivateKey(pem.bio(), nullptr, no_passphrase, &asked));
  ERR_clear_error();
  if (asked) {
    return error(Code::bad_format, "{}: a key under a passphrase; give one without (openssl pkey)", file.string());
  }
  if (key == nullptr) return error(Code::bad_format, "{}: no private key in PEM, or a damaged one", file.string());
  return key;
}

Result<void> identify(SSL_CTX* tls, const path& certificate, const path& key) {
  OBSCURA_TRY(std::vector<OwnedX509> chain, certificates_of(certificate));
  OBSCURA_TRY(const OwnedKey secret, key_of(key));
  bool fits = SSL_CTX_use_certificate(tls, chain.front().get()) == 1;
  for (std::size_t k = 1; k < chain.size(); ++k) fits = fits && SSL_CTX_add1_chain_cert(tls, chain[k].get()) == 1;
  if (!fits) return error(Code::bad_format, "{}: OpenSSL takes no such certificate", certificate.string());
  fits = SSL_CTX_use_PrivateKey(tls, secret.get()) == 1 && SSL_CTX_check_private_key(tls) == 1;
  ERR_clear_error();
  if (!fits) {
    return error(Code::wrong_params, "{}: not the key of the certificate {}", key.string(), certificate.string());
  }
  return {};
}

Result<void> trust(SSL_CTX* tls, const path& file) {
  OBSCURA_TRY(const std::vector<OwnedX509> all, certificates_of(file));
  X509_STORE* store = SSL_CTX_get_cert_store(tls);
  for (const OwnedX509& one : all) OBSCURA_CHECK(X509_STORE_add_cert(store, one.get()) == 1, "a certificate to trust");
  // A certificate that is given is trusted, whoever issued it.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  return {};
}

context bare(const SSL_METHOD* method) {
  context tls(SSL_CTX_new(method));
  SSL_CTX* handle = tls.native_handle();
  const bool set = SSL_CTX_set_min_proto_version(handle, TLS1_2_VERSION) == 1 &&
                   SSL_CTX_set_cipher_list(handle, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1;
  OBSCURA_CHECK(set, "the versions and ciphers of TLS");
  SSL_CTX_set_options(handle, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  return tls;
}

std::string date_of(const ASN1_TIME* time) {
  std::tm when{};
  if (ASN1_TIME_to_tm(time, &when) != 1) return "an unknown time";
  return fmt::format("{:%Y-%m-%d %H:%M} UTC", when);
}

bool is_of_ssl(const boost::system::error_code& failed) {
  return failed.category() == boost::asio::error::get_ssl_category() && ERR_GET_LIB(failed.value()) == ERR_LIB_SSL;
}

/// What the server said of this client's certificate; "" where it said something else.
const char* refusal_of(int alert) {
  switch (alert) {
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
      return "it asks for a certificate of the client's, and none was given";
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
      return "it does not know the issuer of this client's certificate";
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
      return "this client's certificate has expired, or a clock is wrong";
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
      return "it does not take this client's certificate";
    default:
      return "";
  }
}

Error explain_doubt(const Url& to, const Doubt& doubt) {
  switch (doubt.error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return error(Code::wrong_params,
                   "{}:{}: its certificate holds from {} to {}, and it is {:%Y-%m-%d %H:%M} UTC here: it needs another "
                   "one, or one of the two clocks is wrong",
                   to.host, to.port, doubt.from, doubt.until, fmt::gmtime(std::time(nullptr)));
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return error(Code::wrong_params, "{}:{}: its certificate is for {}; name the server so, or have one made for {}",
                   to.host, to.port, doubt.names, to.host);
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return error(Code::wrong_params,
                   "{}:{}: the issuer of its certificate is not trusted here; give the certificate to trust with "
                   "--ca FILE",
                   to.host, to.port);
    default:
      return error(Code::wrong_params, "{}:{}: its certificate is refused: {}", to.host, to.port,
                   X509_verify_cert_error_string(doubt.error));
  }
}

}  // namespace

Result<context> server_context(const ServerTls& files) {
  context tls = bare(TLS_server_method());
  SSL_CTX* handle = tls.native_handle();
  // No tickets: a client that has what it came for may close over bytes that it never reads, and lose its answer.
  SSL_CTX_set_options(handle, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(handle, 0);
  SSL_CTX_set_session_cache_mode(handle, SSL_SESS_CACHE_OFF);
  OBSCURA_TRY_VOID(identify(handle, files.certificate, files.key));
  if (!files.client_ca.empty()) {
    OBSCURA_TRY_VOID(trust(handle, files.client_ca));
    SSL_CTX_set_verify(handle, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return tls;
}

Result<context> client_context(const ClientTls& files) {
  context tls = bare(TLS_client_method());
  SSL_CTX* handle = tls.native_handle();
  if (files.certificate.empty() != files.key.empty()) {
    return error(Code::wrong_params, "a client's certificate and its key are given together, or neither");
  }
  if (files.ca.empty()) {
    SSL_CTX_set_default_verify_paths(handle);
  } else {
    OBSCURA_TRY_VOID(trust(handle, files.ca));
  }
  if (!files.certificate.empty()) OBSCURA_TRY_VOID(identify(handle, files.certificate, files.key));
  SSL_CTX_set_verify(handle, SSL_VERIFY_PEER, nullptr);
  return tls;
}

std::string common_name_of_peer(SSL* connection) {
  const OwnedX509 certificate(SSL_get1_peer_certificate(connection));
  if (certificate == nullptr) return "";
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  const X509_NAME_ENTRY* entry = X509_NAME_get_entry(subject, X509_NAME_get_index_by_NID(subject, NID_commonName, -1));
  unsigned char* bytes = nullptr;
  const int size = entry == nullptr ? -1 : ASN1_STRING_to_UTF8(&bytes, X509_NAME_ENTRY_get_data(entry));
  std::string name = size > 0 ? std::string(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)) : "";
  OPENSSL_free(bytes);
  return base::is_readable(name) ? name : "";
}

Doubt doubt_of(X509_STORE_CTX* checked) {
  Doubt doubt;
  doubt.error = X509_STORE_CTX_get_error(checked);
  const X509* certificate = X509_STORE_CTX_get_current_cert(checked);
  if (certificate == nullptr) return doubt;
  doubt.from = date_of(X509_get0_notBefore(certificate));
  doubt.until = date_of(X509_get0_notAfter(certificate));
  const OwnedBio names(BIO_new(BIO_s_mem()));
  const int at = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1);
  if (at >= 0) X509V3_EXT_print(names.get(), X509_get_ext(certificate, at), 0, 0);
  doubt.names = text_of(names.get());
  if (doubt.names.empty() || !base::is_readable(doubt.names)) doubt.names = "another host";
  return doubt;
}

Result<void> expect_host(SSL* connection, const std::string& host) {
  X509_VERIFY_PARAM* wanted = SSL_get0_param(connection);
  if (X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) == 1) return {};  // addresses are not told to the server
  ERR_clear_error();
  X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  const bool set = X509_VERIFY_PARAM_set1_host(wanted, host.c_str(), 0) == 1 &&
                   SSL_set_tlsext_host_name(connection, host.c_str()) == 1;
  if (!set) return error(Code::wrong_params, "{}: no name of a host", host);
  return {};
}

bool speaks_http(const boost::system::error_code& failed) {
  return is_of_ssl(failed) && ERR_GET_REASON(failed.value()) == SSL_R_HTTP_REQUEST;
}

bool is_alert(const boost::system::error_code& failed) {
  return is_of_ssl(failed) && ERR_GET_REASON(failed.value()) > SSL_AD_REASON_OFFSET;
}

Error explain(const Url& to, const boost::system::error_code& failed, const Doubt& doubt) {
  if (doubt.error != X509_V_OK) return explain_doubt(to, doubt);
  if (is_alert(failed)) {
    if (const std::string refused = refusal_of(ERR_GET_REASON(failed.value())); !refused.empty()) {
      return error(Code::wrong_params, "{}:{}: {}", to.host, to.port, refused);
    }
  }
  if (is_of_ssl(failed) && ERR_GET_REASON(failed.value()) == SSL_R_WRONG_VERSION_NUMBER) {
    return error(Code::io, "{}:{} speaks no TLS; if it is the server you mean, name it as http://{}:{}", to.host,
                 to.port, to.host, to.port);
  }
  return error(Code::io, "{}:{} did not agree on TLS: {}", to.host, to.port, failed.message());
}

}  // namespace obscura::http
