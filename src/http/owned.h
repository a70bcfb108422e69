// SPDX-License-Identifier: Apache-2.0
/// What OpenSSL gave, freed where it goes out of scope. Internal to http/.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace obscura::http {

template <auto kFree>
struct FreedBy {
  template <class T>
  void operator()(T* one) const {
    kFree(one);
  }
};
template <class T, auto kFree>
using Owned = std::unique_ptr<T, FreedBy<kFree>>;

using OwnedBio = Owned<BIO, BIO_free>;
using OwnedKey = Owned<EVP_PKEY, EVP_PKEY_free>;
using OwnedX509 = Owned<X509, X509_free>;

/// What was written to a BIO in memory.
inline std::string text_of(BIO* memory) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(memory, &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

}  // namespace obscura::http
