// SPDX-License-Identifier: Apache-2.0
/// Polynomials to bytes and back, one thread; bytes per second are those of the file.
#include <benchmark/benchmark.h>

#include "ckks/params.h"
#include "ring/sample.h"
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

BENCHMARK(pack_residues)->Arg(36)->Arg(45)->Arg(48)->Arg(50);
BENCHMARK(unpack_residues)->Arg(36)->Arg(45)->Arg(48)->Arg(50);

}  // namespace
}  // namespace obscura::wire
