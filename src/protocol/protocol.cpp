// SPDX-License-Identifier: Apache-2.0
#include "protocol/protocol.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

namespace obscura::protocol {

namespace {

using nlohmann::ordered_json;

constexpr const char* kBinarySize = "binary_data_size";

/// No exception leaves: what is no JSON is an empty value.
nlohmann::json parse(const std::string& text) { return nlohmann::json::parse(text, nullptr, false); }

std::string text_of(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::uint64_t number_of(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

nlohmann::json object_of(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_object() ? *found : nlohmann::json::object();
}

ordered_json tensor(const char* name, std::uint64_t bytes) {
  return {{"name", name}, {"shape", {1}}, {"datatype", "BYTES"}, {"parameters", {{kBinarySize, bytes + kPrefixBytes}}}};
}

/// The one tensor of a list, in binary.
Result<TensorHead> read_tensor(const nlohmann::json& all, const char* list, const char* name) {
  if (!all.is_object()) return error(Code::bad_format, "the head of the request is no JSON object");
  const auto found = all.find(list);
  if (found == all.end() || !found->is_array() || found->size() != 1 || !found->front().is_object()) {
    return error(Code::bad_format, "'{}' is not a list of one tensor", list);
  }
  const nlohmann::json& one = found->front();
  if (text_of(one, "name") != name || text_of(one, "datatype") != "BYTES") {
    return error(Code::bad_format, "the tensor '{}' of type '{}'; here it is '{}' of type 'BYTES'",
                 text_of(one, "name").substr(0, 64), text_of(one, "datatype").substr(0, 16), name);
  }
  const auto shape = one.find("shape");
  if (shape == one.end() || *shape != nlohmann::json::array({1})) {
    return error(Code::bad_format, "the tensor '{}' has not the shape [1]", name);
  }
  const nlohmann::json parameters = object_of(one, "parameters");
  const auto size = parameters.find(kBinarySize);
  if (size == parameters.end() || !size->is_number_unsigned() || size->get<std::uint64_t>() < kPrefixBytes) {
    return error(Code::bad_format, "the tensor '{}' says no '{}': its bytes come in binary after the JSON", name,
                 kBinarySize);
  }
  TensorHead head;
  head.bytes = size->get<std::uint64_t>() - kPrefixBytes;
  head.id = text_of(all, "id").substr(0, 256);
  return head;
}

}  // namespace

bool is_name(const std::string& text) {
  const auto plain = [](unsigned char c) { return std::isalnum(c) != 0; };
  return !text.empty() && text.size() <= 64 && plain(static_cast<unsigned char>(text.front())) &&
         std::all_of(text.begin(), text.end(),
                     [&](unsigned char c) { return plain(c) || c == '.' || c == '-' || c == '_'; });
}

std::string write_request(const TensorHead& head) {
  return ordered_json{{"id", head.id},
                      {"parameters", {{"key_id", head.key}}},
                      {"inputs", {tensor(kInput, head.bytes)}},
                      {"outputs", {{{"name", kOutput}, {"parameters", {{"binary_data", true}}}}}}}
      .dump();
}

Result<TensorHead> read_request(const std::string& json) {
  const nlohmann::json all = parse(json);
  OBSCURA_TRY(TensorHead head, read_tensor(all, "inputs", kInput));
  head.key = text_of(object_of(all, "parameters"), "key_id");
  if (!is_name(head.key)) {
    return error(Code::wrong_params, "'parameters' name no 'key_id': the evaluation keys that the request is for");
  }
  return head;
}

std::string write_answer(const TensorHead& head) {
  return ordered_json{{"model_name", head.model}, {"id", head.id}, {"outputs", {tensor(kOutput, head.bytes)}}}.dump();
}

Result<TensorHead> read_answer(const std::string& json) { return read_tensor(parse(json), "outputs", kOutput); }

base::Bytes write_prefix(std::uint64_t bytes) {
  base::Writer writer;
  writer.u32(static_cast<std::uint32_t>(bytes));
  return writer.take();
}

std::uint64_t read_prefix(base::ByteView bytes) {
  base::Reader reader(bytes);
  return reader.u32();
}

std::uint64_t read_received(base::ByteView body) {
  return number_of(parse({reinterpret_cast<const char*>(body.data()), std::min<std::size_t>(body.size(), kMaxHead)}),
                   "received");
}

std::pair<std::uint64_t, std::uint64_t> read_work(const std::string& json) {
  const nlohmann::json all = parse(json);
  return {number_of(all, "work_done"), number_of(all, "work_total")};
}

std::string write_error(const std::string& sentence) {
  // What a peer sent may stand in a sentence, and need not be UTF-8.
  return ordered_json{{"error", sentence}}.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

std::string read_error(base::ByteView body) {
  const std::string text(reinterpret_cast<const char*>(body.data()), std::min<std::size_t>(body.size(), kMaxHead));
  const nlohmann::json all = parse(text);
  const std::string sentence = all.is_object() ? text_of(all, "error") : "";
  if (!sentence.empty()) return sentence;
  return text.substr(0, std::min<std::size_t>(text.find_last_not_of("\r\n") + 1, 200));
}

}  // namespace obscura::protocol
