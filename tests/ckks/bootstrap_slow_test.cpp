// SPDX-License-Identifier: Apache-2.0
/// The demonstrated parameter sets at full size: minutes, and 11 GB of memory.
#include "tests/ckks/boot_fixture.h"

namespace obscura::ckks {
namespace {

class DemonstratedSets : public testing::TestWithParam<BootstrapLiteral> {};

TEST_P(DemonstratedSets, GiveTheSameSlotsWithinThePredictedError) {
  const Booted booted(BootstrapParams::make(GetParam()).value());
  const std::vector<double> random = booted.random_slots();
  const std::vector<double> equal(random.size(), 1.0);
  for (const std::vector<double>* slots : {&random, &equal}) {
    const Ciphertext out = booted.bootstrapper->run(booted.keys, booted.own, booted.encrypt(*slots));
    EXPECT_EQ(out.limbs(), booted.params.limbs().input + static_cast<std::size_t>(GetParam().levels));
    const auto errors = booted.errors(out, *slots);
    const BootstrapError error = booted.bootstrapper->predict(*slots);
    const double predicted = error.total();
    expect_predicted(errors.deviation, predicted);
    EXPECT_LT(errors.largest, far_error(error));
    std::printf("bits: %.1f at least, %.1f root mean square, %.1f predicted\n", -std::log2(errors.largest),
                -std::log2(errors.deviation), -std::log2(predicted));
  }
}

INSTANTIATE_TEST_SUITE_P(All, DemonstratedSets, testing::ValuesIn(BootstrapParams::demonstrated()),
                         [](const auto& set) {
                           return "Slots2To" + std::to_string(set.param.log2_slots) + "Levels" +
                                  std::to_string(set.param.levels);
                         });

}  // namespace
}  // namespace obscura::ckks
