// SPDX-License-Identifier: Apache-2.0
#include "wire/ciphertexts.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <utility>

#include "base/parallel.h"
#include "base/random.h"
#include "ckks/evaluator.h"
#include "wire/binding.h"
#include "wire/residues.h"
#include "wire/signature.h"

namespace obscura::wire {

namespace {

std::uint64_t header_payload(Kind kind) {
  return kBindingBytes + sizeof(Nonce) + 8 + 5 * 4 + 1 + 8 + (kind == Kind::outputs ? kDigestBytes : 0);
}
constexpr std::uint32_t kMaxElements = std::uint32_t{1} << 20;
constexpr unsigned kSeeded = 1, kInvariant = 2;
constexpr std::uint64_t kPlaceBytes = 8 + 8 + sizeof(Nonce);
// Two scales that come from the same plan are the same double; 1e-12 forgives a compiler's other order of products.
constexpr double kScaleTolerance = 1e-12;

std::uint64_t record_payload(const ckks::Context& context, const CiphertextHeader& header) {
  const std::uint64_t polynomials = header.seeded ? 1 : header.parts;
  return kPlaceBytes + (header.seeded ? sizeof(base::Seed) : 0) +
         polynomials * packed_bytes(context.basis(), header.limbs);
}

std::uint64_t frame_bytes(std::uint64_t payload) { return kHeaderBytes + payload + kDigestBytes; }

Result<void> check_bounds(const CiphertextHeader& h, const std::string& name) {
  const bool degree = h.log2_degree >= 4 && h.log2_degree <= 17;
  const bool shape = h.limbs >= 1 && h.limbs <= ckks::kMaxPrimes && (h.parts == 2 || h.parts == 3);
  if (!degree || !shape || h.elements == 0 || h.elements > kMaxElements || !std::isfinite(h.scale) || h.scale <= 0) {
    return error(Code::bad_format, "{}: a header of degree 2^{}, {} elements, {} limbs, {} parts, scale {}", name,
                 h.log2_degree, h.elements, h.limbs, h.parts, h.scale);
  }
  if (h.images == 0 || h.images > kMaxImages) {
    return error(Code::bad_format, "{}: {} images; 1 to {} are allowed", name, h.images, kMaxImages);
  }
  if (h.images_at_once == 0 || h.images_at_once > h.slots()) {
    return error(Code::bad_format, "{}: batches of {} images; 1 to {} are allowed", name, h.images_at_once, h.slots());
  }
  return {};
}

Result<void> check_same(const CiphertextHeader& actual, const CiphertextHeader& expected, const std::string& name) {
  if (actual.binding.plan != expected.binding.plan) {
    return error(Code::wrong_params, "{}: made for plan {}, but this is plan {}", name, short_name(actual.binding.plan),
                 short_name(expected.binding.plan));
  }
  if (actual.binding.key != expected.binding.key) {
    return error(Code::wrong_params, "{}: encrypted under key {}, but this is key {}", name,
                 short_name(actual.binding.key), short_name(expected.binding.key));
  }
  if (actual.request != expected.request) {
    return error(Code::wrong_params, "{}: answers request {}, but this is request {}", name, short_name(actual.request),
                 short_name(expected.request));
  }
  if (actual.images_at_once != expected.images_at_once) {
    return error(Code::wrong_params, "{}: batches of {} images; the plan takes {} at once", name, actual.images_at_once,
                 expected.images_at_once);
  }
  if (actual.ring != expected.ring) {
    return error(Code::wrong_params, "{}: of the {} ring, the plan's is {}", name, ckks::name_of(actual.ring),
                 ckks::name_of(expected.ring));
  }
  if (actual.log2_degree != expected.log2_degree || actual.elements != expected.elements ||
      actual.limbs != expected.limbs || actual.parts != expected.parts || actual.seeded != expected.seeded) {
    return error(
        Code::wrong_params, "{}: {}{} elements of degree 2^{}, {} limbs, {} parts; the plan has {}{}, 2^{}, {}, {}",
        name, actual.seeded ? "seeded, " : "", actual.elements, actual.log2_degree, actual.limbs, actual.parts,
        expected.seeded ? "seeded, " : "", expected.elements, expected.log2_degree, expected.limbs, expected.parts);
  }
  if (std::abs(actual.scale - expected.scale) > kScaleTolerance * expected.scale) {
    return error(Code::wrong_params, "{}: scale {}, the plan has {}", name, actual.scale, expected.scale);
  }
  return {};
}

void write_place(base::Writer& w, const RecordPlace& place) {
  w.u64(place.index);
  w.u64(place.count);
  write_nonce(w, place.request);
}

Result<void> check_place(base::Reader& r, const RecordPlace& expected, const std::string& name) {
  const std::uint64_t index = r.u64();
  const std::uint64_t count = r.u64();
  if (index != expected.index || count != expected.count) {
    return error(Code::bad_format, "{}: number {} of {} stands in its place, number {} of {} is expected", name, index,
                 count, expected.index, expected.count);
  }
  if (const Nonce request = read_nonce(r); request != expected.request) {
    return error(Code::bad_format, "{}: of request {}, but this is request {}", name, short_name(request),
                 short_name(expected.request));
  }
  return {};
}

}  // namespace

RecordPlace place_of(const CiphertextHeader& header, std::uint64_t index) {
  return {index, header.records(), header.request};
}

base::Bytes write_header(Kind kind, const CiphertextHeader& header) {
  base::Writer w;
  write_binding(w, header.binding);
  write_nonce(w, header.request);
  w.u64(header.images);
  w.u32(header.log2_degree);
  w.u32(header.elements);
  w.u32(header.limbs);
  w.u32(header.parts);
  w.u32(header.images_at_once);
  w.u8(static_cast<std::uint8_t>((header.seeded ? kSeeded : 0) |
                                 (header.ring == ckks::RingType::conjugate_invariant ? kInvariant : 0)));
  w.f64(header.scale);
  if (kind == Kind::outputs) w.raw(std::as_bytes(std::span(header.inputs)));
  return make_frame(kind, w.bytes());
}

Result<CiphertextHeader> read_header(Kind kind, base::ByteView frame, const std::string& name) {
  OBSCURA_TRY(const base::ByteView payload, open_frame(frame, kind, name));
  if (payload.size() != header_payload(kind)) {
    return error(Code::bad_format, "{}: a header of {} bytes, expected {}", name, payload.size(), header_payload(kind));
  }
  base::Reader r(payload);
  CiphertextHeader header;
  header.binding = read_binding(r);
  header.request = read_nonce(r);
  header.images = r.u64();
  header.log2_degree = r.u32();
  header.elements = r.u32();
  header.limbs = r.u32();
  header.parts = r.u32();
  header.images_at_once = r.u32();
  const unsigned flags = r.u8();
  header.seeded = (flags & kSeeded) != 0;
  header.ring = (flags & kInvariant) != 0 ? ckks::RingType::conjugate_invariant : ckks::RingType::standard;
  header.scale = r.f64();
  if (kind == Kind::outputs) std::memcpy(header.inputs.data(), r.raw(kDigestBytes).data(), kDigestBytes);
  OBSCURA_TRY_VOID(check_bounds(header, name));
  return header;
}

base::Bytes write_record(const ckks::Context& context, const RecordPlace& place, const ckks::SeededCiphertext& x) {
  base::Writer w;
  w.reserve(kPlaceBytes + x.seed.size() + packed_bytes(context.basis(), x.body.limbs()));
  write_place(w, place);
  w.raw(std::as_bytes(std::span(x.seed)));
  pack(context.basis(), x.body, w);
  return make_frame(Kind::record, w.bytes());
}

base::Bytes write_record(const ckks::Context& context, const RecordPlace& place, const ckks::Ciphertext& x) {
  base::Writer w;
  w.reserve(kPlaceBytes + x.parts.size() * packed_bytes(context.basis(), x.parts[0].limbs()));
  write_place(w, place);
  for (const ring::NttPoly& part : x.parts) pack(context.basis(), part, w);
  return make_frame(Kind::record, w.bytes());
}

Result<ckks::Ciphertext> read_record(const ckks::Context& context, const CiphertextHeader& header,
                                     const RecordPlace& at, base::ByteView frame, const std::string& name) {
  const std::string place = fmt::format("{}: ciphertext {}", name, at.index);
  OBSCURA_TRY(const base::ByteView payload, open_frame(frame, Kind::record, place));
  const std::uint64_t expected = record_payload(context, header);
  if (payload.size() != expected) {
    return error(Code::bad_format, "{}: {} bytes, expected {}", place, payload.size(), expected);
  }
  base::Reader r(payload);
  OBSCURA_TRY_VOID(check_place(r, at, place));
  ckks::SeededCiphertext seeded;
  ckks::Ciphertext x;
  if (header.seeded) std::memcpy(seeded.seed.data(), r.raw(seeded.seed.size()).data(), seeded.seed.size());
  for (std::uint32_t part = 0; part < (header.seeded ? 1 : header.parts); ++part) {
    auto poly = unpack(context.basis(), header.limbs, r);
    if (!poly) return error(Code::bad_format, "{}: {}", place, poly.error().message);
    x.parts.push_back(std::move(poly).value());
  }
  x.scale = header.scale;
  if (!header.seeded) return x;
  seeded.body = std::move(x.parts[0]);
  seeded.scale = header.scale;
  return ckks::expand(context, std::move(seeded));
}

std::uint64_t record_bytes(const ckks::Context& context, const CiphertextHeader& header) {
  return frame_bytes(record_payload(context, header));
}

Result<CiphertextWriter> CiphertextWriter::create(const std::filesystem::path& path, Kind kind,
                                                  std::shared_ptr<const ckks::Context> context,
                                                  const CiphertextHeader& header, base::OutputFile::Options options) {
  OBSCURA_TRY(base::OutputFile file, base::OutputFile::create(path, options));
  return create(std::move(file), kind, std::move(context), header);
}

Result<CiphertextWriter> CiphertextWriter::create(base::OutputFile file, Kind kind,
                                                  std::shared_ptr<const ckks::Context> context,
                                                  const CiphertextHeader& header) {
  OBSCURA_CHECK(header.images > 0 && header.slots() == context->params().slots(), "a header of {} images of 2^{}",
                header.images, header.log2_degree);
  CiphertextWriter writer(std::move(file), kind, std::move(context), header);
  OBSCURA_TRY_VOID(writer.file_.write(writer.names_));
  return writer;
}

Result<CiphertextWriter> CiphertextWriter::resume(const std::filesystem::path& path, Kind kind,
                                                  std::shared_ptr<const ckks::Context> context,
                                                  const CiphertextHeader& header, base::OutputFile::Options options) {
  const std::filesystem::path partial = base::partial_of(path);
  {
    OBSCURA_TRY(const base::InputFile file, base::InputFile::open(partial));
    if (file.size() < frame_bytes(header_payload(kind))) {  // nobody saw to it that the header reached the disk
      OBSCURA_TRY(base::OutputFile empty, base::OutputFile::resume(path, 0, options));
      return create(std::move(empty), kind, std::move(context), header);
    }
  }
  OBSCURA_TRY(CiphertextReader reader, CiphertextReader::open(partial, kind));
  OBSCURA_TRY_VOID(check_same(reader.header(), header, partial.string()));
  if (reader.header() != header) {
    return error(Code::wrong_params, "{}: answers for {} images, inputs {}; these are {} images, inputs {}",
                 partial.string(), reader.header().images, short_name(reader.header().inputs), header.images,
                 short_name(header.inputs));
  }
  reader.context_ = context;
  OBSCURA_TRY(const std::uint64_t batches, reader.sound_batches());
  const std::uint64_t records = batches * header.elements;
  OBSCURA_TRY(base::OutputFile file, base::OutputFile::resume(path, reader.offset_of(records), options));
  CiphertextWriter writer(std::move(file), kind, std::move(context), header);
  writer.written_ = records;
  OBSCURA_TRY(writer.names_, reader.names(records));
  return writer;
}

template <class T>
Result<void> CiphertextWriter::write_all(std::span<const T> ciphertexts) {
  OBSCURA_CHECK(written_ + ciphertexts.size() <= header_.records(), "more than {} records", header_.records());
  const std::size_t at_once = 4 * base::thread_count();
  for (std::size_t first = 0; first < ciphertexts.size(); first += at_once) {
    const std::size_t count = std::min(at_once, ciphertexts.size() - first);
    std::vector<base::Bytes> frames(count);
    base::parallel_for(count, [&](std::size_t i) {
      frames[i] = write_record(*context_, place_of(header_, written_ + i), ciphertexts[first + i]);
    });
    for (const base::Bytes& frame : frames) {
      OBSCURA_CHECK(frame.size() == record_bytes(*context_, header_), "record {} of {} bytes", written_, frame.size());
      OBSCURA_TRY_VOID(file_.write(frame));
      const base::ByteView digest = base::ByteView(frame).last(kDigestBytes);
      names_.insert(names_.end(), digest.begin(), digest.end());
      ++written_;
    }
  }
  return {};
}

Result<void> CiphertextWriter::write(std::span<const ckks::SeededCiphertext> ciphertexts) {
  return write_all(ciphertexts);
}

Result<void> CiphertextWriter::write(std::span<const ckks::Ciphertext> ciphertexts) { return write_all(ciphertexts); }

Result<void> CiphertextWriter::commit(const base::SigningKey* signing) {
  OBSCURA_CHECK(written_ == header_.records(), "{} of {} records", written_, header_.records());
  if (signing != nullptr) {
    OBSCURA_TRY_VOID(file_.write(write_signature(*signing, kind_, base::digest(names_))));
  }
  return file_.commit();
}

Result<CiphertextReader> CiphertextReader::open(const std::filesystem::path& path, Kind kind) {
  OBSCURA_TRY(base::InputFile file, base::InputFile::open(path));
  return open(std::move(file), kind);
}

Result<CiphertextReader> CiphertextReader::open(base::InputFile file, Kind kind) {
  OBSCURA_TRY(const base::Bytes frame, read_frame(file, kind, header_payload(kind)));
  OBSCURA_TRY(const CiphertextHeader header, read_header(kind, frame, file.path().string()));
  return CiphertextReader(std::move(file), kind, header);
}

Result<void> CiphertextReader::expect(std::shared_ptr<const ckks::Context> context, const CiphertextHeader& expected) {
  const std::string name = file_.path().string();
  OBSCURA_TRY_VOID(check_same(header_, expected, name));
  const std::uint64_t records = header_.records() * record_bytes(*context, header_);
  if (file_.remaining() < records) {
    return error(Code::bad_format, "{}: truncated: {} bytes are missing at its end", name, records - file_.remaining());
  }
  if (file_.remaining() > records && file_.remaining() - records != kSignatureFrame) {
    return error(Code::bad_format, "{}: {} bytes after its end", name, file_.remaining() - records);
  }
  context_ = std::move(context);
  return {};
}

std::uint64_t CiphertextReader::offset_of(std::uint64_t record) const {
  return frame_bytes(header_payload(kind_)) + record * record_bytes(*context_, header_);
}

Result<Digest> CiphertextReader::digest() {
  OBSCURA_TRY(const base::Bytes all, names(header_.records()));
  return base::digest(all);
}

Result<std::optional<base::VerifyKey>> CiphertextReader::signer() {
  OBSCURA_TRY(const Digest own, digest());
  OBSCURA_TRY_VOID(file_.seek(offset_of(header_.records())));
  std::optional<base::VerifyKey> key;
  if (file_.remaining() > 0) {
    OBSCURA_TRY(key, read_signature(file_, kind_, own));
  }
  OBSCURA_TRY_VOID(file_.seek(offset_of(read_)));
  return key;
}

/// The header frame and the digests that end the first so many records.
Result<base::Bytes> CiphertextReader::names(std::uint64_t records) {
  OBSCURA_CHECK(context_ != nullptr, "names: nothing was expected of {}", file_.path().string());
  const std::uint64_t read = read_;
  base::Bytes names = write_header(kind_, header_);
  names.reserve(names.size() + static_cast<std::size_t>(records) * kDigestBytes);
  for (std::uint64_t record = 0; record < records; ++record) {
    Digest one;
    OBSCURA_TRY_VOID(file_.seek(offset_of(record + 1) - kDigestBytes));
    OBSCURA_TRY_VOID(file_.read(std::as_writable_bytes(std::span(one))));
    const auto bytes = std::as_bytes(std::span(one));
    names.insert(names.end(), bytes.begin(), bytes.end());
  }
  OBSCURA_TRY_VOID(file_.seek(offset_of(read)));
  return names;
}

Result<void> CiphertextReader::seek_batch(std::uint64_t batch) {
  OBSCURA_CHECK(context_ != nullptr && batch <= header_.batches(), "batch {} of {}", batch, header_.batches());
  OBSCURA_TRY_VOID(file_.seek(offset_of(batch * header_.elements)));
  read_ = batch * header_.elements;
  return {};
}

/// How many batches of a file that may end early are there and sound.
Result<std::uint64_t> CiphertextReader::sound_batches() {
  const std::uint64_t bytes = header_.elements * record_bytes(*context_, header_);
  const std::uint64_t whole = std::min(file_.remaining() / bytes, header_.batches());
  for (std::uint64_t batch = 0; batch < whole; ++batch) {
    const auto records = read(header_.elements);
    if (records.ok()) continue;
    if (batch + 1 < whole) return records.error();
    return batch;
  }
  return whole;
}

/// The next frames, as they are.
Result<std::vector<base::Bytes>> CiphertextReader::frames_of(std::size_t count) {
  std::vector<base::Bytes> frames;
  frames.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    OBSCURA_TRY(base::Bytes frame, read_frame(file_, Kind::record, record_payload(*context_, header_)));
    frames.push_back(std::move(frame));
  }
  return frames;
}

Result<std::vector<ckks::Ciphertext>> CiphertextReader::read(std::size_t count) {
  OBSCURA_CHECK(context_ != nullptr && read_ + count <= header_.records(), "read: {} of {} records", read_ + count,
                header_.records());
  const std::string name = file_.path().string();
  std::vector<ckks::Ciphertext> out(count);
  const std::size_t at_once = 4 * base::thread_count();
  OBSCURA_TRY(std::vector<base::Bytes> frames, frames_of(std::min(at_once, count)));
  for (std::size_t first = 0; first < count; first += at_once) {
    const std::size_t size = frames.size();
    std::vector<Result<void>> results(size);
    Result<std::vector<base::Bytes>> next = std::vector<base::Bytes>();
    // The next frames are read while these are unpacked.
    base::parallel_for(size + 1, [&](std::size_t i) {
      if (i == 0) {
        next = frames_of(std::min(at_once, count - first - size));
        return;
      }
      auto x = read_record(*context_, header_, place_of(header_, read_ + i - 1), frames[i - 1], name);
      if (x) {
        out[first + i - 1] = std::move(x).value();
      } else {
        results[i - 1] = x.error();
      }
    });
    for (const auto& result : results) OBSCURA_TRY_VOID(result);
    read_ += size;
    OBSCURA_TRY(frames, std::move(next));
  }
  return out;
}

Result<std::vector<ckks::Ciphertext>> CiphertextReader::read_elements(std::uint64_t batch,
                                                                      std::span<const std::uint32_t> elements) {
  OBSCURA_CHECK(context_ != nullptr && batch < header_.batches(), "batch {} of {}", batch, header_.batches());
  std::vector<ckks::Ciphertext> out(elements.size());
  const std::size_t at_once = 4 * base::thread_count();
  for (std::size_t first = 0; first < elements.size(); first += at_once) {
    const std::size_t size = std::min(at_once, elements.size() - first);
    const auto record = [&](std::size_t i) { return batch * header_.elements + elements[first + i]; };
    std::vector<base::Bytes> frames;
    for (std::size_t i = 0; i < size; ++i) {
      OBSCURA_CHECK(elements[first + i] < header_.elements, "element {} of {}", elements[first + i], header_.elements);
      OBSCURA_TRY_VOID(file_.seek(offset_of(record(i))));
      OBSCURA_TRY(frames.emplace_back(), read_frame(file_, Kind::record, record_payload(*context_, header_)));
    }
    std::vector<Result<void>> results(size);
    base::parallel_for(size, [&](std::size_t i) {
      auto x = read_record(*context_, header_, place_of(header_, record(i)), frames[i], file_.path().string());
      if (x) {
        out[first + i] = std::move(x).value();
      } else {
        results[i] = x.error();
      }
    });
    for (const auto& result : results) OBSCURA_TRY_VOID(result);
  }
  OBSCURA_TRY_VOID(seek_batch(batch));
  return out;
}

}  // namespace obscura::wire
