// SPDX-License-Identifier: Apache-2.0
#include "eval/network.h"

#include <algorithm>
#include <cstdlib>

#include "base/parallel.h"
#include "eval/lower.h"
#include "eval/noise.h"
#include "eval/onednn.h"

namespace obscura::eval {
namespace {

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

/// Memory on 64 bytes, all zero.
template <class T>
class Aligned {
 public:
  explicit Aligned(std::size_t count) {
    const std::size_t bytes = (count * sizeof(T) + 64) / 64 * 64;
    memory_.reset(static_cast<T*>(std::aligned_alloc(64, bytes)));
    if (memory_ == nullptr) throw std::bad_alloc();
    std::fill_n(reinterpret_cast<unsigned char*>(memory_.get()), bytes, static_cast<unsigned char>(0));
  }
  T* data() const { return memory_.get(); }
  /// Of the same size.
  void copy(const Aligned& other, std::size_t count) { std::copy_n(other.data(), count, data()); }

 private:
  std::unique_ptr<T, Free> memory_;
};

void merge(Excess& into, const Excess& more) {
  into.count += more.count;
  into.outside += more.outside;
  into.largest = std::max(into.largest, more.largest);
}

/// The memory of a chunk of images on its way through the steps.
class Chunk {
 public:
  explicit Chunk(const Program& program) : program_(program), scratch_(program.scratch_bytes) {
    for (const std::size_t floats : program.buffers) buffers_.emplace_back(floats * program.chunk);
    excess_.resize(program.steps.size());
  }

  void load(std::span<const float> images, std::size_t first) {
    first_ = first;
    used_ = images.size() / program_.input.size();
    std::copy(images.begin(), images.end(), buffers_[0].data());
  }

  /// Where another chunk is.
  void follow(const Chunk& other) {
    first_ = other.first_;
    used_ = other.used_;
    for (std::size_t b = 0; b < buffers_.size(); ++b) {
      buffers_[b].copy(other.buffers_[b], program_.buffers[b] * program_.chunk);
    }
  }

  /// `observed`: the arguments of the step stay until the next.
  void run(std::size_t index, const Options& options, bool observed) {
    const OneThread one_thread;
    const Planned& planned = program_.steps[index];
    inputs_.clear();
    for (const std::size_t buffer : planned.in) inputs_.push_back(buffers_[buffer].data());
    arguments_.clear();
    Call call;
    call.in = inputs_;
    call.out = buffers_[planned.out].data();
    call.images = program_.chunk;
    call.used = used_;
    call.scratch = scratch_.data();
    call.excess = planned.substituted ? &excess_[index] : nullptr;
    call.arguments = observed && planned.activation ? &arguments_ : nullptr;
    observed_ = {};
    call.observed = call.arguments == nullptr ? nullptr : &observed_;
    planned.step->run(call);
    disturb(index, options);
  }

  /// Adds the noise to what a step gave.
  void disturb(std::size_t index, const Options& options) {
    const Planned& planned = program_.steps[index];
    for (const NoisePlace& place : planned.noise) {
      const auto deviation = options.noise.find(place.node);
      if (deviation == options.noise.end() || deviation->second == 0) continue;
      add_noise({options.noise_seed, place.node, first_}, deviation->second, place.gain, planned.layout, used_,
                buffers_[planned.out].data());
    }
  }

  void store(std::span<float> logits) const {
    std::copy_n(buffers_[program_.output].data(), logits.size(), logits.begin());
  }

  std::size_t used() const { return used_; }
  /// Of the last step, if it was observed.
  std::span<const float> arguments() const { return observed_.empty() ? std::span(arguments_) : observed_; }
  const Excess& excess(std::size_t step) const { return excess_[step]; }

 private:
  const Program& program_;
  std::vector<Aligned<float>> buffers_;
  Aligned<std::byte> scratch_;
  std::vector<Excess> excess_;  ///< by step, of all chunks so far
  std::vector<const float*> inputs_;
  std::vector<float> arguments_;
  std::span<const float> observed_;  ///< instead, where they are what the step reads
  std::size_t first_ = 0;
  std::size_t used_ = 0;
};

/// All chunks of a block: each goes its way alone, or, where somebody looks on, step by step together.
void run_block(const Program& program, std::span<Chunk> chunks, const Options& options) {
  if (!options.observe) {
    base::parallel_for(chunks.size(), [&](std::size_t i) {
      for (std::size_t s = 0; s < program.steps.size(); ++s) chunks[i].run(s, options, false);
    });
    return;
  }
  for (std::size_t s = 0; s < program.steps.size(); ++s) {
    base::parallel_for(chunks.size(), [&](std::size_t i) { chunks[i].run(s, options, true); });
    if (!program.steps[s].activation) continue;
    for (const Chunk& chunk : chunks) options.observe(program.steps[s].node, chunk.arguments());
  }
}

/// A chunk's way without noise, and from where each noise enters the rest of the way with it. `store` gets the chunk at
/// its end: 0 without noise, k + 1 with noise[k].
void run_ways(const Program& program, std::span<const std::pair<std::size_t, double>> noise, const Options& options,
              Chunk& chunk, Chunk& other, const std::function<void(std::size_t way, const Chunk&)>& store) {
  Options way = options;
  way.noise.clear();
  std::vector<char> entered(noise.size(), 0);
  for (std::size_t s = 0; s < program.steps.size(); ++s) {
    chunk.run(s, way, false);
    for (const NoisePlace& place : program.steps[s].noise) {
      for (std::size_t k = 0; k < noise.size(); ++k) {
        if (entered[k] || noise[k].first != place.node) continue;
        entered[k] = 1;
        Options noisy = way;
        noisy.noise = {noise[k]};
        other.follow(chunk);
        other.disturb(s, noisy);
        for (std::size_t rest = s + 1; rest < program.steps.size(); ++rest) other.run(rest, noisy, false);
        store(k + 1, other);
      }
    }
  }
  store(0, chunk);
  for (std::size_t k = 0; k < noise.size(); ++k) {
    if (!entered[k]) store(k + 1, chunk);  // of a node that nothing reads
  }
}

}  // namespace

struct Network::Impl {
  Program program;
};

Network::Network(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Network::Network(Network&&) noexcept = default;
Network& Network::operator=(Network&&) noexcept = default;
Network::~Network() = default;

Result<Network> Network::make(const nn::Graph& graph, const Substitution& substitution) {
  OBSCURA_TRY(Program program, lower(graph, substitution));
  return Network(std::make_unique<Impl>(Impl{std::move(program)}));
}

Result<Outcome> Network::run(std::span<const float> images, std::size_t count, const Options& options) const {
  const Program& program = impl_->program;
  const std::size_t size = program.input.size();
  const std::size_t classes = program.classes;
  OBSCURA_CHECK(images.size() % size == 0 && images.size() / size == count, "eval: {} floats for {} images of {}",
                images.size(), count, size);
  OBSCURA_CHECK(options.batch > 0, "eval: a batch of 0 images");
  // Chunks enough to keep the cores busy; more would only take memory.
  const std::size_t most = std::min({(options.batch + program.chunk - 1) / program.chunk, 4 * base::thread_count(),
                                     (count + program.chunk - 1) / program.chunk});
  std::vector<Chunk> chunks;
  for (std::size_t i = 0; i < most; ++i) chunks.emplace_back(program);
  Outcome outcome;
  outcome.logits.resize(count * classes);
  for (std::size_t done = 0; done < count;) {
    std::size_t loaded = 0;
    std::size_t end = done;
    for (; loaded < chunks.size() && end < count; ++loaded) {
      const std::size_t used = std::min(program.chunk, count - end);
      chunks[loaded].load(images.subspan(end * size, used * size), end);
      end += used;
    }
    run_block(program, std::span(chunks).first(loaded), options);
    for (std::size_t i = 0, at = done; i < loaded; at += chunks[i++].used()) {
      chunks[i].store(std::span(outcome.logits).subspan(at * classes, chunks[i].used() * classes));
    }
    done = end;
    if (options.progress && !options.progress(done, count)) {
      return error(Code::cancelled, "stopped after {} of {} images", done, count);
    }
  }
  for (std::size_t s = 0; s < program.steps.size(); ++s) {
    if (!program.steps[s].substituted) continue;
    Excess& total = outcome.excess[program.steps[s].node];
    for (const Chunk& chunk : chunks) merge(total, chunk.excess(s));
  }
  return outcome;
}

Result<std::vector<std::vector<float>>> Network::run_each(std::span<const float> images, std::size_t count,
                                                          std::span<const std::pair<std::size_t, double>> noise,
                                                          const Options& options) const {
  const Program& program = impl_->program;
  const std::size_t size = program.input.size(), classes = program.classes, all = program.chunk;
  OBSCURA_CHECK(images.size() == count * size, "eval: {} floats for {} images of {}", images.size(), count, size);
  const std::size_t most = std::min(base::thread_count(), (count + all - 1) / all);
  std::vector<Chunk> chunks, others;
  for (std::size_t i = 0; i < most; ++i) chunks.emplace_back(program), others.emplace_back(program);
  std::vector<std::vector<float>> logits(noise.size() + 1, std::vector<float>(count * classes));
  for (std::size_t done = 0; done < count;) {
    const std::size_t end = std::min(count, done + most * all);
    base::parallel_for((end - done + all - 1) / all, [&](std::size_t i) {
      const std::size_t first = done + i * all, used = std::min(all, end - first);
      chunks[i].load(images.subspan(first * size, used * size), first);
      run_ways(program, noise, options, chunks[i], others[i], [&](std::size_t way, const Chunk& chunk) {
        chunk.store(std::span(logits[way]).subspan(first * classes, used * classes));
      });
    });
    done = end;
    if (options.progress && !options.progress(done, count)) {
      return error(Code::cancelled, "stopped after {} of {} images", done, count);
    }
  }
  return logits;
}

}  // namespace obscura::eval
