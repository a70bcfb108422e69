// SPDX-License-Identifier: Apache-2.0
#include "data/npy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "data/zip.h"

namespace obscura::data {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kMaxHeader = 1 << 16;

struct Header {
  std::string descr;
  bool fortran = false;
  std::vector<std::uint64_t> shape;
};

/// The header of a .npy file is a dictionary of Python with three keys: {'descr': '<f4', 'fortran_order': False,
/// 'shape': (60, 28, 28), }.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& name) : rest_(text), name_(name) {}

  Result<Header> parse() {
    Header out;
    std::vector<std::string> seen;
    if (!eat("{")) return wrong("'{'");
    while (!eat("}")) {
      OBSCURA_TRY(const std::string key, quoted());
      if (!eat(":")) return wrong("':'");
      OBSCURA_TRY_VOID(value(key, out));
      seen.push_back(key);
      if (!eat(",") && !peek("}")) return wrong("',' or '}'");
    }
    std::sort(seen.begin(), seen.end());
    if (seen != std::vector<std::string>{"descr", "fortran_order", "shape"})
      return wrong("descr, fortran_order, shape");
    return out;
  }

 private:
  Error wrong(const char* wanted) const {
    return error(Code::bad_format, "{}: the header of a .npy file has no {} where it is wanted", name_, wanted);
  }
  void skip_blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n\t"), rest_.size())); }
  bool peek(std::string_view word) {
    skip_blanks();
    return rest_.starts_with(word);
  }
  bool eat(std::string_view word) {
    if (!peek(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  Result<std::string> quoted() {
    const char* quote = peek("\"") ? "\"" : "'";
    if (!eat(quote)) return wrong("text in quotes");
    const std::size_t end = rest_.find(quote);
    if (end == rest_.npos) return wrong("closing quote");
    const std::string text(rest_.substr(0, end));
    rest_.remove_prefix(end + 1);
    return text;
  }
  Result<void> value(const std::string& key, Header& out) {
    if (key == "fortran_order") {
      out.fortran = eat("True");
      if (!out.fortran && !eat("False")) return wrong("True or False");
      return {};
    }
    if (key == "shape") return shape(out.shape);
    if (key == "descr" && peek("[")) {
      return error(Code::unsupported, "{}: an array of records; save one of numbers", name_);
    }
    OBSCURA_TRY(out.descr, quoted());
    return {};
  }
  Result<void> shape(std::vector<std::uint64_t>& out) {
    if (!eat("(")) return wrong("'('");
    while (!eat(")")) {
      skip_blanks();
      std::uint64_t size = 0;
      const auto parsed = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size);
      if (parsed.ec != std::errc()) return wrong("number");
      rest_.remove_prefix(static_cast<std::size_t>(parsed.ptr - rest_.data()));
      out.push_back(size);
      if (!eat(",") && !peek(")")) return wrong("',' or ')'");
    }
    return {};
  }
  std::string_view rest_;
  const std::string& name_;
};

Result<Number> number_of(const std::string& descr, const std::string& name) {
  constexpr std::array<std::pair<std::string_view, Number>, 13> kNumbers = {{{"|i1", Number::i1},
                                                                             {"|u1", Number::u1},
                                                                             {"<i1", Number::i1},
                                                                             {"<u1", Number::u1},
                                                                             {"<i2", Number::i2},
                                                                             {"<u2", Number::u2},
                                                                             {"<i4", Number::i4},
                                                                             {"<u4", Number::u4},
                                                                             {"<i8", Number::i8},
                                                                             {"<u8", Number::u8},
                                                                             {"<f2", Number::f2},
                                                                             {"<f4", Number::f4},
                                                                             {"<f8", Number::f8}}};
  for (const auto& [text, number] : kNumbers) {
    if (descr == text) return number;
  }
  return error(Code::unsupported,
               "{}: numbers of kind '{}'; integers and floats, little-endian, are read: save it with astype('<f4'), or "
               "astype('u1') where it holds bytes",
               name, descr);
}

}  // namespace

Result<Array> read_npy(const Storage& storage, const std::string& name) {
  std::array<std::byte, 12> head{};
  const std::size_t there = std::min<std::uint64_t>(head.size(), storage.size());
  OBSCURA_TRY_VOID(storage.read(0, std::span(head).first(there)));
  const auto byte = [&](std::size_t i) { return std::to_integer<std::uint32_t>(head[i]); };
  const bool npy = there >= 10 && std::equal(kMagic.begin(), kMagic.end(), reinterpret_cast<const char*>(head.data()));
  if (!npy) return error(Code::bad_format, "{}: not a .npy file", name);
  if (byte(6) < 1 || byte(6) > 3) {
    return error(Code::unsupported, "{}: a .npy file of format {}; 1 to 3 are read", name, byte(6));
  }
  const std::size_t start = byte(6) == 1 ? 10 : 12;
  std::size_t size = byte(8) | byte(9) << 8;
  if (byte(6) > 1) size |= byte(10) << 16 | byte(11) << 24;
  if (size > kMaxHeader) {
    return error(Code::bad_format, "{}: a header of {} bytes; at most {} are allowed", name, size, kMaxHeader);
  }
  std::string text(size, '\0');
  OBSCURA_TRY_VOID(storage.read(start, std::as_writable_bytes(std::span(text))));
  OBSCURA_TRY(Header header, HeaderParser(text, name).parse());
  if (header.fortran && header.shape.size() > 1) {
    return error(Code::unsupported,
                 "{}: an array in Fortran order; save numpy.ascontiguousarray of it, whose last axis moves fastest",
                 name);
  }
  OBSCURA_TRY(const Number number, number_of(header.descr, name));
  return make_array(name, std::move(header.shape), number, storage, start + size);
}

Result<Array> open_npy(const std::filesystem::path& path) {
  OBSCURA_TRY(const Storage storage, Storage::of_file(path));
  return read_npy(storage, path.string());
}

base::Bytes write_npy(std::span<const float> values, std::size_t rows, std::size_t columns) {
  OBSCURA_CHECK(values.size() == rows * columns, "write_npy: {} numbers for {}x{}", values.size(), rows, columns);
  std::string head = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows, columns);
  constexpr std::size_t kBefore = 10, kAlign = 64;  // by the format, version 1
  head.resize((kBefore + head.size() + kAlign) / kAlign * kAlign - kBefore, ' ');
  head.back() = '\n';
  base::Writer out;
  out.raw(base::as_bytes(std::string(kMagic) + '\1' + '\0' + static_cast<char>(head.size() & 0xFF) +
                         static_cast<char>(head.size() >> 8)));
  out.raw(base::as_bytes(head));
  out.raw(std::as_bytes(values));
  return out.take();
}

Result<std::optional<Array>> open_npz(const std::filesystem::path& path, Content content) {
  OBSCURA_TRY(const Storage file, Storage::of_file(path));
  OBSCURA_TRY(const std::vector<ZipMember> members, list_zip(file));
  const auto named = [&](std::initializer_list<const char*> names) {
    return std::find_if(members.begin(), members.end(), [&](const ZipMember& member) {
      return std::any_of(names.begin(), names.end(), [&](const char* name) { return member.name == name; });
    });
  };
  auto found = named({"y.npy", "labels.npy"});
  if (content == Content::labels && found == members.end()) return std::optional<Array>();
  if (content == Content::images) {
    const auto labels = found;
    found = named({"x.npy", "images.npy"});
    if (found == members.end()) found = members.begin();
    if (found == labels && found != members.end()) ++found;
    if (found == members.end())
      return error(Code::bad_format, "{}: an archive without an array of images", path.string());
  }
  OBSCURA_TRY(const Storage member, open_member(file, *found));
  OBSCURA_TRY(Array array, read_npy(member, fmt::format("{} ({})", path.string(), found->name)));
  return std::optional(std::move(array));
}

}  // namespace obscura::data
