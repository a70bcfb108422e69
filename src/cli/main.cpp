// SPDX-License-Identifier: Apache-2.0
/// The program `obscura`: a table of verbs, the options that all of them share, and the exit status.
#include <sodium.h>

#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <new>

#include "base/parallel.h"
#include "base/random.h"
#include "cli/progress.h"
#include "cli/support.h"
#include "cli/verb.h"
#include "kernels/kernels.h"

namespace obscura::cli {
namespace {

constexpr int kExitError = 1;
constexpr int kExitUsage = 2;

constexpr std::array kVerbs = {
    Verb{"data", "Fetch data sets", define_data},
    Verb{"train", "Train a network with polynomial activations and export it to ONNX", define_train},
    Verb{"compile", "Turn an ONNX network into a plan for encrypted inference", define_compile},
    Verb{"inspect", "Print what a file of Obscura holds", define_inspect},
    Verb{"offer", "Server: write what a client needs to know of a plan", define_offer},
    Verb{"keygen", "Client: make the secret key and the evaluation keys", define_keygen},
    Verb{"encrypt", "Client: encrypt images", define_encrypt},
    Verb{"run", "Server: classify encrypted images", define_run},
    Verb{"decrypt", "Client: decrypt the answer", define_decrypt},
    Verb{"classify", "Client: classify images through a server", define_classify},
    Verb{"signkey", "Server: make the keys that sign offers and answers", define_signkey},
    Verb{"evaluate", "Measure accuracy, time and precision on a data set", define_evaluate},
    Verb{"bench", "Run a list of networks encrypted and make a table", define_bench},
    Verb{"calibrate", "Record the ranges of a network's activations on training images", define_calibrate},
    Verb{"sweep", "Accuracy of a network on polynomials, for each precision", define_sweep},
    Verb{"approx", "Compute polynomials for activations and max-pooling, with certificates", define_approx},
    Verb{"version", "Print the version and the instruction set in use", define_version},
};

constexpr const char* kExplanation =
    "Obscura classifies images that the server never sees: the client encrypts, the server computes on\n"
    "ciphertexts (CKKS), and only the client can decrypt the answer.";

constexpr const char* kFoot =
    "The way of an image:\n"
    "  server   obscura compile MODEL.onnx --batch 8192 -o X.plan      (once; holds the weights: keep it)\n"
    "           obscura offer X.plan -o X.offer                        (once; give it to clients)\n"
    "  client   obscura keygen X.offer --secret S --eval E             (once; S stays, E goes to the server)\n"
    "           obscura encrypt X.offer --secret S IMAGES... -o IN     (IN goes to the server)\n"
    "  server   obscura run X.plan --eval E IN -o OUT                  (OUT goes back)\n"
    "  client   obscura decrypt X.offer --secret S OUT\n\n"
    "`obscura VERB --help` explains each verb. Exit status: 0 done, 1 an error (one sentence on standard\n"
    "error), 2 a mistake in the command line.";

void add_common(CLI::App& command, Common& common) {
  command.add_flag("--json", common.json, "Print one JSON object as the last line of standard output");
  command.add_option("--threads", common.threads, "Threads to use (0: all cores)")->check(CLI::Range(0, 4096));
  command
      .add_option("--simd", common.simd,
                  "Force the instruction set: avx512+amx, avx512, avx2, scalar or portable (default: the best here)")
      ->check(CLI::IsMember({"avx512+amx", "avx512", "avx2", "scalar", "portable"}));
}

std::string available_simd() {
  std::string names;
  for (const kernels::Kernels* table : kernels::available())
    names += (names.empty() ? "" : ", ") + std::string(table->name);
  return names;
}

/// Runs the action of the verb that was chosen, with the instruction set and threads asked for.
Result<Answer> perform(const Action& action, const Common& common) {
  if (sodium_init() < 0) return error(Code::io, "libsodium could not be initialised: no source of randomness here");
  if (!common.simd.empty() && kernels::named(common.simd) == nullptr) {
    return error(Code::unsupported, "--simd {}: this machine can run {}", common.simd, available_simd());
  }
  const base::ThreadLimit limit(common.threads);
  Result<Answer> answer = action();
  // The loader saves registers on the stack when a library first calls a function, after all wiping too.
  base::zeroize_stack();
  return answer;
}

int report(const Result<Answer>& answer, const Common& common) {
  if (!answer.ok()) {
    std::fprintf(stderr, "obscura: %s\n", answer.error().message.c_str());
    return kExitError;
  }
  if (answer->json.is_null() && answer->text.empty()) return 0;  // another rank answers
  std::string out = common.json ? json_text(answer->json) : answer->text;
  if (!out.empty() && out.back() != '\n') out += '\n';
  const bool written = std::fwrite(out.data(), 1, out.size(), stdout) == out.size() && std::fflush(stdout) == 0;
  if (!written) {
    std::fputs("obscura: standard output could not be written (disk full, or a closed pipe)\n", stderr);
    return kExitError;
  }
  return 0;
}

int run(int argc, char** argv) {
  CLI::App app;
  app.name("obscura");
  app.description(kExplanation);
  app.footer(kFoot);
  app.set_version_flag("--version", "obscura " OBSCURA_VERSION);
  app.require_subcommand(1);
  Common common;
  std::map<const CLI::App*, Action> actions;
  for (const Verb& verb : kVerbs) {
    CLI::App* command = app.add_subcommand(verb.name, verb.summary);
    actions[command] = verb.define(*command, common);
    add_common(*command, common);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& e) {
    return app.exit(e);
  } catch (const CLI::CallForAllHelp& e) {
    return app.exit(e);
  } catch (const CLI::CallForVersion& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    std::fprintf(stderr, "obscura: %s\nSee obscura --help, or obscura VERB --help.\n", e.what());
    return kExitUsage;
  }
  catch_interrupt();
  return report(perform(actions.at(app.get_subcommands().front()), common), common);
}

}  // namespace

}  // namespace obscura::cli

int main(int argc, char** argv) {
  try {
    return obscura::cli::run(argc, argv);
  } catch (const std::bad_alloc&) {
    std::fputs("obscura: out of memory\n", stderr);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "obscura: this is a bug in obscura, please report it: %s\n", e.what());
  }
  return 1;
}
