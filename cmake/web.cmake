# SPDX-License-Identifier: Apache-2.0
# WebAssembly: the dependencies of the client, of which Debian has no package for it. fmt is headers (base/format.cpp is its
# part that is compiled); libsodium is compiled from Debian's source package.
find_path(FMT_HEADERS fmt/core.h PATHS /usr/include NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH REQUIRED)
# /usr/include itself would bring the headers of this machine's libc.
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/include)
file(CREATE_LINK ${FMT_HEADERS}/fmt ${CMAKE_BINARY_DIR}/include/fmt SYMBOLIC)
add_library(fmt::fmt INTERFACE IMPORTED)
target_include_directories(fmt::fmt SYSTEM INTERFACE ${CMAKE_BINARY_DIR}/include)

enable_language(C)
set(sodium ${CMAKE_BINARY_DIR}/libsodium)
execute_process(COMMAND ${PROJECT_SOURCE_DIR}/tools/sodium_source.sh ${sodium} RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "the source of libsodium is not here: ${PROJECT_SOURCE_DIR}/tools/sodium_source.sh says why")
endif()
# What configure fills in.
file(STRINGS ${sodium}/configure.ac line REGEX "^AC_INIT")
string(REGEX REPLACE ".*\\[([0-9.]+)\\].*" "\\1" VERSION "${line}")
file(STRINGS ${sodium}/configure.ac lines REGEX "^SODIUM_LIBRARY_VERSION_(MAJOR|MINOR)=")
foreach(line IN LISTS lines)
  string(REGEX REPLACE "^([A-Z_]+)=([0-9]+).*" "\\1;\\2" pair "${line}")
  list(GET pair 0 name)
  list(GET pair 1 ${name})
endforeach()
set(SODIUM_LIBRARY_MINIMAL_DEF "")
configure_file(${sodium}/src/libsodium/include/sodium/version.h.in ${sodium}/src/libsodium/include/sodium/version.h @ONLY)
# What Obscura calls, and what that calls: base/random.cpp, base/signing.cpp, base/locked.h. Its randomness is
# base/random_web.cpp.
set(sodium_parts
  crypto_core/ed25519/ref10/ed25519_ref10.c crypto_core/hsalsa20/core_hsalsa20.c crypto_core/hsalsa20/ref2/core_hsalsa20_ref2.c
  crypto_core/salsa/ref/core_salsa_ref.c crypto_generichash/crypto_generichash.c crypto_generichash/blake2b/generichash_blake2.c
  crypto_generichash/blake2b/ref/blake2b-compress-ref.c crypto_generichash/blake2b/ref/blake2b-ref.c
  crypto_generichash/blake2b/ref/generichash_blake2b.c crypto_hash/sha512/hash_sha512.c crypto_hash/sha512/cp/hash_sha512_cp.c
  crypto_onetimeauth/crypto_onetimeauth.c crypto_onetimeauth/poly1305/onetimeauth_poly1305.c
  crypto_onetimeauth/poly1305/donna/poly1305_donna.c crypto_pwhash/crypto_pwhash.c crypto_pwhash/argon2/argon2-core.c
  crypto_pwhash/argon2/argon2-encoding.c crypto_pwhash/argon2/argon2-fill-block-ref.c crypto_pwhash/argon2/argon2.c
  crypto_pwhash/argon2/blake2b-long.c crypto_pwhash/argon2/pwhash_argon2i.c crypto_pwhash/argon2/pwhash_argon2id.c
  crypto_secretbox/crypto_secretbox_easy.c crypto_secretbox/crypto_secretbox.c
  crypto_secretbox/xsalsa20poly1305/secretbox_xsalsa20poly1305.c crypto_sign/crypto_sign.c crypto_sign/ed25519/sign_ed25519.c
  crypto_sign/ed25519/ref10/keypair.c crypto_sign/ed25519/ref10/open.c crypto_sign/ed25519/ref10/sign.c
  crypto_stream/chacha20/stream_chacha20.c crypto_stream/chacha20/ref/chacha20_ref.c crypto_stream/crypto_stream.c
  crypto_stream/salsa20/stream_salsa20.c crypto_stream/salsa20/ref/salsa20_ref.c crypto_stream/xsalsa20/stream_xsalsa20.c
  crypto_verify/sodium/verify.c sodium/codecs.c sodium/core.c sodium/runtime.c sodium/utils.c
  crypto_scalarmult/curve25519/scalarmult_curve25519.c crypto_scalarmult/curve25519/ref10/x25519_ref10.c)
list(TRANSFORM sodium_parts PREPEND ${sodium}/src/libsodium/)
add_library(sodium STATIC ${sodium_parts})
target_include_directories(sodium SYSTEM PUBLIC ${sodium}/src/libsodium/include)
target_include_directories(sodium SYSTEM PRIVATE ${sodium}/src/libsodium/include/sodium)
target_compile_definitions(sodium PRIVATE CONFIGURED=1 NATIVE_LITTLE_ENDIAN=1 HAVE_WEAK_SYMBOLS=1)
target_compile_options(sodium PRIVATE -w)
set_target_properties(sodium PROPERTIES UNITY_BUILD OFF)
add_library(PkgConfig::sodium ALIAS sodium)
