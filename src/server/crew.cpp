// SPDX-License-Identifier: Apache-2.0
#include "server/crew.h"

#include <algorithm>
#include <utility>

#include "wire/residues.h"

namespace obscura::server {

namespace {

/// Of a plan or keys that all ranks get; more than any has.
constexpr std::uint64_t kLargestShared = std::uint64_t{1} << 40;

}  // namespace

Result<base::Bytes> read_on_rank_0(run::Ranks& ranks, const std::filesystem::path& path) {
  base::Bytes bytes;
  if (ranks.rank() == 0) {
    OBSCURA_TRY(bytes, base::read_file(path, kLargestShared));
  }
  ranks.broadcast(bytes);
  return bytes;
}

Crew::Crew(run::Ranks& ranks, Session session) : ranks_(&ranks), session_(std::move(session)) {}

std::uint64_t Crew::round(std::uint64_t left) const { return std::min<std::uint64_t>(ranks_->count(), left); }

Crew::Part Crew::part(std::uint64_t next, std::uint64_t left) const {
  const std::uint64_t batches = round(left);
  const std::uint64_t k = ranks_->rank() * batches / ranks_->count();
  return {next + k, leader(left, k), k + 1 == batches ? ranks_->count() : leader(left, k + 1)};
}

std::size_t Crew::leader(std::uint64_t left, std::uint64_t k) const {
  const std::uint64_t batches = round(left);
  return static_cast<std::size_t>((k * ranks_->count() + batches - 1) / batches);
}

bool Crew::shares(const Part& part) const { return part.end - part.first > 1 && plan::is_batch(session_.plan()); }

Result<const Crew::Shared*> Crew::shared(const Part& part) {
  const std::size_t ranks = part.end - part.first, index = ranks_->rank() - part.first;
  if (shared_ && shared_->ranks == ranks && shared_->index == index) return &*shared_;
  const plan::Distribution distribution(session_.plan(), static_cast<std::uint32_t>(ranks));
  plan::Share share = distribution.share(static_cast<std::uint32_t>(index));
  OBSCURA_TRY(auto engine, session_.engine_for(distribution.plan(), share.schedule));
  const std::uint64_t bytes = session_.fixed_bytes() + share.schedule.peak_bytes;
  shared_ = Shared{ranks, index, bytes, std::move(share), std::move(engine)};
  return &*shared_;
}

Result<std::uint64_t> Crew::memory(std::uint64_t left) {
  const Part mine = part(0, left);
  if (!shares(mine)) return session_.memory();
  OBSCURA_TRY(const Shared* own, shared(mine));
  return own->bytes;
}

Result<std::vector<ckks::Ciphertext>> Crew::read(wire::CiphertextReader& reader, const Part& part) {
  if (!shares(part)) {
    if (!leads(part)) return std::vector<ckks::Ciphertext>();
    OBSCURA_TRY_VOID(reader.seek_batch(part.batch));
    return reader.read(reader.header().elements);
  }
  OBSCURA_TRY(const Shared* own, shared(part));
  OBSCURA_TRY(auto some, reader.read_elements(part.batch, own->share.inputs));
  std::vector<ckks::Ciphertext> inputs(reader.header().elements);
  for (std::size_t k = 0; k < some.size(); ++k) inputs[own->share.inputs[k]] = std::move(some[k]);
  return inputs;
}

Result<std::vector<ckks::Ciphertext>> Crew::run(const Part& part, std::vector<ckks::Ciphertext> inputs,
                                                const base::Progress& progress, run::Trace* trace,
                                                run::Saving<ckks::Ciphertext> saving) {
  if (!shares(part)) {
    if (!leads(part)) return std::vector<ckks::Ciphertext>();
    return session_.run_batch(std::move(inputs), progress, trace, std::move(saving));
  }
  OBSCURA_TRY(const Shared* own, shared(part));
  run::Sharing<ckks::Ciphertext> sharing;
  sharing.share = &own->share;
  sharing.send = [this, first = part.first](auto elements) {
    std::vector<base::Bytes> packed(elements.size());
    base::parallel_for(elements.size(), [&](std::size_t k) { packed[k] = pack(*elements[k].second); });
    for (std::size_t k = 0; k < packed.size(); ++k) {
      const plan::Transfer& to = elements[k].first;
      ranks_->send(first + to.rank, tag(to.element), std::move(packed[k]));
    }
  };
  sharing.receive = [this, first = part.first](auto wanted) { return receive(wanted, first); };
  return own->engine->run(std::move(inputs), progress, trace, {}, std::move(sharing));
}

Result<std::vector<ckks::Ciphertext>> Crew::receive(std::span<const plan::Transfer> wanted, std::size_t first) {
  std::vector<base::Bytes> packed;
  for (const plan::Transfer& from : wanted) packed.push_back(ranks_->receive(first + from.rank, tag(from.element)));
  std::vector<ckks::Ciphertext> out(wanted.size());
  std::vector<Result<void>> results(wanted.size());
  base::parallel_for(wanted.size(), [&](std::size_t k) {
    auto x = unpack(wanted[k].element.value, packed[k], first + wanted[k].rank);
    if (x) {
      out[k] = std::move(x).value();
    } else {
      results[k] = x.error();
    }
  });
  for (const auto& result : results) OBSCURA_TRY_VOID(result);
  return out;
}

void Crew::give(std::span<const ckks::Ciphertext> outputs) {
  const auto last = static_cast<plan::ValueId>(session_.plan().steps.size());
  for (std::uint32_t i = 0; i < outputs.size(); ++i) ranks_->send(0, tag({last, i}), pack(outputs[i]));
}

Result<std::vector<ckks::Ciphertext>> Crew::take(std::size_t from) {
  const auto last = static_cast<plan::ValueId>(session_.plan().steps.size());
  std::vector<plan::Transfer> all(session_.plan().output.ciphertexts());
  for (std::uint32_t i = 0; i < all.size(); ++i) all[i] = {{last, i}, static_cast<std::uint32_t>(from)};
  return receive(all, 0);
}

std::uint32_t Crew::tag(plan::Element at) const {
  std::uint32_t before = 0;
  for (plan::ValueId id = 0; id < at.value; ++id) before += session_.plan().value(id).elements;
  return before + at.index;
}

/// The scale as it is, then the residues.
base::Bytes Crew::pack(const ckks::Ciphertext& x) const {
  const ring::Basis& basis = session_.context()->basis();
  base::Writer w;
  w.reserve(sizeof(double) + x.parts.size() * wire::packed_bytes(basis, x.limbs()));
  w.f64(x.scale);
  for (const ring::NttPoly& part : x.parts) wire::pack(basis, part, w);
  return w.take();
}

Result<ckks::Ciphertext> Crew::unpack(plan::ValueId id, base::ByteView bytes, std::size_t from) const {
  const plan::ValueInfo info = session_.plan().value(id);
  const ring::Basis& basis = session_.context()->basis();
  const std::size_t expected = sizeof(double) + info.parts * wire::packed_bytes(basis, info.limbs);
  if (bytes.size() != expected) {
    return error(Code::bad_format, "{} bytes of value {} from rank {}, {} are expected: do all ranks run one version?",
                 bytes.size(), id, from, expected);
  }
  base::Reader r(bytes);
  ckks::Ciphertext x;
  x.scale = r.f64();
  for (std::uint32_t part = 0; part < info.parts; ++part) {
    OBSCURA_TRY(x.parts.emplace_back(), wire::unpack(basis, info.limbs, r));
  }
  return x;
}

}  // namespace obscura::server
