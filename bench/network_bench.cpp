// SPDX-License-Identifier: Apache-2.0
/// Whole networks on one full batch of encrypted images, all cores: the server's work alone, as `obscura run` does it
/// after loading. Networks: the shipped ones in models/, and those of $OBSCURA_SHARED where it is set.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>

#include "base/parallel.h"
#include "bench/bench.h"
#include "ckks/context.h"
#include "compile/compile.h"
#include "nn/onnx.h"
#include "run/ckks_backend.h"
#include "run/execute.h"
#include "secret/crypt.h"

namespace obscura {
namespace {

namespace fs = std::filesystem;

/// Images of noise: the time does not depend on what is encrypted.
std::vector<ckks::Ciphertext> encrypt_noise(const ckks::Context& context, const secret::SecretKey& key,
                                            const plan::InputSpec& input) {
  std::vector<ckks::Ciphertext> out(input.elements());
  base::parallel_for(out.size(), [&](std::size_t i) {
    const std::vector<double> slots(context.params().slots(), static_cast<double>(i % 256) / 255);
    out[i] = ckks::expand(context, secret::encrypt(context, key, slots, input.scale, input.limbs));
  });
  return out;
}

void run_network(benchmark::State& state, const fs::path& path, std::uint32_t batch) {
  const auto graph = nn::read_onnx_file(path);
  if (!graph.ok()) return state.SkipWithError(graph.error().message.c_str());
  compile::Options options;
  options.batch = batch;
  const auto plan = compile::compile(*graph, options);
  if (!plan.ok()) return state.SkipWithError(plan.error().message.c_str());
  const auto context =
      ckks::Context::make(ckks::Params::make(plan->params).value(), ckks::Resources::make(bench::chosen_kernels()));
  const auto key = secret::SecretKey::generate(*context);
  const auto keys = std::make_shared<ckks::EvalKeys>();
  keys->relinearization.push_back(secret::make_relinearization_key(*context, key));
  const run::CkksBackend backend(context, keys);
  const run::CkksModel model = backend.prepare(run::make_program(*plan, nullptr, plan->kept_bytes));
  const auto images = static_cast<double>(context->params().slots());
  const std::vector<ckks::Ciphertext> inputs = encrypt_noise(*context, key, plan->input);
  for (auto _ : state) {
    state.PauseTiming();
    auto copy = inputs;
    state.ResumeTiming();
    benchmark::DoNotOptimize(run::execute(model, backend, std::move(copy)));
  }
  state.counters["images"] = images;
  state.counters["ms_per_image"] = benchmark::Counter(images * static_cast<double>(state.iterations()) * 1e-3,
                                                      benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["log2QP"] = context->params().log2_qp();
  state.counters["limbs"] = static_cast<double>(context->chain_limbs());
}

void add(const fs::path& path) {
  if (!fs::exists(path)) return;
  for (const std::uint32_t batch : {4096U, 8192U}) {
    benchmark::RegisterBenchmark((path.stem().string() + "/batch:" + std::to_string(batch)).c_str(),
                                 [path, batch](benchmark::State& state) { run_network(state, path, batch); })
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime()
        ->MeasureProcessCPUTime();
  }
}

const bool kRegistered = [] {
  add(fs::path(OBSCURA_SOURCE_DIR) / "models" / "mnist-swish4.onnx");
  add(fs::path(OBSCURA_SOURCE_DIR) / "models" / "mnist-square.onnx");
  if (const char* shared = std::getenv("OBSCURA_SHARED"); shared != nullptr) {
    add(fs::path(shared) / "ishiyama2020" / "mnist_CKKS-swish_rg6_deg4-BN-DA.onnx");
    add(fs::path(shared) / "ishiyama2020" / "mnist_HCNN-DA.onnx");
  }
  return true;
}();

}  // namespace
}  // namespace obscura
