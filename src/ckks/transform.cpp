// SPDX-License-Identifier: Apache-2.0
/// apply: double hoisting. "Extended" polynomials have the chain limbs in use and then all special primes as rows, and
/// carry a factor P that a division takes away.
#include "ckks/transform.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "base/parallel.h"
#include "ckks/diagonals.h"
#include "ckks/evaluator.h"
#include "ckks/keyswitch.h"

namespace obscura::ckks {

/// Scales that follow from one another in another order of products differ by some 1e-16.
constexpr double kScaleTolerance = 1e-9;

Transform::Transform(std::shared_ptr<const Context> context, std::shared_ptr<const TransformShape> shape,
                     DiagonalValues values, const TransformPlace& place)
    : shape_(std::move(shape)), place_(place) {
  OBSCURA_CHECK(shape_->slots() == context->params().slots(), "transform of {} slots, the context has {}",
                shape_->slots(), context->params().slots());
  OBSCURA_CHECK(place.limbs <= context->chain_limbs() && place.rescale < place.limbs && place.rescale <= kMaxRescale,
                "transform: {} limbs of {}, {} of them dropped", place.limbs, context->chain_limbs(), place.rescale);
  plaintext_scale_ = place.scale_out / place.scale_in;
  for (std::size_t i = place.limbs - place.rescale; i < place.limbs; ++i) {
    plaintext_scale_ *= static_cast<double>(context->basis().prime(i));
  }
  // The sum with the conjugate is twice the real part.
  const double encoded = shape_->split().pair == 0 ? plaintext_scale_ : plaintext_scale_ / 2;
  store_ = std::make_shared<DiagonalStore>(std::move(context), shape_, std::move(values), place, encoded);
}

std::size_t Transform::bytes() const { return store_->bytes(); }

namespace {

/// Both parts of a ciphertext, extended; no limbs where it is zero yet.
using ExtendedPair = std::array<ring::NttPoly, 2>;

/// A rotation that a transform uses.
struct Rotation {
  const SwitchKey* key = nullptr;
  std::vector<std::uint32_t> permutation;
};

/// All of a shape's, by step.
std::map<std::int64_t, Rotation> rotations_of(const Context& context, const EvalKeys& keys, const TransformShape& shape,
                                              std::size_t limbs) {
  std::map<std::int64_t, Rotation> out;
  for (const std::int64_t step : shape.rotation_steps()) {
    Rotation& rotation = out[step];
    rotation.key = &rotation_key(context, keys, step);
    require_limbs(context, *rotation.key, limbs, fmt::format("transform, step {}", step).c_str());
    rotation.permutation = context.automorphisms().permutation(context.galois_element(step));
  }
  return out;
}

/// Of the rows [first, last) of an extended polynomial.
std::vector<std::size_t> primes_of(const Context& context, std::size_t limbs, std::size_t first, std::size_t last) {
  std::vector<std::size_t> out;
  for (std::size_t row = first; row < last; ++row) out.push_back(extended_prime(context, limbs, row));
  return out;
}

class Application {
 public:
  Application(const Context& context, const EvalKeys& keys, const TransformShape& shape, const DiagonalStore& store,
              const TransformPlace& place, std::span<const Ciphertext> x)
      : context_(context),
        kernels_(context.kernels()),
        shape_(shape),
        store_(store),
        place_(place),
        n_(context.degree()),
        rows_(place.limbs + context.special_limbs()),
        rotations_(rotations_of(context, keys, shape, place.limbs)),
        babies_(shape.babies().size()) {
    for (std::uint32_t input = 0; input < x.size(); ++input) rotate_input(input, x[input]);
  }

  /// The groups [first, last), all those of their outputs.
  void run(std::size_t first, std::size_t last, std::span<Ciphertext> out) const {
    std::map<std::uint32_t, ExtendedPair> sums;     // by output
    std::map<std::uint32_t, ExtendedPair> waiting;  // by group: what others add to it
    for (; first < last; first += kGroupsTogether) {
      std::vector<ExtendedPair> inner = sum_terms(first, std::min(last, first + kGroupsTogether));
      for (std::size_t g = 0; g < inner.size(); ++g) {
        const TransformGroup& group = shape_.groups()[first + g];
        if (const auto more = waiting.find(static_cast<std::uint32_t>(first + g)); more != waiting.end()) {
          add_extended(more->second, inner[g]);
          waiting.erase(more);
        }
        add_group(group.turn, inner[g],
                  group.into == TransformGroup::kOutput ? sums[group.output] : waiting[group.into]);
      }
    }
    for (auto& [output, sum] : sums) {
      out[output].scale = place_.scale_out;
      for (ring::NttPoly& part : sum) {
        out[output].parts.push_back(divide_extended(context_, std::move(part), place_.limbs, place_.rescale));
      }
    }
  }

 private:
  std::size_t prime(std::size_t row) const { return extended_prime(context_, place_.limbs, row); }
  const kernels::Modulus& modulus(std::size_t row) const { return context_.basis().modulus(prime(row)); }

  /// body(row, raised digits at the row) for each row, on all cores.
  template <class Body>
  void for_raised(const Decomposition& digits, Body body) const {
    const std::size_t together = primes_together(n_);
    base::parallel_for((rows_ + together - 1) / together, [&](std::size_t task) {
      const auto primes = primes_of(context_, place_.limbs, task * together, std::min(rows_, (task + 1) * together));
      ring::NttPoly scratch(context_.resources(), n_, primes.size() * digits.digits());
      const auto raised = digits.rows(primes, scratch);
      for (std::size_t k = 0; k < primes.size(); ++k) body(task * together + k, raised[k]);
    });
  }

  /// out = <raised digits, key> at one row.
  void multiply_key(const SwitchKey& key, std::size_t part, std::size_t row, const std::vector<const double*>& raised,
                    double* out) const {
    std::array<const double*, kernels::kMaxTerms> key_rows{};
    OBSCURA_CHECK(raised.size() <= kernels::kMaxTerms, "key switch: {} digits", raised.size());
    for (std::size_t d = 0; d < raised.size(); ++d) {
      key_rows[d] = part == 0 ? key.body[d].limb(prime(row)) : key.uniform.limb(d, prime(row));
    }
    kernels_.inner_product(out, raised.data(), key_rows.data(), raised.size(), n_, modulus(row));
  }

  /// All babies of one input: from one decomposition of it, and one of each baby that others are rotated from. That of
  /// step 0 is P x, zero at the special primes: those rows are not made.
  void rotate_input(std::uint32_t input, const Ciphertext& x) {
    std::map<std::uint32_t, std::vector<std::size_t>> rotated;  // by what they are rotated from
    for (std::size_t b = 0; b < babies_.size(); ++b) {
      const Baby& baby = shape_.babies()[b];
      if (baby.input != input) continue;
      const std::size_t rows = baby.step == 0 ? place_.limbs : rows_;
      for (std::size_t part = 0; part < 2; ++part) babies_[b][part] = ring::NttPoly(context_.resources(), n_, rows);
      if (baby.step != 0) {
        rotated[baby.from].push_back(b);
        continue;
      }
      base::parallel_for(2 * rows, [&](std::size_t task) {
        const std::size_t part = task % 2, i = task / 2;
        kernels_.multiply_scalar(babies_[b][part].limb(i), x.parts[part].limb(i), context_.special_product(i), 0, n_,
                                 modulus(i));
      });
    }
    if (const auto first = rotated.find(kUnrotated); first != rotated.end()) {
      rotate_from(Decomposition(context_, x.parts[1]), first->second, [&](std::size_t row, double* sum) {
        if (row >= place_.limbs) return;
        kernels_.multiply_scalar_add(sum, x.parts[0].limb(row), context_.special_product(row), n_, modulus(row));
      });
    }
    for (const auto& [from, babies] : rotated) {  // ascending: each after what it is rotated from
      if (from == kUnrotated) continue;
      const ExtendedPair& source = babies_[from];
      const ring::NttPoly divided = divide_extended(context_, copy(source[1]), place_.limbs, 0);
      rotate_from(Decomposition(context_, divided), babies,
                  [&](std::size_t row, double* sum) { kernels_.add(sum, sum, source[0].limb(row), n_, modulus(row)); });
    }
  }

  /// add(row, sum) adds the first part, times P, to a row of what a key gives.
  template <class Add>
  void rotate_from(const Decomposition& digits, const std::vector<std::size_t>& babies, Add add) {
    for_raised(digits, [&](std::size_t row, const std::vector<const double*>& raised) {
      ring::NttPoly scratch(context_.resources(), n_, 1);
      double* sum = scratch.limb(0);
      for (const std::size_t b : babies) {
        const Rotation& rotation = rotations_.at(shape_.babies()[b].turn);
        for (std::size_t part = 0; part < 2; ++part) {
          multiply_key(*rotation.key, part, row, raised, sum);
          if (part == 0) add(row, sum);
          kernels_.permute(babies_[b][part].limb(row), sum, rotation.permutation.data(), n_);
        }
      }
    });
  }

  ring::NttPoly copy(const ring::NttPoly& extended) const {
    ring::NttPoly out(context_.resources(), n_, rows_);
    base::parallel_for(rows_, [&](std::size_t row) { std::copy_n(extended.limb(row), n_, out.limb(row)); });
    return out;
  }

  /// A group of those that are summed together, with its diagonals.
  struct Open {
    const std::vector<TransformGroup::Term>* terms;
    DiagonalStore::Group diagonals;
    ExtendedPair* out;
  };
  /// Terms of one group at one row, as many as are summed before one reduction.
  struct Slice {
    ExtendedPair* out = nullptr;
    bool add = false;  ///< to what earlier slices of the group gave
    std::size_t terms = 0;
    std::array<const double*, kernels::kMaxTerms> plain{};
    std::array<std::array<const double*, kernels::kMaxTerms>, 2> baby{};
  };

  /// For each group the sum over its terms of plaintext * baby.
  std::vector<ExtendedPair> sum_terms(std::size_t first, std::size_t last) const {
    std::vector<ExtendedPair> out(last - first);
    std::vector<Open> open;
    std::size_t longest = 0;
    for (std::size_t g = first; g < last; ++g) {
      for (ring::NttPoly& part : out[g - first]) part = ring::NttPoly(context_.resources(), n_, rows_);
      open.push_back({&shape_.groups()[g].terms, store_.open(g), &out[g - first]});
      longest = std::max(longest, open.back().terms->size());
    }
    base::parallel_for(rows_, [&](std::size_t row) {
      ring::NttPoly scratch = ring::NttPoly::absent(context_.resources(), n_, kGroupsTogether * kernels::kMaxTerms);
      std::array<Slice, kGroupsTogether> slices;
      for (std::size_t g = 0; g < open.size(); ++g) slices[g].out = open[g].out;
      for (std::size_t k = 0; k < longest; k += kernels::kMaxTerms) {
        for (std::size_t g = 0; g < open.size(); ++g) {
          slices[g].add = slices[g].add || slices[g].terms > 0;
          fill_slice(open[g], k, row, scratch, g * kernels::kMaxTerms, slices[g]);
        }
        multiply_slices(std::span(slices).first(open.size()), row);
      }
      for (const Slice& slice : slices) {
        if (slice.out == nullptr || slice.add || slice.terms > 0) continue;
        for (ring::NttPoly& part : *slice.out) std::fill_n(part.limb(row), n_, 0.0);
      }
    });
    return out;
  }

  /// Those of the group's terms from `first` on that fit and are not zero at the row.
  void fill_slice(const Open& group, std::size_t first, std::size_t row, ring::NttPoly& scratch, std::size_t at,
                  Slice& slice) const {
    slice.terms = 0;
    for (std::size_t k = first; k < std::min(group.terms->size(), first + kernels::kMaxTerms); ++k) {
      const ExtendedPair& baby = babies_[(*group.terms)[k].baby];
      if (row >= baby[0].limbs()) continue;
      slice.plain[slice.terms] = group.diagonals.row(k, row, scratch, at + slice.terms);
      for (std::size_t part = 0; part < 2; ++part) slice.baby[part][slice.terms] = baby[part].limb(row);
      ++slice.terms;
    }
  }

  /// Tile by tile: plaintexts come from memory once for both parts, and babies once for all groups that share them.
  /// Plaintexts have each octet once (DiagonalStore::repeat).
  void multiply_slices(std::span<const Slice> slices, std::size_t row) const {
    constexpr std::size_t kTile = 1024;
    alignas(64) std::array<double, kTile> fresh;
    const kernels::Modulus& m = modulus(row);
    const std::size_t tile = std::min(kTile, n_), repeat = store_.repeat();
    std::array<const double*, kernels::kMaxTerms> plain{}, baby{};
    for (std::size_t first = 0; first < n_; first += tile) {
      for (const Slice& slice : slices) {
        if (slice.terms == 0) continue;
        for (std::size_t k = 0; k < slice.terms; ++k) plain[k] = slice.plain[k] + first / repeat;
        for (std::size_t part = 0; part < 2; ++part) {
          for (std::size_t k = 0; k < slice.terms; ++k) baby[k] = slice.baby[part][k] + first;
          double* to = (*slice.out)[part].limb(row) + first;
          kernels_.inner_product_repeated(slice.add ? fresh.data() : to, plain.data(), repeat, baby.data(), slice.terms,
                                          tile, m);
          if (slice.add) kernels_.add(to, to, fresh.data(), tile, m);
        }
      }
    }
  }

  void add_group(std::int64_t turn, ExtendedPair& inner, ExtendedPair& sum) const {
    if (turn != 0) {
      add_rotated(inner, rotations_.at(turn), sum);
    } else if (sum[0].limbs() == 0) {
      sum = std::move(inner);
    } else {
      add_extended(inner, sum);
    }
  }

  void add_extended(const ExtendedPair& more, ExtendedPair& sum) const {
    base::parallel_for(2 * rows_, [&](std::size_t task) {
      double* to = sum[task % 2].limb(task / 2);
      kernels_.add(to, to, more[task % 2].limb(task / 2), n_, modulus(task / 2));
    });
  }

  /// sum += inner rotated: its second part is divided by P and switched, its first stays extended.
  void add_rotated(ExtendedPair& inner, const Rotation& rotation, ExtendedPair& sum) const {
    const bool first = sum[0].limbs() == 0;
    if (first) {
      for (ring::NttPoly& part : sum) part = ring::NttPoly(context_.resources(), n_, rows_);
    }
    const ring::NttPoly divided = divide_extended(context_, std::move(inner[1]), place_.limbs, 0);
    for_raised(Decomposition(context_, divided), [&](std::size_t row, const std::vector<const double*>& raised) {
      ring::NttPoly scratch(context_.resources(), n_, 2);
      const kernels::Modulus& m = modulus(row);
      for (std::size_t part = 0; part < 2; ++part) {
        double *switched = scratch.limb(0), *to = sum[part].limb(row), *moved = first ? to : scratch.limb(1);
        multiply_key(*rotation.key, part, row, raised, switched);
        if (part == 0) kernels_.add(switched, switched, inner[0].limb(row), n_, m);
        kernels_.permute(moved, switched, rotation.permutation.data(), n_);
        if (!first) kernels_.add(to, to, moved, n_, m);
      }
    });
  }

  const Context& context_;
  const kernels::Kernels& kernels_;
  const TransformShape& shape_;
  const DiagonalStore& store_;
  const TransformPlace& place_;
  std::size_t n_, rows_;
  std::map<std::int64_t, Rotation> rotations_;  ///< by step
  std::vector<ExtendedPair> babies_;
};

/// x + i rot(x, pair), of each; these turns one after the other make the rotation.
std::vector<Ciphertext> with_partners(const Context& context, const EvalKeys& keys,
                                      const std::vector<std::int64_t>& turns, std::span<const Ciphertext> x) {
  std::vector<Ciphertext> out;
  for (const Ciphertext& one : x) {
    Ciphertext rotated = rotate(context, keys, one, turns.front());
    for (std::size_t k = 1; k < turns.size(); ++k) rotated = rotate(context, keys, rotated, turns[k]);
    out.push_back(add(context, one, multiply_by_i(context, rotated)));
  }
  return out;
}

}  // namespace

std::vector<Ciphertext> apply(const Context& context, const EvalKeys& keys, const Transform& transform,
                              std::span<const Ciphertext> x) {
  const TransformShape& shape = transform.shape();
  const TransformPlace& place = transform.place();
  OBSCURA_CHECK(x.size() == shape.inputs(), "transform: {} inputs, {} are needed", x.size(), shape.inputs());
  for (const Ciphertext& input : x) {
    const bool same_scale = std::abs(input.scale / place.scale_in - 1) < kScaleTolerance;
    OBSCURA_CHECK(input.parts.size() == 2 && input.limbs() == place.limbs && same_scale,
                  "transform: an input of {} parts and {} limbs at scale {}, 2, {} and {} are needed",
                  input.parts.size(), input.limbs(), input.scale, place.limbs, place.scale_in);
  }
  const std::int64_t pair = shape.split().pair;
  std::vector<Ciphertext> partners;
  if (pair != 0) x = partners = with_partners(context, keys, shape.partner_turns(), x);
  const Application application(context, keys, shape, *transform.store_, place, x);
  // Spans of whole outputs with enough groups to be summed together, so that outputs of few groups share babies too.
  std::vector<std::size_t> first = {0};
  const std::vector<TransformGroup>& groups = shape.groups();
  for (std::size_t g = 1; g <= groups.size(); ++g) {
    const bool whole = g == groups.size() || groups[g].output != groups[g - 1].output;
    if (g == groups.size() || (whole && g - first.back() >= kGroupsTogether)) first.push_back(g);
  }
  std::vector<Ciphertext> out(shape.outputs());
  base::parallel_for(first.size() - 1, [&](std::size_t k) { application.run(first[k], first[k + 1], out); });
  if (pair == 0) return out;
  for (Ciphertext& y : out) y = add(context, y, conjugate(context, keys, y));
  return out;
}

}  // namespace obscura::ckks
