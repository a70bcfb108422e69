// SPDX-License-Identifier: Apache-2.0
/// A plan that bootstraps, through files, at the demonstrated sets of full size: a minute, 2 GB of disk and 11 GB of
/// memory each.
#include <gtest/gtest.h>
#include <stdlib.h>  // mkdtemp

#include <cmath>
#include <filesystem>

#include "boot_plan.h"
#include "client/client.h"
#include "run/clear_backend.h"
#include "server/server.h"
#include "wire/eval_keys.h"
#include "wire/plan_frame.h"

namespace obscura {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kMostKeys = 2'500'000'000;
/// An error that met the secret is a Laplace variable (ckks::tail_of_error): one of 16 in 2^20 passes 12 deviations.
constexpr double kFar = 12;

class BootstrappingFiles : public ::testing::TestWithParam<ckks::BootstrapLiteral> {
 protected:
  BootstrappingFiles() {
    std::string name = fs::temp_directory_path() / "obscura-boot-XXXXXX";
    folder_ = mkdtemp(name.data());
  }
  ~BootstrappingFiles() override { fs::remove_all(folder_); }
  fs::path path(const char* name) const { return folder_ / name; }
  fs::path folder_;
};

TEST_P(BootstrappingFiles, AnswerAsTheClearTwin) {
  const auto set = ckks::BootstrapParams::make(GetParam()).value();
  const base::OutputFile::Options plain{.overwrite = false, .secret = false};
  ASSERT_TRUE(base::write_file(path("plan"), wire::write_plan(testing::boot_plan(set)), plain).ok());
  const wire::NamedPlan named = wire::read_plan_file(path("plan")).value();
  ASSERT_TRUE(base::write_file(path("offer"), wire::write_offer(wire::make_offer(named)), plain).ok());
  const plan::Offer offer = wire::read_offer_file(path("offer")).value();
  EXPECT_EQ(offer.bootstrap, named.plan.bootstrap);

  std::size_t made = 0;
  const auto count = [&](std::size_t done, std::size_t) { return made = done, true; };
  const auto keys = client::keygen(offer, path("secret"), path("eval"), {.progress = count});
  ASSERT_TRUE(keys.ok()) << keys.error().message;
  EXPECT_EQ(made, wire::inspect_eval_keys(path("eval")).value().keys());
  EXPECT_LT(fs::file_size(path("eval")), kMostKeys);

  std::vector<float> pixels;
  for (std::uint32_t e = 0; e < testing::kBootElements; ++e) pixels.push_back(static_cast<float>(e * 17 % 256) / 255);
  ASSERT_TRUE(client::encrypt(offer, path("secret"), pixels, path("in")).ok());
  const auto report = server::run(path("plan"), path("eval"), path("in"), path("out"));
  ASSERT_TRUE(report.ok()) << report.error().message;
  const auto logits = client::decrypt(offer, path("secret"), path("out"));
  ASSERT_TRUE(logits.ok()) << logits.error().message;

  const run::ClearModel model(named.plan, plan::make_bootstrapper(named.plan.bootstrap).value());
  const std::vector<float> image = client::normalise(named.plan.input, pixels);
  const std::vector<float> exact = run::run_clear(model, image, 1).value();
  double squares = 0;
  const std::vector<std::uint64_t> seeds{1, 2, 3, 4};
  for (const std::uint64_t seed : seeds) {
    const std::vector<float> noisy = run::run_clear(model, image, 1, seed).value();
    for (std::size_t i = 0; i < noisy.size(); ++i) squares += std::pow(double{noisy[i]} - double{exact[i]}, 2);
  }
  const double predicted = std::sqrt(squares / static_cast<double>(seeds.size() * exact.size()));
  double largest = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    largest = std::max(largest, std::fabs(double{logits.value().values[i]} - double{exact[i]}));
  }
  EXPECT_LT(largest, kFar * predicted);
  EXPECT_GT(predicted, 0);
  std::printf("keys: %.2f GB; bits: %.1f at least, %.1f predicted; run: %.1f s\n",
              static_cast<double>(fs::file_size(path("eval"))) / 1e9, -std::log2(largest), -std::log2(predicted),
              report.value().run_seconds);
}

std::vector<ckks::BootstrapLiteral> deep_sets() {
  std::vector<ckks::BootstrapLiteral> out;
  for (const auto& set : ckks::BootstrapParams::demonstrated()) {
    if (set.levels > 8) out.push_back(set);
  }
  return out;
}

INSTANTIATE_TEST_SUITE_P(DeepSets, BootstrappingFiles, ::testing::ValuesIn(deep_sets()),
                         [](const auto& set) { return "Slots2To" + std::to_string(set.param.log2_slots); });

}  // namespace
}  // namespace obscura
