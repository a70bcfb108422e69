// SPDX-License-Identifier: Apache-2.0
#include "service/exchanges.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/temporary.h"
#include "protocol/protocol.h"
#include "wire/whole.h"

namespace obscura::service {

namespace {

namespace fs = std::filesystem;
using protocol::kPrefixBytes;
using protocol::write_error;

/// The status that the protocol has for an error of ours.
unsigned status_of(Code code) {
  switch (code) {
    case Code::wrong_params:
    case Code::bad_format:
    case Code::unsupported:
      return 400;
    case Code::missing_key:
      return 404;
    case Code::infeasible:
    case Code::busy:
      return 503;
    default:
      return 500;
  }
}

http::Response refusal(const Error& error) { return json_response(status_of(error.code), write_error(error.message)); }

/// Paths of the server are nobody's business.
std::string without(std::string message, const fs::path& path, const std::string& what) {
  const std::string name = path.string();
  for (std::size_t at = 0; (at = message.find(name, at)) != std::string::npos; at += what.size()) {
    message.replace(at, name.size(), what);
  }
  return message;
}

class Said final : public http::Exchange {
 public:
  explicit Said(http::Response response) : response_(std::move(response)) {}
  std::optional<http::Response> at_once() override { return std::move(response_); }
  std::optional<http::Response> take(base::ByteView) override { return std::nullopt; }
  http::Response answer() override { return std::move(response_); }

 private:
  http::Response response_;
};

/// The body goes to a file.
class ToFile : public http::Exchange {
 public:
  ToFile(const Place& place, std::uint64_t limit) : limit_(limit), file_(place.fresh()) {
    auto out = base::OutputFile::create(file_.path(), {.overwrite = false, .secret = true});
    if (out) {
      out_.emplace(std::move(out).value());
    } else {
      failed_ = out.error();
    }
  }
  std::uint64_t limit() const override { return limit_; }

 protected:
  std::optional<http::Response> write(base::ByteView piece) {
    if (!failed_) {
      if (auto written = out_->write(piece); !written) failed_ = written.error();
    }
    if (failed_) return refusal({failed_->code, without(failed_->message, path(), "the body")});
    return std::nullopt;
  }
  const fs::path& path() const { return file_.path(); }
  /// The file, whole. errors: io
  Result<fs::path> whole() {
    if (failed_) return *failed_;
    OBSCURA_TRY_VOID(out_->commit());
    return file_.path();
  }

 private:
  std::uint64_t limit_;
  base::Temporary file_;
  std::optional<base::OutputFile> out_;
  std::optional<Error> failed_;
};

class TakeKey final : public ToFile {
 public:
  TakeKey(const Place& place, Sessions& sessions, std::string id, std::uint64_t limit)
      : ToFile(place, limit), place_(place), sessions_(sessions), id_(std::move(id)) {}
  std::optional<http::Response> take(base::ByteView piece) override { return write(piece); }
  http::Response answer() override {
    const auto kept = keep();
    if (!kept) return refusal({kept.error().code, without(kept.error().message, path(), "the body")});
    sessions_.forget(id_);  // of the keys that were here before
    return json_response(201, "{\"key_id\":\"" + id_ + "\",\"bytes\":" + std::to_string(*kept) + "}\n");
  }

 private:
  Result<std::uint64_t> keep() {
    OBSCURA_TRY(const fs::path file, whole());
    const auto checked = wire::check_whole(file);
    if (!checked || checked->kind != wire::Kind::evaluation_keys) {
      return error(Code::bad_format, "not a whole file of evaluation keys{}{}", checked ? "" : ": ",
                   checked ? "" : checked.error().message);
    }
    const std::uint64_t bytes = fs::file_size(file);
    std::error_code failed;
    fs::rename(file, place_.key(id_), failed);
    if (failed) return error(Code::io, "the key cannot be kept: {}", failed.message());
    return bytes;
  }

  const Place& place_;
  Sessions& sessions_;
  std::string id_;
};

class Infer final : public ToFile {
 public:
  Infer(const Inference& how, std::uint64_t head_bytes)
      : ToFile(how.place, how.limit), how_(how), head_bytes_(head_bytes) {}

  std::optional<http::Response> take(base::ByteView piece) override {
    while (!piece.empty()) {
      const std::uint64_t start = head_bytes_ + kPrefixBytes;
      if (taken_ >= start) return write(piece);
      const auto own = static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), start - taken_));
      front_.insert(front_.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(own));
      taken_ += own;
      piece = piece.subspan(own);
      if (taken_ == start) {
        if (auto bad = read_front()) return bad;
      }
    }
    return std::nullopt;
  }

  http::Response answer() override {
    auto answered = run();
    if (!answered) {
      const std::string message = without(answered.error().message, path(), "the encrypted images");
      return refusal({answered.error().code, without(message, how_.place.key(head_ ? head_->key : ""), "the key")});
    }
    return std::move(answered).value();
  }

 private:
  std::optional<http::Response> read_front() {
    const base::ByteView all(front_);
    const std::string json(reinterpret_cast<const char*>(all.data()), static_cast<std::size_t>(head_bytes_));
    auto head = protocol::read_request(json);
    if (!head) return refusal(head.error());
    if (protocol::read_prefix(all.last(kPrefixBytes)) != head->bytes) {
      return json_response(400, write_error("the tensor's length is not that of its binary data"));
    }
    if (!fs::exists(how_.place.key(head->key))) {
      return json_response(404, write_error("no key of the name " + head->key + " here: PUT /v2/keys/" + head->key));
    }
    head_ = std::move(head).value();
    return std::nullopt;
  }

  Result<http::Response> run() {
    OBSCURA_TRY(const fs::path images, whole());
    if (!head_ || fs::file_size(images) != head_->bytes) {
      return error(Code::bad_format, "the body ends before the tensor does, or after it");
    }
    const base::Temporary answer(how_.place.fresh());
    {
      const std::lock_guard one_at_a_time(how_.at_work);
      OBSCURA_TRY(const Sessions::Session session,
                  how_.sessions.get(how_.model.name, how_.model.plan, head_->key, how_.place.key(head_->key)));
      OBSCURA_TRY(base::InputFile in, base::InputFile::open(images));
      OBSCURA_TRY(base::OutputFile out, base::OutputFile::create(answer.path(), {.overwrite = false, .secret = true}));
      OBSCURA_TRY_VOID(server::run(*session, std::move(in), std::move(out), {}, how_.signing));
    }
    http::Response response;
    OBSCURA_TRY(response.file, base::InputFile::open(answer.path()));
    const std::string json = protocol::write_answer({head_->id, how_.model.name, "", response.file->size()});
    response.type = "application/octet-stream";
    response.headers[protocol::kHeadLength] = std::to_string(json.size());
    const base::ByteView text = base::as_bytes(json);
    response.body.assign(text.begin(), text.end());
    const base::Bytes prefix = protocol::write_prefix(response.file->size());
    response.body.insert(response.body.end(), prefix.begin(), prefix.end());
    return response;
  }

  Inference how_;
  std::uint64_t head_bytes_;
  base::Bytes front_;  ///< JSON and the prefix of the tensor
  std::uint64_t taken_ = 0;
  std::optional<protocol::TensorHead> head_;
};

}  // namespace

Result<Place> Place::open(const fs::path& folder) {
  Place place;
  place.folder_ = folder;
  std::error_code failed;
  fs::remove_all(folder / "incoming", failed);
  for (const fs::path& one : {folder, folder / "keys", folder / "incoming"}) {
    if (!failed) fs::create_directories(one, failed);
    if (!failed) fs::permissions(one, fs::perms::owner_all, failed);
  }
  if (failed) return error(Code::io, "{}: {}", folder.string(), failed.message());
  return place;
}

fs::path Place::fresh() const {
  static std::atomic<std::uint64_t> next{0};
  return folder_ / "incoming" / std::to_string(next++);
}

http::Response json_response(unsigned status, const std::string& json) {
  http::Response response;
  response.status = status;
  const base::ByteView bytes = base::as_bytes(json);
  response.body.assign(bytes.begin(), bytes.end());
  return response;
}

std::unique_ptr<http::Exchange> say(http::Response response) { return std::make_unique<Said>(std::move(response)); }

std::unique_ptr<http::Exchange> refuse(unsigned status, const std::string& sentence) {
  return say(json_response(status, write_error(sentence)));
}

std::unique_ptr<http::Exchange> take_key(const Place& place, Sessions& sessions, const std::string& id,
                                         std::uint64_t limit) {
  return std::make_unique<TakeKey>(place, sessions, id, limit);
}

std::unique_ptr<http::Exchange> infer(const Inference& how, const http::Head& head) {
  const auto found = head.headers.find(protocol::kHeadLength);
  std::uint64_t bytes = 0;
  if (found != head.headers.end()) {
    const std::string& text = found->second;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), bytes);
    if (failed != std::errc() || end != text.data() + text.size()) bytes = 0;
  }
  if (bytes == 0 || bytes > protocol::kMaxHead) {
    return refuse(400, "Inference-Header-Content-Length says how long the JSON before the tensor is: 1 to 65536 bytes");
  }
  return std::make_unique<Infer>(how, bytes);
}

}  // namespace obscura::service
