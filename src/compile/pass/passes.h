// SPDX-License-Identifier: Apache-2.0
/// The compiler's passes by name: what each took, whether what it gave is sound, and that as text.
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"

namespace obscura::compile {

/// In the order of the flow. Those from layout to memory run once or more for each choice that the search considers.
enum class Pass {
  front,       ///< graph -> linear maps and activations
  intervals,   ///< of polynomials in the Chebyshev basis
  monic,       ///< leading coefficients move into the maps
  measure,     ///< ranges, derivatives and error amplification on images
  rounding,    ///< what rounding each map's weights does
  layout,      ///< a layout for each value; relinearizations placed
  bootstraps,  ///< bootstraps placed
  split,       ///< diagonals of transforms split into steps
  scales,      ///< limbs and scales solved
  errors,      ///< errors predicted
  price,       ///< times predicted
  memory,      ///< memory predicted, and times within it
  emit,        ///< the plan of what was chosen
  verify,      ///< the plan recomputed from scratch
};
inline constexpr std::size_t kPasses = 14;

std::string_view name_of(Pass pass);
/// Of all passes, in their order.
std::vector<std::string> pass_names();
/// Nothing where no pass has the name.
std::optional<Pass> pass_named(std::string_view name);

/// Whether each pass's result is verified, and not the plan alone: it costs a walk over the whole of it.
#if !defined(NDEBUG) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kVerifyPasses = true;
#else
inline constexpr bool kVerifyPasses = false;
#endif

/// `check` gives a Result<void>.
/// errors  ContractError, naming the pass: it made something that is not sound
template <class Check>
void verify_after(Pass pass, const Check& check) {
  if constexpr (kVerifyPasses) {
    const Result<void> verified = check();
    OBSCURA_CHECK(verified.ok(), "after the pass '{}': {}", name_of(pass), verified.error().message);
  }
}

/// Of one compilation.
class Passes {
 public:
  struct Record {
    std::size_t runs = 0;
    double seconds = 0;
    std::size_t size = 0;  ///< of what it gave to the plan
    std::string unit;      ///< of the size
  };
  /// `dump_after`: the pass whose result is kept as text.
  explicit Passes(std::optional<Pass> dump_after = {}) : dump_after_(dump_after) {}

  const Record& operator[](Pass pass) const { return records_[static_cast<std::size_t>(pass)]; }
  /// What the pass gave to the plan that was chosen; nothing where it did not run for it.
  const std::optional<std::string>& dump() const { return dump_; }

  void add(Pass pass, double seconds) {
    Record& record = records_[static_cast<std::size_t>(pass)];
    ++record.runs;
    record.seconds += seconds;
  }
  /// Of the result that went into the plan. `text` is called where it is asked for.
  template <class Text>
  void show(Pass pass, std::size_t size, const char* unit, const Text& text) {
    Record& record = records_[static_cast<std::size_t>(pass)];
    record.size = size;
    record.unit = unit;
    if (dump_after_ == pass) dump_ = text();
  }

 private:
  std::optional<Pass> dump_after_;
  std::optional<std::string> dump_;
  std::array<Record, kPasses> records_;
};

/// Times what is done while it lives.
class PassTimer {
 public:
  PassTimer(Passes* passes, Pass pass) : passes_(passes), pass_(pass) {}
  ~PassTimer() {
    if (passes_ == nullptr) return;
    passes_->add(pass_, std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count());
  }
  PassTimer(const PassTimer&) = delete;
  PassTimer& operator=(const PassTimer&) = delete;

 private:
  Passes* passes_;
  Pass pass_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// What `work` gives, timed.
template <class Work>
auto run_pass(Passes* passes, Pass pass, const Work& work) {
  const PassTimer timer(passes, pass);
  return work();
}

}  // namespace obscura::compile
