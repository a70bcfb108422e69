// SPDX-License-Identifier: Apache-2.0
#include "http/certificate.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cctype>
#include <ctime>

#include "base/files.h"
#include "http/owned.h"

namespace obscura::http {

namespace {

constexpr std::size_t kMaxCommonName = 64;
constexpr int kMaxDays = 36500;

bool is_dns_name(const std::string& name) {
  return !name.empty() && name.size() <= 253 && name.front() != '.' && name.front() != '-' &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_' || c == '*';
         });
}

/// "DNS:a,IP:127.0.0.1"
Result<std::string> alternatives(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) {
    const Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> address(a2i_IPADDRESS(name.c_str()));
    if (address == nullptr && !is_dns_name(name)) {
      return error(Code::wrong_params, "{}: neither a name of a host nor an address", name);
    }
    list += (list.empty() ? "" : ",") + std::string(address != nullptr ? "IP:" : "DNS:") + name;
  }
  if (list.empty()) return error(Code::wrong_params, "a certificate names at least one host");
  return list;
}

void extend(X509* certificate, int what, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const Owned<X509_EXTENSION, X509_EXTENSION_free> extension(
      X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str()));
  OBSCURA_CHECK(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1, "an extension");
}

}  // namespace

Result<void> check_dates(const std::filesystem::path& pem, std::chrono::system_clock::time_point at) {
  constexpr std::uint64_t kMostBytes = 1 << 20;
  OBSCURA_TRY(const base::Bytes bytes, base::read_file(pem, kMostBytes));
  const OwnedBio source(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
  const OwnedX509 certificate(PEM_read_bio_X509(source.get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) return error(Code::bad_format, "{}: no certificate in PEM", pem.string());
  std::time_t time = std::chrono::system_clock::to_time_t(at);
  const auto text = [](const ASN1_TIME* when) {
    const OwnedBio written(BIO_new(BIO_s_mem()));
    ASN1_TIME_print(written.get(), when);
    return text_of(written.get());
  };
  if (const ASN1_TIME* first = X509_get0_notBefore(certificate.get()); X509_cmp_time(first, &time) > 0) {
    return error(Code::wrong_params, "{}: holds from {} on, which by this machine's clock is to come: set the clock",
                 pem.string(), text(first));
  }
  if (const ASN1_TIME* last = X509_get0_notAfter(certificate.get()); X509_cmp_time(last, &time) < 0) {
    return error(Code::wrong_params, "{}: expired on {}: no client takes it; put a new one there", pem.string(),
                 text(last));
  }
  return {};
}

Result<Certificate> make_certificate(const std::vector<std::string>& names, int days,
                                     std::chrono::system_clock::time_point from) {
  OBSCURA_TRY(const std::string all, alternatives(names));
  if (days < 1 || days > kMaxDays) {
    return error(Code::wrong_params, "a certificate for {} days; 1 to {} are allowed", days, kMaxDays);
  }
  const OwnedKey key(EVP_EC_gen("P-256"));
  const OwnedX509 certificate(X509_new());
  OBSCURA_CHECK(key != nullptr && certificate != nullptr, "a key on P-256");
  X509* one = certificate.get();
  const std::time_t begin = std::chrono::system_clock::to_time_t(from - std::chrono::hours(1));
  unsigned char serial[16];
  OBSCURA_CHECK(RAND_bytes(serial, sizeof serial) == 1, "random bytes");
  serial[0] = (serial[0] & 0x7f) | 0x40;  // a positive number of 16 bytes
  const Owned<BIGNUM, BN_free> number(BN_bin2bn(serial, sizeof serial, nullptr));
  const std::string common = names.front().substr(0, kMaxCommonName);
  X509_NAME* subject = X509_get_subject_name(one);
  const bool filled =
      X509_set_version(one, X509_VERSION_3) == 1 &&
      BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(one)) != nullptr &&
      ASN1_TIME_set(X509_getm_notBefore(one), begin) != nullptr &&
      ASN1_TIME_adj(X509_getm_notAfter(one), begin, days, 0) != nullptr &&
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(common.c_str()),
                                 -1, -1, 0) == 1 &&
      X509_set_issuer_name(one, subject) == 1 && X509_set_pubkey(one, key.get()) == 1;
  OBSCURA_CHECK(filled, "a certificate");
  extend(one, NID_subject_alt_name, all);
  extend(one, NID_basic_constraints, "critical,CA:FALSE");
  extend(one, NID_key_usage, "critical,digitalSignature");
  extend(one, NID_ext_key_usage, "serverAuth,clientAuth");
  extend(one, NID_subject_key_identifier, "hash");
  OBSCURA_CHECK(X509_sign(one, key.get(), EVP_sha256()) > 0, "a signature");
  const OwnedBio written(BIO_new(BIO_s_mem())), secret(BIO_new(BIO_s_secmem()));
  const bool wrote = PEM_write_bio_X509(written.get(), one) == 1 &&
                     PEM_write_bio_PKCS8PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1;
  OBSCURA_CHECK(wrote, "PEM");
  return Certificate{text_of(written.get()), text_of(secret.get())};
}

}  // namespace obscura::http
