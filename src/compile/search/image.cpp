// SPDX-License-Identifier: Apache-2.0
#include "compile/search/image.h"

#include <bit>
#include <cmath>

#include "compile/layout/lower.h"
#include "compile/search/bootstrapped.h"
#include "compile/search/levelled.h"

namespace obscura::compile {
namespace {

/// Without bootstrapping where the network has few levels: above this bootstrapping is tried first, since every step
/// is cheaper at the few limbs that it needs.
constexpr std::uint32_t kShallowLevels = 24;
constexpr std::uint32_t kMostSlots = std::uint32_t{1} << ckks::kMaxLog2Degree;

Result<Selection> choose(const Setting& setting, std::optional<int> log2_degree, std::uint32_t images,
                         Shortfall& shortfall) {
  const bool standard = !setting.ring || *setting.ring == ckks::RingType::standard;
  const bool deep = standard && (!log2_degree || *log2_degree == 16);
  const bool deep_first = deep && levels(*setting.network) > kShallowLevels;
  const auto search = [&](bool bootstraps) {
    return bootstraps ? search_bootstrapped(setting, images, shortfall)
                      : search_levelled(setting, log2_degree, images, shortfall);
  };
  auto first = search(deep_first);
  if (first.ok() || !deep || first.error().code != Code::infeasible) return first;
  auto second = search(!deep_first);
  return second.ok() ? std::move(second) : std::move(first);
}

/// Why nothing was chosen: memory, or keys, where something was precise enough.
Error refusal(const Setting& setting, const Shortfall& shortfall, Error otherwise) {
  const auto gigabytes = [](std::uint64_t bytes) { return static_cast<double>(bytes) / 1e9; };
  if (otherwise.code != Code::infeasible) return otherwise;
  if (const auto& least = shortfall.memory) {
    return error(
        Code::infeasible,
        "network '{}': {:.2f} GB of memory are too little for one image at a time: {:.2f} GB are needed at "
        "least, {:.2f} of them for keys, {:.2f} for weights and tables and {:.2f} for ciphertexts in '{}'; give "
        "more (--memory), or allow a larger error (--max-error), with which primes and keys are fewer",
        setting.network->name, gigabytes(setting.memory), gigabytes(least->least()), gigabytes(least->keys),
        gigabytes(least->weights + least->tables), gigabytes(least->values), least->heaviest);
  }
  if (shortfall.keys) {
    return error(Code::infeasible,
                 "network '{}': evaluation keys take {:.1f} MB at least in the image layout; {:.1f} MB are allowed "
                 "(--max-keys)",
                 setting.network->name, megabytes(*shortfall.keys), megabytes(*setting.max_key_bytes));
  }
  return otherwise;
}

}  // namespace

Result<ImageSelection> search_image(const Setting& setting, std::optional<int> log2_degree, std::uint32_t batch) {
  Shortfall shortfall;
  std::optional<Selection> best;
  std::optional<Error> refused;
  double least = HUGE_VAL;
  std::vector<std::string> compared;
  const nn::Shape& image = setting.network->input;
  for (std::uint32_t images = std::bit_ceil(std::min(batch, kMostSlots)); images > 0; images /= 2) {
    if (!make_grid(image, kMostSlots, images)) continue;
    auto selection = choose(setting, log2_degree, images, shortfall);
    if (!selection.ok()) {
      if (selection.error().code != Code::infeasible) return selection.error();
      refused = selection.error();
      continue;
    }
    const std::uint32_t runs = (batch + images - 1) / images;
    const double seconds = selection->best.schedule.total_nanoseconds() * 1e-9 * runs;
    compared.push_back(fmt::format("{} at once {:.3g}", images, seconds / batch));
    if (seconds >= least) break;
    least = seconds;
    best = std::move(selection).value();
  }
  if (!best) return refusal(setting, shortfall, *refused);
  return ImageSelection{std::move(*best), std::move(compared)};
}

}  // namespace obscura::compile
