// SPDX-License-Identifier: Apache-2.0
/// Files of ciphertexts, written and read a few at a time: a header frame, then one record frame for each ciphertext,
/// batch after batch, in the order of the elements.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/signing.h"
#include "ckks/context.h"
#include "ckks/values.h"
#include "wire/frames.h"

namespace obscura::wire {

/// Largest number of images in one file.
inline constexpr std::uint64_t kMaxImages = std::uint64_t{1} << 28;

/// What stands in front of the records.
struct CiphertextHeader {
  Binding binding;
  Nonce request{};  ///< of these inputs, or of those that these outputs answer
  std::uint64_t images = 0;
  std::uint32_t log2_degree = 0;
  ckks::RingType ring = ckks::RingType::standard;
  std::uint32_t elements = 0;  ///< ciphertexts of one batch
  std::uint32_t limbs = 0;
  std::uint32_t parts = 2;
  bool seeded = false;  ///< fresh ciphertexts: one part and the seed of the other
  double scale = 0;
  Digest inputs{};                   ///< of outputs: CiphertextReader::digest() of the inputs that they answer
  std::uint32_t images_at_once = 1;  ///< that one batch of ciphertexts holds, at most
  bool operator==(const CiphertextHeader&) const = default;

  std::uint64_t slots() const { return ckks::slots_of(static_cast<int>(log2_degree), ring); }
  std::uint64_t batches() const { return (images + images_at_once - 1) / images_at_once; }
  std::uint64_t records() const { return batches() * elements; }
};

/// The header frame, and back. errors: bad_format: a count outside of its bounds
base::Bytes write_header(Kind kind, const CiphertextHeader& header);
Result<CiphertextHeader> read_header(Kind kind, base::ByteView frame, const std::string& name);

/// Writes a file; nothing stays of it without commit(), but what keep() kept of a resumable one.
class CiphertextWriter {
 public:
  /// errors  io: the path exists already, or cannot be written; busy
  static Result<CiphertextWriter> create(const std::filesystem::path& path, Kind kind,
                                         std::shared_ptr<const ckks::Context> context, const CiphertextHeader& header,
                                         base::OutputFile::Options options);
  /// The same into a file that is open, or a sink.
  static Result<CiphertextWriter> create(base::OutputFile file, Kind kind, std::shared_ptr<const ckks::Context> context,
                                         const CiphertextHeader& header);
  /// Goes on with the partial file (base::partial_of) of a resumable one: its header must be this header, every record
  /// of every whole batch in it is checked, and what comes after them is cut off. A last batch that is damaged is cut
  /// off too: that is what the machine's end in the middle of a write leaves.
  /// errors  wrong_params: of another plan, key, or inputs, or another number of images; bad_format: damaged before its
  ///         last batch; io, busy
  static Result<CiphertextWriter> resume(const std::filesystem::path& path, Kind kind,
                                         std::shared_ptr<const ckks::Context> context, const CiphertextHeader& header,
                                         base::OutputFile::Options options);
  /// The next records, which are as the header says. threads: packs them on all cores
  Result<void> write(std::span<const ckks::SeededCiphertext> ciphertexts);
  Result<void> write(std::span<const ckks::Ciphertext> ciphertexts);
  /// Names what is written, as CiphertextReader::digest() names the file.
  Digest digest() const { return base::digest(names_); }
  /// Batches that are written.
  std::uint64_t batches() const { return written_ / header_.elements; }
  /// Of a resumable file: what was written stays on disk whatever happens. errors: io
  Result<void> keep() { return file_.keep(); }
  /// Signs, where there is a key, and puts the file in its place.
  /// errors  io; ContractError where records are missing
  Result<void> commit(const base::SigningKey* signing = nullptr);

 private:
  CiphertextWriter(base::OutputFile file, Kind kind, std::shared_ptr<const ckks::Context> context,
                   const CiphertextHeader& header)
      : file_(std::move(file)),
        context_(std::move(context)),
        header_(header),
        names_(write_header(kind, header)),
        kind_(kind) {}
  template <class T>
  Result<void> write_all(std::span<const T> ciphertexts);
  base::OutputFile file_;
  std::shared_ptr<const ckks::Context> context_;
  CiphertextHeader header_;
  std::uint64_t written_ = 0;
  base::Bytes names_;  ///< the header frame and the digests of the records: what digest() is of
  Kind kind_ = Kind::inputs;
};

/// Reads a file whose records are checked one by one, after its header and size were.
class CiphertextReader {
 public:
  /// Reads the header. errors: bad_format, io
  static Result<CiphertextReader> open(const std::filesystem::path& path, Kind kind);
  static Result<CiphertextReader> open(base::InputFile file, Kind kind);
  const CiphertextHeader& header() const { return header_; }
  std::string name() const { return file_.path().string(); }
  /// Holds the header to what the caller expects (all fields but `images` and `inputs`), and the file's size to its
  /// header, before any record is read.
  /// errors  wrong_params: another plan, another key, another request, other elements, limbs or scale; bad_format:
  ///         truncated, oversized
  Result<void> expect(std::shared_ptr<const ckks::Context> context, const CiphertextHeader& expected);
  /// Names the content of the file: BLAKE2b-256 of its header frame and of the digests that end its records. Needs
  /// expect(). Reads 32 bytes a record, so that nothing says that the records are whole: read() does.
  Result<Digest> digest();
  /// Who signed the file: the signature after its records, of its kind and digest(), is right. Nothing where there is
  /// none. Needs expect().
  /// errors  bad_format: a signature that is not of this file
  Result<std::optional<base::VerifyKey>> signer();
  /// read() goes on at the start of this batch. Needs expect(). errors: io
  Result<void> seek_batch(std::uint64_t batch);
  /// The next `count` ciphertexts, seeded ones expanded. Needs expect(). threads: unpacks on all cores
  /// errors  bad_format: a damaged record, a record out of order, a residue that is not below its prime
  Result<std::vector<ckks::Ciphertext>> read(std::size_t count);
  /// Of one batch, the ciphertexts of these elements alone; read() goes on at the start of that batch.
  /// Needs expect(). threads: unpacks on all cores. errors: as read()
  Result<std::vector<ckks::Ciphertext>> read_elements(std::uint64_t batch, std::span<const std::uint32_t> elements);

 private:
  CiphertextReader(base::InputFile file, Kind kind, const CiphertextHeader& header)
      : file_(std::move(file)), kind_(kind), header_(header) {}
  friend class CiphertextWriter;
  Result<std::uint64_t> sound_batches();
  Result<base::Bytes> names(std::uint64_t records);
  Result<std::vector<base::Bytes>> frames_of(std::size_t count);
  std::uint64_t offset_of(std::uint64_t record) const;
  base::InputFile file_;
  Kind kind_;
  CiphertextHeader header_;
  std::shared_ptr<const ckks::Context> context_;
  std::uint64_t read_ = 0;
};

/// Bytes of the frame of one record.
std::uint64_t record_bytes(const ckks::Context& context, const CiphertextHeader& header);

/// Which record of which file one is: it stands in the record, so that none is read in the place of another.
struct RecordPlace {
  std::uint64_t index = 0;  ///< counting from 0
  std::uint64_t count = 0;  ///< records of the file
  Nonce request{};          ///< CiphertextHeader::request; of a state the name of its inputs
};
RecordPlace place_of(const CiphertextHeader& header, std::uint64_t index);

/// The record frame of one ciphertext, and back.
/// errors  bad_format: damaged, another size, a residue that is not below its prime, or a record of another place
base::Bytes write_record(const ckks::Context& context, const RecordPlace& place, const ckks::SeededCiphertext& x);
base::Bytes write_record(const ckks::Context& context, const RecordPlace& place, const ckks::Ciphertext& x);
Result<ckks::Ciphertext> read_record(const ckks::Context& context, const CiphertextHeader& header,
                                     const RecordPlace& place, base::ByteView frame, const std::string& name);

}  // namespace obscura::wire
