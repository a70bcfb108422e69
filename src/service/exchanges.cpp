// SPDX-License-Identifier: Apache-2.0
#include "service/exchanges.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "protocol/protocol.h"
#include "server/server.h"
#include "service/spool.h"
#include "wire/ciphertexts.h"
#include "wire/whole.h"

namespace obscura::service {

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using protocol::kPrefixBytes;

/// Digits at the front of a text, which they are cut off.
std::optional<std::uint64_t> cut_number(std::string_view& text) {
  std::uint64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

bool cut(std::string_view& text, std::string_view front) {
  if (!text.starts_with(front)) return false;
  text.remove_prefix(front.size());
  return true;
}

/// "bytes 0-99/1000"
struct Range {
  std::uint64_t first = 0, last = 0, total = 0;
};
std::optional<Range> read_range(std::string_view text) {
  if (!cut(text, "bytes ")) return std::nullopt;
  const auto first = cut_number(text);
  if (!first || !cut(text, "-")) return std::nullopt;
  const auto last = cut_number(text);
  if (!last || !cut(text, "/")) return std::nullopt;
  const auto total = cut_number(text);
  if (!total || !text.empty() || *first > *last || *last >= *total) return std::nullopt;
  return Range{*first, *last, *total};
}

/// Evaluation keys on their way to their file.
class TakeKey final : public http::Exchange {
 public:
  TakeKey(const KeyUpload& how, base::OutputFile file, fs::path path, const Range& range)
      : how_(how), file_(std::move(file)), path_(std::move(path)), range_(range) {}
  ~TakeKey() override {
    if (file_) static_cast<void>(file_->keep());  // an upload that broke off
  }
  std::uint64_t limit() const override { return range_.total > 0 ? range_.last - range_.first + 1 : how_.limit; }
  std::optional<http::Response> take(base::ByteView piece) override {
    taken_ += piece.size();
    if (auto written = file_->write(piece); !written) {
      return refusal({written.error().code, "the keys cannot be kept: the server's disk is full, or worse"});
    }
    return std::nullopt;
  }
  http::Response answer() override {
    const std::uint64_t here = range_.first + taken_;
    if (range_.total > 0 && here < range_.total) {
      // Closed before the client hears of it, which sends the next part at once, maybe to another replica.
      const auto kept = file_->keep();
      file_.reset();
      if (!kept) return refusal({kept.error().code, "the keys cannot be kept: the server's disk is full, or worse"});
      return json_response(202, fmt::format("{{\"key_id\":\"{}\",\"received\":{}}}\n", how_.id, here));
    }
    if (const auto kept = keep(); !kept) {
      std::error_code ignored;
      file_.reset();
      fs::remove(base::partial_of(path_), ignored);
      return refusal(kept.error());
    }
    return json_response(201, fmt::format("{{\"key_id\":\"{}\",\"bytes\":{}}}\n", how_.id, here));
  }

 private:
  Result<void> keep() {
    OBSCURA_TRY_VOID(file_->keep());
    const auto checked = wire::check_whole(base::partial_of(path_));
    if (!checked || checked->kind != wire::Kind::evaluation_keys) {
      return error(Code::bad_format, "not a whole file of evaluation keys");
    }
    OBSCURA_TRY_VOID(file_->commit());
    file_.reset();
    how_.jobs.forget(how_.tenant, how_.id);  // of the keys that were here before
    const auto bytes = static_cast<std::int64_t>(range_.first + taken_);
    Event event{how_.tenant, "keys", "", "", how_.id, "kept"};
    event.bytes_in = bytes;
    OBSCURA_TRY_VOID(how_.store.note(event));
    return how_.store.put_key(how_.tenant, how_.id, bytes);
  }

  KeyUpload how_;
  std::optional<base::OutputFile> file_;
  fs::path path_;
  Range range_;
  std::uint64_t taken_ = 0;
};

/// A job that goes with what holds it, unless it is let go.
class Attended {
 public:
  Attended(Jobs& jobs, std::string tenant, std::string id)
      : jobs_(jobs), tenant_(std::move(tenant)), id_(std::move(id)) {}
  ~Attended() {
    if (!let_go_) static_cast<void>(jobs_.remove(tenant_, id_));
  }
  Attended(const Attended&) = delete;
  Attended& operator=(const Attended&) = delete;
  void let_go() { let_go_ = true; }
  const std::string& id() const { return id_; }

 private:
  Jobs& jobs_;
  std::string tenant_, id_;
  bool let_go_ = false;
};

/// How long a client waits, and what then: "respond-async, wait=10" (RFC 7240).
struct Preference {
  bool as_job = false;
  std::chrono::seconds wait{0};
};
Preference read_preference(const http::Head& head) {
  constexpr std::uint64_t kLongest = 3600;
  Preference out;
  const auto found = head.headers.find("prefer");
  if (found == head.headers.end()) return out;
  std::string_view text = found->second;
  while (!text.empty()) {
    if (cut(text, "respond-async")) {
      out.as_job = true;
    } else if (cut(text, "wait=")) {
      const auto seconds = cut_number(text);
      if (seconds) out.wait = std::chrono::seconds(std::min(*seconds, kLongest));
    } else {
      text.remove_prefix(1);
    }
  }
  return out;
}

class Infer final : public http::Exchange {
 public:
  Infer(const Inference& how, std::uint64_t head_bytes, const Preference& preference)
      : how_(how), head_bytes_(head_bytes), preference_(preference), spool_(how.place.fresh()) {}
  std::uint64_t limit() const override { return how_.limit; }

  std::optional<http::Response> take(base::ByteView piece) override {
    while (!piece.empty()) {
      const std::uint64_t start = head_bytes_ + kPrefixBytes;
      if (taken_ >= start) {
        if (spool_.write(piece).ok()) return std::nullopt;
        return refusal({Code::io, "the images cannot be kept: the server's disk is full, or worse"});
      }
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
    const auto accepted = accept();
    if (!accepted) return refusal(accepted.error());
    auto job = std::make_shared<Attended>(how_.jobs, how_.tenant, *accepted);
    http::Response response;
    response.later = [job, how = how_, until = Clock::now() + preference_.wait, preference = preference_,
                      request = head_->id]() -> std::optional<http::Response> {
      const auto known = how.jobs.job(how.tenant, job->id());
      // With its file open, the job may go.
      if (!known || !*known || has_ended(**known)) return answer_of(how.jobs, how.tenant, job->id(), request);
      if (!preference.as_job || Clock::now() < until) return std::nullopt;
      const auto kept = how.jobs.keep(how.tenant, job->id());
      if (!kept) return refusal({kept.error().code, "the job cannot be kept: the server's disk is full, or worse"});
      if (!*kept) return std::nullopt;
      http::Response now = answer_of(how.jobs, how.tenant, job->id(), request);
      if (now.status == 202) job->let_go();  // else another replica has answered it already
      return now;
    };
    return response;
  }

 private:
  std::optional<http::Response> read_front() {
    const base::ByteView all(front_);
    const std::string json(reinterpret_cast<const char*>(all.data()), static_cast<std::size_t>(head_bytes_));
    auto head = protocol::read_request(json);
    if (!head) return refusal(head.error());
    if (protocol::read_prefix(all.last(kPrefixBytes)) != head->bytes) {
      return refusal({Code::bad_format, "the tensor's length is not that of its binary data"});
    }
    if (!fs::exists(how_.place.key(how_.tenant, head->key))) {
      return refusal({Code::missing_key, "no key of the name " + head->key + " here: PUT /v2/keys/" + head->key});
    }
    head_ = std::move(head).value();
    return std::nullopt;
  }

  /// The job's id.
  Result<std::string> accept() {
    if (!head_) return error(Code::bad_format, "the body ends before the tensor does");
    OBSCURA_TRY_VOID(spool_.end());
    const std::uint64_t bytes = spool_.bytes();
    if (bytes != head_->bytes) return error(Code::bad_format, "the body ends before the tensor does, or after it");
    const auto images = wire::CiphertextReader::open(spool_.path(), wire::Kind::inputs);
    if (!images)
      return error(Code::bad_format, "the tensor is not a file of Obscura's encrypted images: {}",
                   without(images.error().message, spool_.path(), "it"));
    const wire::NamedPlan& plan = how_.model.plan;
    if (images->header().binding.plan != plan.digest) {
      return error(Code::wrong_params, "the images are encrypted for another plan than that of {}", how_.model.name);
    }
    OBSCURA_TRY(const server::Allotment allotment, server::allot(plan.plan, 0));
    if (how_.memory > 0 && allotment.bytes > how_.memory) {
      return error(Code::infeasible, "model {} takes {:.2f} GB of memory; this server has {:.2f} GB", how_.model.name,
                   static_cast<double>(allotment.bytes) / 1e9, static_cast<double>(how_.memory) / 1e9);
    }
    static_cast<void>(how_.store.use_key(how_.tenant, head_->key));
    Job job;
    job.tenant = how_.tenant;
    job.model = how_.model.name;
    job.key = head_->key;
    job.plan = wire::hex(plan.digest);
    job.images = static_cast<std::int64_t>(images->header().images);
    job.bytes = static_cast<std::int64_t>(bytes);
    return how_.jobs.submit(std::move(job), spool_.path());
  }

  Inference how_;
  std::uint64_t head_bytes_;
  Preference preference_;
  Spool spool_;
  base::Bytes front_;  ///< JSON and the prefix of the tensor
  std::uint64_t taken_ = 0;
  std::optional<protocol::TensorHead> head_;
};

}  // namespace

std::uint64_t received(const Place& place, const std::string& tenant, const std::string& id) {
  std::error_code absent;
  const auto bytes = fs::file_size(base::partial_of(place.key(tenant, id)), absent);
  return absent ? 0 : bytes;
}

std::unique_ptr<http::Exchange> take_key(const KeyUpload& how, const http::Head& head) {
  Range range;
  if (const auto found = head.headers.find("content-range"); found != head.headers.end()) {
    const auto read = read_range(found->second);
    if (!read) return refuse(400, "Content-Range is 'bytes FIRST-LAST/TOTAL'");
    range = *read;
  }
  const std::uint64_t total = range.total > 0 ? range.total : head.length.value_or(0);
  if (total > how.limit) {
    return refuse(413, fmt::format("keys of {} bytes; no model here has keys of more than {}", total, how.limit));
  }
  if (how.quota > 0) {
    const auto all = how.store.bytes_of_keys(how.tenant);
    const auto own = how.store.key(how.tenant, how.id);
    if (!all || !own) return say(refusal(all ? own.error() : all.error()));
    const auto before = static_cast<std::uint64_t>(*all - (own->has_value() ? (*own)->bytes : 0));
    if (before + total > how.quota) {
      return refuse(413, fmt::format("{} bytes of keys are here, and {} more: over the quota of {}; DELETE one", before,
                                     total, how.quota));
    }
  }
  const auto path = how.place.key_to_be(how.tenant, how.id);
  if (!path) return say(refusal({Code::io, "the keys cannot be kept"}));
  base::OutputFile::Options options{.overwrite = true, .secret = true, .resumable = true, .restart = true};
  auto file = range.first == 0 ? base::OutputFile::create(*path, options)
                               : base::OutputFile::resume(*path, range.first, options);
  if (!file && file.error().code == Code::busy) return refuse(409, "another upload of these keys is under way");
  if (!file) {
    return say(
        json_response(409, fmt::format("{{\"error\":\"the upload continues after byte {0}\",\"received\":{0}}}\n",
                                       received(how.place, how.tenant, how.id))));
  }
  return std::make_unique<TakeKey>(how, std::move(file).value(), *path, range);
}

std::unique_ptr<http::Exchange> infer(const Inference& how, const http::Head& head) {
  const auto found = head.headers.find(protocol::kHeadLength);
  std::uint64_t bytes = 0;
  if (found != head.headers.end()) {
    std::string_view text = found->second;
    const auto read = cut_number(text);
    bytes = read && text.empty() ? *read : 0;
  }
  if (bytes == 0 || bytes > protocol::kMaxHead) {
    return refuse(400, "Inference-Header-Content-Length says how long the JSON before the tensor is: 1 to 65536 bytes");
  }
  return std::make_unique<Infer>(how, bytes, read_preference(head));
}

}  // namespace obscura::service
