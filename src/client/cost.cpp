// SPDX-License-Identifier: Apache-2.0
/// What an offer asks of its client, from its numbers alone.
#include <algorithm>
#include <cmath>

#include "client/client.h"
#include "wire/eval_keys.h"

namespace obscura::client {

namespace {

/// Of each set of ckks::BootstrapParams::demonstrated(): Galois keys and those of its sparse secret, and their bytes in
/// a file, and their residues. To count them here would take the tables of all transforms; tests/client holds them to
/// that.
struct SetCost {
  std::uint64_t galois;
  std::uint64_t keys;
  std::uint64_t bytes;
  std::uint64_t residues;
};
constexpr SetCost kSets[] = {
    {53, 55, 1398764484, 269025280}, {43, 46, 1192013960, 229376000}, {37, 42, 1044672280, 201195520},
    {36, 45, 1009266732, 194576384}, {53, 55, 1458148292, 323944448}, {43, 46, 1244008584, 276168704},
    {37, 42, 1090653976, 242221056}, {36, 45, 1053413420, 234160128},
};

// Measured with 2 cores of an AMX machine: noise, a product and an NTT for each residue.
constexpr double kSecondsPerResidue = 2.2e-8;
constexpr double kTablesPerPrime = 6;  // of N doubles: roots and their quotients, permutations
constexpr std::uint64_t kTransformTables = std::uint64_t{150} << 20;  // of bootstrapping, at most

std::uint64_t residues(const ckks::ParamsLiteral& params, std::size_t limbs) {
  const auto alpha = static_cast<std::size_t>(params.digit_limbs);
  return ((limbs + alpha - 1) / alpha * (limbs + params.special.size())) << params.log2_degree;
}

}  // namespace

Result<KeyCost> cost_of_keys(const plan::Offer& offer) {
  const ckks::ParamsLiteral& params = offer.params;
  KeyCost cost;
  std::uint64_t made = 0, largest = 0, galois = 0;
  const auto add = [&](std::size_t limbs) {
    ++cost.keys;
    cost.file_bytes += wire::key_frame_bytes(params, limbs);
    made += residues(params, limbs);
    largest = std::max(largest, residues(params, limbs));
  };
  const bool relinearization = offer.keys.relinearization || offer.bootstrap.has_value();
  if (relinearization) add(params.chain.size());
  for (const auto& [step, limbs] : offer.keys.rotations) add(limbs);
  galois += offer.keys.rotations.size();
  if (offer.keys.conjugation > 0) {
    add(offer.keys.conjugation);
    ++galois;
  }
  const std::uint64_t primes = params.chain.size() + params.special.size();
  const auto word = static_cast<double>(sizeof(double) << params.log2_degree);
  double memory = (kTablesPerPrime + 1) * static_cast<double>(primes) * word;
  if (offer.bootstrap) {
    const auto& sets = ckks::BootstrapParams::demonstrated();
    const auto set = std::find(sets.begin(), sets.end(), offer.bootstrap->literal);
    if (set == sets.end()) return error(Code::wrong_params, "the offer's bootstrapping is of no set that is known");
    const SetCost& own = kSets[set - sets.begin()];
    cost.keys += own.keys;
    cost.file_bytes += own.bytes;
    galois += own.galois;
    made += own.residues;
    memory += static_cast<double>(kTransformTables);
  }
  cost.file_bytes += wire::keys_header_bytes(static_cast<std::size_t>(galois));
  // A key of both halves, its frame, and what each thread works on.
  memory += static_cast<double>(largest * sizeof(double)) * 3;
  cost.memory_bytes = static_cast<std::uint64_t>(memory);
  cost.core_seconds = static_cast<double>(made) * kSecondsPerResidue;
  return cost;
}

}  // namespace obscura::client
