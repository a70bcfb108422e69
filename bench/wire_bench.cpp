// SPDX-License-Identifier: Apache-2.0
/// Polynomials to bytes and back, one thread; bytes per second are those of the file.
#include <benchmark/benchmark.h>

#include "ckks/params.h"
#include "ring/sample.h"
#include "wire/ciphertexts.h"
#include "wire/residues.h"

namespace obscura::wire {
namespace {

constexpr int kLogDegree = 13;
constexpr std::size_t kLimbs = 3;

ring::Basis basis_of(std::int64_t bits) {
  return {std::size_t{1} << kLogDegree, ckks::make_primes(kLogDegree, static_cast<int>(bits), kLimbs, {}).value()};
}

ring::NttPoly uniform(const ring::Basis& basis) {
  ring::NttPoly poly(basis.resources(), basis.degree(), kLimbs);
  for (std::size_t j = 0; j < kLimbs; ++j) ring::sample_uniform(base::Seed{}, j, basis.prime(j), poly.residues(j));
  return poly;
}

void pack_residues(benchmark::State& state) {
  const ring::Basis basis = basis_of(state.range(0));
  const ring::NttPoly poly = uniform(basis);
  for (auto _ : state) {
    base::Writer writer;
    writer.reserve(packed_bytes(basis, kLimbs));
    pack(basis, poly, writer);
    benchmark::DoNotOptimize(writer.bytes().data());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(packed_bytes(basis, kLimbs)));
}

void unpack_residues(benchmark::State& state) {
  const ring::Basis basis = basis_of(state.range(0));
  base::Writer writer;
  pack(basis, uniform(basis), writer);
  for (auto _ : state) {
    base::Reader reader(writer.bytes());
    benchmark::DoNotOptimize(unpack(basis, kLimbs, reader).ok());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(packed_bytes(basis, kLimbs)));
}

/// What a record of a seeded ciphertext of five limbs costs its reader, in all and by its parts.
struct Record {
  Record() {
    ckks::ParamsLiteral literal;
    literal.log2_degree = 14;
    literal.special = ckks::make_primes(14, 48, 2, {}).value();
    literal.chain = ckks::make_primes(14, 48, 5, literal.special).value();
    context = ckks::Context::make(ckks::Params::make(literal).value());
    header.log2_degree = 14;
    header.images = header.elements = header.images_at_once = 1;
    header.limbs = 5;
    header.seeded = true;
    header.scale = 1;
    ckks::SeededCiphertext x;
    x.scale = 1;
    x.body = ring::NttPoly(context->resources(), context->degree(), header.limbs);
    for (std::size_t j = 0; j < header.limbs; ++j) {
      ring::sample_uniform(base::Seed{}, j, context->basis().prime(j), x.body.residues(j));
    }
    frame = write_record(*context, place_of(header, 0), x);
  }
  std::shared_ptr<const ckks::Context> context;
  CiphertextHeader header;
  base::Bytes frame;
};

void read_a_record(benchmark::State& state) {
  const Record record;
  for (auto _ : state) {
    const auto x = read_record(*record.context, record.header, place_of(record.header, 0), record.frame, "bench");
    benchmark::DoNotOptimize(x.ok());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(record.frame.size()));
}

void digest_of_a_record(benchmark::State& state) {
  const Record record;
  for (auto _ : state) benchmark::DoNotOptimize(base::digest(record.frame));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(record.frame.size()));
}

void uniform_half_of_a_record(benchmark::State& state) {
  const Record record;
  ring::NttPoly poly(record.context->resources(), record.context->degree(), record.header.limbs);
  for (auto _ : state) {
    for (std::size_t j = 0; j < poly.limbs(); ++j) {
      ring::sample_uniform(base::Seed{}, j, record.context->basis().prime(j), poly.residues(j));
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(record.frame.size()));
}

BENCHMARK(read_a_record);
BENCHMARK(digest_of_a_record);
BENCHMARK(uniform_half_of_a_record);
BENCHMARK(pack_residues)->Arg(36)->Arg(45)->Arg(48)->Arg(50);
BENCHMARK(unpack_residues)->Arg(36)->Arg(45)->Arg(48)->Arg(50);

}  // namespace
}  // namespace obscura::wire
