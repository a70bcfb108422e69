// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "eval/step.h"
#include "nn/operators.h"

namespace obscura::eval {
namespace {

/// Whole blocks of channels go to whole blocks.
bool keeps_blocks(const Move& move, const Layout& to) {
  const auto block = static_cast<std::int64_t>(to.block);
  return move.from.block == to.block && move.step[0] == 1 && move.start[0] % block == 0 && move.place[0] % block == 0 &&
         move.size[0] % block == 0;
}

/// out + place = in + start, for elements of `run` channels (a block, or one), of which `groups` are taken.
void copy_box(const Move& move, const Layout& to, const float* in, float* out, std::int64_t groups, std::size_t run) {
  for (std::int64_t g = 0; g < groups; ++g) {
    const std::int64_t channel = g * static_cast<std::int64_t>(run);
    const auto source = static_cast<std::size_t>(move.start[0] + channel * move.step[0]);
    const auto target = static_cast<std::size_t>(move.place[0] + channel);
    for (std::int64_t h = 0; h < move.size[1]; ++h) {
      const std::int64_t row = (move.start[1] + h * move.step[1]) * static_cast<std::int64_t>(move.from.width);
      const std::int64_t to_row = (move.place[1] + h) * static_cast<std::int64_t>(to.width);
      for (std::int64_t w = 0; w < move.size[2]; ++w) {
        const auto p = static_cast<std::size_t>(row + move.start[2] + w * move.step[2]);
        const auto q = static_cast<std::size_t>(to_row + move.place[2] + w);
        const float* x = in + move.from.at(source, p);
        float* y = out + to.at(target, q);
        for (std::size_t c = 0; c < run; ++c) y[c] = x[c];
      }
    }
  }
}

class MoveStep : public Step {
 public:
  MoveStep(std::vector<Move> moves, const Layout& to) : moves_(std::move(moves)), to_(to) {
    std::size_t covered = 0;
    for (const Move& move : moves_) covered += static_cast<std::size_t>(move.size[0] * move.size[1] * move.size[2]);
    covers_all_ = covered == to_.size();
  }

  void run(const Call& call) const override {
    if (!covers_all_) std::fill_n(call.out, call.used * to_.size(), 0.0F);
    for (std::size_t i = 0; i < call.used; ++i) {
      for (const Move& move : moves_) {
        const bool whole = keeps_blocks(move, to_);
        const std::size_t run = whole ? to_.block : 1;
        copy_box(move, to_, call.in[move.input] + i * move.from.size(), call.out + i * to_.size(),
                 move.size[0] / static_cast<std::int64_t>(run), run);
      }
    }
  }

 private:
  std::vector<Move> moves_;
  Layout to_;
  bool covers_all_ = false;
};

/// Of one operand: where its elements lie, and where they go.
struct Gathered {
  std::size_t size = 0;  ///< floats of an image of the operand
  std::vector<std::uint32_t> from;
  std::vector<std::uint32_t> to;  ///< empty: to all places in order
};

class GatherStep : public Step {
 public:
  GatherStep(const std::vector<Layout>& from, const std::vector<std::vector<std::uint32_t>>& sources, const Layout& to)
      : size_(to.size()) {
    std::size_t covered = 0;
    for (std::size_t i = 0; i < from.size(); ++i) {
      Gathered one;
      one.size = from[i].size();
      std::vector<std::uint32_t> by_place(size_);
      for (std::size_t e = 0; e < size_; ++e) by_place[to.at(e)] = sources[i][e];
      for (std::size_t place = 0; place < size_; ++place) {
        if (by_place[place] == nn::kNoSource) continue;
        one.from.push_back(static_cast<std::uint32_t>(from[i].at(by_place[place])));
        one.to.push_back(static_cast<std::uint32_t>(place));
      }
      covered += one.from.size();
      if (one.from.size() == size_) one.to.clear();
      parts_.push_back(std::move(one));
    }
    covers_all_ = covered == size_;
  }

  void run(const Call& call) const override {
    if (!covers_all_) std::fill_n(call.out, call.used * size_, 0.0F);
    for (std::size_t i = 0; i < call.used; ++i) {
      float* out = call.out + i * size_;
      for (std::size_t n = 0; n < parts_.size(); ++n) {
        const Gathered& part = parts_[n];
        const float* in = call.in[n] + i * part.size;
        if (part.to.empty()) {
          for (std::size_t k = 0; k < part.from.size(); ++k) out[k] = in[part.from[k]];
        } else {
          for (std::size_t k = 0; k < part.from.size(); ++k) out[part.to[k]] = in[part.from[k]];
        }
      }
    }
  }

 private:
  std::vector<Gathered> parts_;
  std::size_t size_;
  bool covers_all_ = false;
};

class ReshapeStep : public Step {
 public:
  ReshapeStep(const Layout& from, const Layout& to) : from_(from), to_(to) {}

  void run(const Call& call) const override {
    const std::size_t size = to_.size();
    if (from_.block == 1 && to_.block == 1) {
      std::memcpy(call.out, call.in[0], call.used * size * sizeof(float));
      return;
    }
    for (std::size_t i = 0; i < call.used; ++i) {
      const float* in = call.in[0] + i * size;
      float* out = call.out + i * size;
      for (std::size_t e = 0; e < size; ++e) out[to_.at(e)] = in[from_.at(e)];
    }
  }

 private:
  Layout from_;
  Layout to_;
};

}  // namespace

StepPtr make_moves(std::vector<Move> moves, const Layout& to) {
  return std::make_unique<MoveStep>(std::move(moves), to);
}

StepPtr make_reshape(const Layout& from, const Layout& to) { return std::make_unique<ReshapeStep>(from, to); }

StepPtr make_gather(const std::vector<Layout>& from, const std::vector<std::vector<std::uint32_t>>& sources,
                    const Layout& to) {
  return std::make_unique<GatherStep>(from, sources, to);
}

}  // namespace obscura::eval
