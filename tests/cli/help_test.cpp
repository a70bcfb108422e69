// SPDX-License-Identifier: Apache-2.0
/// Every verb teaches, and mistakes in the command line are told from errors.
#include "program.h"

namespace obscura::cli {
namespace {

using ::testing::HasSubstr;

class Verb : public ProgramTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(Verb, TeachesInItsHelpWithAnExampleAndWhoMaySeeItsFiles) {
  const Outcome outcome = good({GetParam(), "--help"});
  // obscura-train explains its own options where it is built.
  if (std::string(GetParam()) == "train") return;
  EXPECT_THAT(outcome.out, HasSubstr("Example:"));
  EXPECT_THAT(outcome.out, HasSubstr(std::string("obscura ") + GetParam()));
  EXPECT_THAT(outcome.out, HasSubstr("--json"));
  EXPECT_THAT(outcome.out, HasSubstr("--threads"));
  EXPECT_EQ(outcome.err, "");
}

TEST_P(Verb, StandsInTheListOfVerbs) { EXPECT_THAT(good({"--help"}).out, HasSubstr(GetParam())); }

INSTANTIATE_TEST_SUITE_P(OfTheCommandLine, Verb,
                         ::testing::Values("data", "train", "compile", "inspect", "offer", "keygen", "encrypt", "run",
                                           "decrypt", "classify", "signkey", "evaluate", "bench", "calibrate", "sweep",
                                           "approx", "version"),
                         [](const auto& verb) { return std::string(verb.param); });

class CommandLine : public ProgramTest {};

TEST_F(CommandLine, ExitsWithTwoOnAMistakeInItsUse) {
  EXPECT_EQ(run({}).status, 2);
  EXPECT_EQ(run({"frobnicate"}).status, 2);
  EXPECT_EQ(run({"compile", "x.onnx", "-o", "x.plan", "--no-such-option"}).status, 2);
  EXPECT_EQ(run({"compile", "x.onnx"}).status, 2) << "without -o";
  EXPECT_EQ(run({"compile", "x.onnx", "-o", "x.plan", "--batch", "many"}).status, 2);
  EXPECT_EQ(run({"evaluate", "x.onnx", "--dataset", "mnist", "--backend", "guess"}).status, 2);
  const Outcome floor = run({"compile", "x.onnx", "-o", "x.plan", "--standardise", "0,3"});
  EXPECT_EQ(floor.status, 2);
  EXPECT_THAT(floor.err, ::testing::HasSubstr("--standardise: 0,3; two finite numbers above 0"));
  EXPECT_EQ(run({"version", "--simd", "mmx"}).status, 2);
  EXPECT_NE(run({"version", "--simd", "avx512+amx"}).status, 2) << "a name of the help that the parser refuses";
  EXPECT_THAT(run({"frobnicate"}).err, HasSubstr("obscura --help"));
}

TEST_F(CommandLine, SaysItsVersionAndTheKernelsThatItUses) {
  EXPECT_THAT(good({"--version"}).out, HasSubstr("obscura 0."));
  const auto json = good({"version", "--json", "--simd", "portable", "--threads", "1"}).json();
  EXPECT_EQ(json.at("simd"), "portable");
  EXPECT_EQ(json.at("threads"), 1);
}

TEST_F(CommandLine, DataTeachesItsOwnVerb) { EXPECT_THAT(good({"data", "fetch", "--help"}).out, HasSubstr("--dir")); }

TEST_F(CommandLine, HandsTrainToTheProgramBesideIt) {
  // A copy, so that what lies beside it is known.
  std::filesystem::copy_file(OBSCURA_BINARY_DIR "/obscura", path("obscura"));
  const Outcome absent = run({"train", "mnist-square.toml"}, path("obscura"));
  EXPECT_EQ(absent.status, 1);
  EXPECT_THAT(absent.err, HasSubstr("libtorch-dev"));
  EXPECT_THAT(run({"train", "--help"}, path("obscura")).out, HasSubstr("Example:"));

  write("obscura-train", std::string("#!/bin/sh\necho \"got $*\"\nexit 7\n"));
  std::filesystem::permissions(path("obscura-train"), std::filesystem::perms::owner_all);
  const Outcome outcome = run({"train", "mnist-square.toml", "-o", "x.onnx", "--json"}, path("obscura"));
  EXPECT_EQ(outcome.out, "got mnist-square.toml -o x.onnx --json\n");
  EXPECT_EQ(outcome.status, 7);
  EXPECT_EQ(run({"train", "--help"}, path("obscura")).out, "got --help\n");
}

TEST_F(CommandLine, TellsAFullStandardOutput) {
  const std::string command = std::string(OBSCURA_BINARY_DIR "/obscura version > /dev/full 2> ") + path("err");
  EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 1);
  EXPECT_THAT(slurp(path("err")), HasSubstr("standard output could not be written"));
}

}  // namespace
}  // namespace obscura::cli
