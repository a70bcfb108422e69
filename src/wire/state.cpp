// SPDX-License-Identifier: Apache-2.0
#include "wire/state.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/parallel.h"
#include "wire/binding.h"
#include "wire/ciphertexts.h"

namespace obscura::wire {

namespace {

constexpr std::uint64_t kFixedBytes = kBindingBytes + kDigestBytes + 8 + 8 + 4;
constexpr std::uint64_t kLiveBytes = 4 + 4 + 8;
constexpr std::uint32_t kMaxLive = std::uint32_t{1} << 20;

/// What a record of this element is read as.
CiphertextHeader shape_of(const plan::Plan& plan, const StateHeader::Live& live) {
  const plan::ValueInfo info = plan.value(live.at.value);
  CiphertextHeader header;
  header.limbs = info.limbs;
  header.parts = info.parts;
  header.scale = live.scale;
  return header;
}

/// The records of one run's states differ from those of another's by what they answer.
RecordPlace place_in(const StateHeader& header, std::uint64_t index) {
  return {index, header.live.size(), header.inputs};
}

}  // namespace

base::Bytes write_state_header(const StateHeader& header) {
  base::Writer w;
  write_binding(w, header.binding);
  w.raw(std::as_bytes(std::span(header.inputs)));
  w.u64(header.batch);
  w.u64(header.tasks);
  w.u32(static_cast<std::uint32_t>(header.live.size()));
  for (const StateHeader::Live& live : header.live) {
    w.u32(live.at.value);
    w.u32(live.at.index);
    w.f64(live.scale);
  }
  return make_frame(Kind::state, w.bytes());
}

Result<StateHeader> read_state_header(base::ByteView frame, const std::string& name) {
  OBSCURA_TRY(const base::ByteView payload, open_frame(frame, Kind::state, name));
  if (payload.size() < kFixedBytes) {
    return error(Code::bad_format, "{}: a header of {} bytes, at least {} are needed", name, payload.size(),
                 kFixedBytes);
  }
  base::Reader r(payload);
  StateHeader header;
  header.binding = read_binding(r);
  std::memcpy(header.inputs.data(), r.raw(kDigestBytes).data(), kDigestBytes);
  header.batch = r.u64();
  header.tasks = r.u64();
  const std::uint32_t count = r.u32();
  if (count == 0 || count > kMaxLive || payload.size() != kFixedBytes + count * kLiveBytes) {
    return error(Code::bad_format, "{}: a header of {} bytes for {} ciphertexts; 1 to {} are allowed, {} bytes each",
                 name, payload.size(), count, kMaxLive, kLiveBytes);
  }
  header.live.resize(count);
  for (std::uint32_t k = 0; k < count; ++k) {
    StateHeader::Live& live = header.live[k];
    live.at.value = r.u32();
    live.at.index = r.u32();
    live.scale = r.f64();
    const bool ascends = k == 0 || header.live[k - 1].at < live.at;
    if (!ascends || !std::isfinite(live.scale) || live.scale <= 0) {
      return error(Code::bad_format, "{}: ciphertext {} is element {} of value {}, of scale {}", name, k, live.at.index,
                   live.at.value, live.scale);
    }
  }
  return header;
}

Result<void> write_state_file(const std::filesystem::path& path, const ckks::Context& context,
                              const StateHeader& header, std::span<const ckks::Ciphertext* const> live) {
  OBSCURA_CHECK(live.size() == header.live.size() && !live.empty() && live.size() <= kMaxLive,
                "{} ciphertexts; the header names {}", live.size(), header.live.size());
  OBSCURA_TRY(base::OutputFile file,
              base::OutputFile::create(path, {.overwrite = true, .resumable = true, .restart = true}));
  OBSCURA_TRY_VOID(file.write(write_state_header(header)));
  const std::size_t at_once = base::thread_count();
  for (std::size_t first = 0; first < live.size(); first += at_once) {
    std::vector<base::Bytes> frames(std::min(at_once, live.size() - first));
    base::parallel_for(frames.size(), [&](std::size_t i) {
      frames[i] = write_record(context, place_in(header, first + i), *live[first + i]);
    });
    for (const base::Bytes& frame : frames) OBSCURA_TRY_VOID(file.write(frame));
  }
  return file.commit();
}

Result<StateReader> StateReader::open(const std::filesystem::path& path) {
  OBSCURA_TRY(base::InputFile file, base::InputFile::open(path));
  OBSCURA_TRY(const base::Bytes frame, read_frame(file, Kind::state, kFixedBytes + kMaxLive * kLiveBytes));
  OBSCURA_TRY(StateHeader header, read_state_header(frame, path.string()));
  return StateReader(std::move(file), std::move(header));
}

Result<std::vector<ckks::Ciphertext>> StateReader::read(const ckks::Context& context, const plan::Plan& plan) {
  const std::string name = file_.path().string();
  std::vector<CiphertextHeader> shapes;
  std::uint64_t bytes = 0;
  for (const StateHeader::Live& live : header_.live) {
    OBSCURA_CHECK(live.at.value <= plan.steps.size(), "value {} of {}", live.at.value, plan.steps.size());
    shapes.push_back(shape_of(plan, live));
    bytes += record_bytes(context, shapes.back());
  }
  if (file_.remaining() != bytes) {
    return error(Code::bad_format, "{}: {} bytes after its header, expected {}", name, file_.remaining(), bytes);
  }
  std::vector<ckks::Ciphertext> out(shapes.size());
  const std::size_t at_once = base::thread_count();
  for (std::size_t first = 0; first < out.size(); first += at_once) {
    std::vector<base::Bytes> frames;
    for (std::size_t k = first; k < std::min(first + at_once, out.size()); ++k) {
      OBSCURA_TRY(base::Bytes frame, read_frame(file_, Kind::record, record_bytes(context, shapes[k])));
      frames.push_back(std::move(frame));
    }
    std::vector<Result<void>> results(frames.size());
    base::parallel_for(frames.size(), [&](std::size_t i) {
      auto x = read_record(context, shapes[first + i], place_in(header_, first + i), frames[i], name);
      if (x) {
        out[first + i] = std::move(x).value();
      } else {
        results[i] = x.error();
      }
    });
    for (const auto& result : results) OBSCURA_TRY_VOID(result);
  }
  return out;
}

}  // namespace obscura::wire
