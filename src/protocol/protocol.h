// SPDX-License-Identifier: Apache-2.0
/// The Open Inference Protocol, version 2 (that of KServe and Triton), as far as Obscura speaks it: one tensor of bytes
/// in, one out, with the binary tensor extension. Both sides use this.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "base/bytes.h"

namespace obscura::protocol {

inline constexpr const char* kInput = "encrypted_images";
inline constexpr const char* kOutput = "encrypted_answer";
/// Bytes of the JSON that stands in front of the tensors, by the binary tensor extension.
inline constexpr const char* kHeadLength = "inference-header-content-length";
inline constexpr std::uint64_t kMaxHead = 65536;
/// Of a tensor of one element of type BYTES: its length, little-endian, and it.
inline constexpr std::uint64_t kPrefixBytes = 4;

/// What a request or an answer says of its one tensor.
struct TensorHead {
  std::string id;           ///< of the request; may be empty
  std::string model;        ///< of an answer
  std::string key;          ///< of a request: the evaluation keys
  std::uint64_t bytes = 0;  ///< of the element, without its prefix
};

/// 1 to 64 letters, digits, '.', '-' and '_', the first none of the last three: of models and keys, and of the files
/// that hold them.
bool is_name(const std::string& text);

std::string write_request(const TensorHead& head);
/// errors  bad_format: no JSON, or not one tensor of one element in binary; wrong_params: no key is named
Result<TensorHead> read_request(const std::string& json);
std::string write_answer(const TensorHead& head);
/// errors  bad_format
Result<TensorHead> read_answer(const std::string& json);

base::Bytes write_prefix(std::uint64_t bytes);
std::uint64_t read_prefix(base::ByteView bytes);

/// Bytes that the server has of keys that are not whole: {"received": BYTES}; 0 where it says none.
std::uint64_t read_received(base::ByteView body);
/// What an event of a job says of its work, done and in all; 0 of 0 where it says none.
std::pair<std::uint64_t, std::uint64_t> read_work(const std::string& json);

/// {"error": sentence}
std::string write_error(const std::string& sentence);
/// What an answer with an error says; the text itself where it is none of the protocol.
std::string read_error(base::ByteView body);

}  // namespace obscura::protocol
