// SPDX-License-Identifier: Apache-2.0
/// What somebody else wrote, and what happens at the wrong moment: costly offers, signals, pipes, signatures.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <chrono>
#include <csignal>
#include <random>
#include <set>
#include <thread>

#include "../flow/tiny_plan.h"
#include "client/secret_file.h"
#include "program.h"
#include "wire/plan_frame.h"

namespace obscura::cli {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr milliseconds kASecond{1000};

/// Of the machine when it does other things too.
constexpr milliseconds kPatience{400};

class Hostile : public ProgramTest {
 protected:
  /// Of a plan whose output is its input, on a ring of these primes of 50 bits, with so many rotation keys.
  void write_offer(const std::string& name, int log2_degree, std::size_t chain, std::int64_t rotations) const {
    auto primes = ckks::make_primes(log2_degree, 50, chain + 1, {}).value();
    ckks::ParamsLiteral params{log2_degree, {primes.begin() + 1, primes.end()}, {primes.front()}, 1};
    plan::Plan plan = testing::plan_head("mirror", params, 0x1p30);
    plan.output = {plan.input.elements(), plan.input.limbs, plan.input.scale, 0x1p-20, 0x1p-20, plan.input.layout};
    plan.keys.relinearization = true;
    for (std::int64_t step = 1; step <= rotations; ++step) {
      plan.keys.rotations[step] = static_cast<std::uint32_t>(chain);
    }
    write(name, wire::write_offer(plan::make_offer(plan, {})));
  }

  pid_t start(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), OBSCURA_BINARY_DIR "/obscura");
    const pid_t child = fork();
    if (child == 0) {
      std::vector<char*> pointers;
      for (std::string& argument : arguments) pointers.push_back(argument.data());
      pointers.push_back(nullptr);
      if (chdir(folder_.c_str()) == 0 && std::freopen("/dev/null", "w", stdout) != nullptr &&
          std::freopen(path(".err").c_str(), "w", stderr) != nullptr) {
        execv(pointers.front(), pointers.data());
      }
      _exit(127);
    }
    return child;
  }

  std::set<std::string> files() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) names.insert(entry.path().filename());
    names.erase(".err");
    names.erase(".out");
    return names;
  }
};

TEST_F(Hostile, ASmallOfferOfManyKeysIsOneSentenceBeforeMemoryIsTaken) {
  write_offer("big.offer", 17, 68, 4);
  EXPECT_LT(std::filesystem::file_size(path("big.offer")), 1500U);
  const auto begin = std::chrono::steady_clock::now();
  const pid_t child = start({"keygen", "big.offer", "--secret", "s", "--eval", "e"});
  int status = 0;
  rusage used{};
  wait4(child, &status, 0, &used);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, kASecond + kPatience);
  EXPECT_EQ(WEXITSTATUS(status), 1);
  EXPECT_LT(used.ru_maxrss, 200'000) << "kilobytes";
  EXPECT_THAT(slurp(path(".err")),
              AllOf(HasSubstr("5 keys of"), HasSubstr("4.0 GB of keys are allowed"), HasSubstr("--max-keys")));
  EXPECT_EQ(files(), std::set<std::string>{"big.offer"});
}

TEST_F(Hostile, KeygenTellsWhatItTakesAndKeepsToALimit) {
  write_offer("small.offer", 13, 3, 2);
  refused({"keygen", "small.offer", "--secret", "s", "--eval", "e", "--max-keys", "100kB"}, {"3 keys", "--max-keys"},
          "s");
  const auto made = good({"keygen", "small.offer", "--secret", "s", "--eval", "e", "--json"}).json();
  EXPECT_EQ(made.at("keys"), 3);
  EXPECT_EQ(made.at("predicted_bytes"), made.at("eval_bytes"));
}

TEST_F(Hostile, CtrlCAndTermEndKeygenWithinASecondAtEveryStage) {
  write_offer("slow.offer", 17, 30, 40);
  for (const int signal : {SIGINT, SIGTERM}) {
    for (const int wait : {30, 300, 900}) {
      const pid_t child = start({"keygen", "slow.offer", "--secret", "s", "--eval", "e", "--max-keys", "100GB"});
      std::this_thread::sleep_for(milliseconds(wait));
      const auto begin = std::chrono::steady_clock::now();
      kill(child, signal);
      int status = 0;
      waitpid(child, &status, 0);
      EXPECT_LT(std::chrono::steady_clock::now() - begin, kASecond + kPatience) << signal << " after " << wait;
      EXPECT_FALSE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "it was done before the signal";
      EXPECT_EQ(files(), std::set<std::string>{"slow.offer"}) << signal << " after " << wait;
    }
  }
}

TEST_F(Hostile, NoFileHoldsAPartOfASecretAfterAKill) {
  write_offer("net.offer", 12, 1, 12);
  const auto begin = std::chrono::steady_clock::now();
  good({"keygen", "net.offer", "--secret", "s", "--eval", "e"});
  const auto whole = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin);
  const auto eval_bytes = std::filesystem::file_size(path("e"));
  std::mt19937 random(200);
  int ended = 0, with_secret = 0;
  for (int k = 0; k < 200; ++k) {
    std::filesystem::remove(path("s"));
    std::filesystem::remove(path("e"));
    const pid_t child = start({"keygen", "net.offer", "--secret", "s", "--eval", "e"});
    std::this_thread::sleep_for(std::chrono::microseconds(random() % static_cast<unsigned>(whole.count() * 5 / 4)));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    ended += WIFEXITED(status) ? 1 : 0;
    const auto left = files();
    for (const std::string& name : left) EXPECT_TRUE(name == "net.offer" || name == "s" || name == "e") << name;
    if (left.contains("e")) {
      EXPECT_EQ(std::filesystem::file_size(path("e")), eval_bytes);
    }
    if (!left.contains("s")) continue;
    ++with_secret;
    EXPECT_TRUE(left.contains("e"));
    EXPECT_TRUE(client::read_secret_file(path("s")).ok()) << "a part of a secret";
  }
  EXPECT_LT(ended, 190) << "too few were killed at work";
  EXPECT_GE(with_secret, ended);
}

TEST_F(Hostile, PipesAndDevicesAreNoFiles) {
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  write_offer("net.offer", 12, 1, 0);
  for (const std::string& file : {std::string("pipe"), std::string("/dev/zero"), std::string(".")}) {
    refused({"keygen", file, "--secret", "s", "--eval", "e"}, {"not a regular file"}, "s");
    refused({"inspect", file}, {"not a regular file"});
    refused({"compile", file, "-o", "x.plan"}, {"not a regular file"}, "x.plan");
    refused({"encrypt", "net.offer", "--secret", file, "x.png", "-o", "in"}, {}, "in");
  }
}

TEST_F(Hostile, OnlyWhatTheTrustedServerSignedIsTaken) {
  write_data_set();
  write_network();
  good({"signkey", "--secret", "server.key", "--public", "server.trust"});
  good({"signkey", "--secret", "other.key", "--public", "other.trust"});
  struct stat info {};
  ASSERT_EQ(stat(path("server.key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  good({"compile", "net.onnx", "--batch", "8", "-o", "net.plan"});
  good({"offer", "net.plan", "-o", "plain.offer"});
  good({"offer", "net.plan", "-o", "signed.offer", "--sign", "server.key"});
  good({"offer", "net.plan", "-o", "other.offer", "--sign", "other.key"});
  const auto keygen = [](const std::string& offer) {
    return std::vector<std::string>{"keygen", offer, "--secret", "s", "--eval", "e", "--trust", "server.trust"};
  };
  refused(keygen("plain.offer"), {"not signed"}, "s");
  refused(keygen("other.offer"), {"signed by"}, "s");
  std::string forged = slurp(path("signed.offer"));
  forged[forged.size() - 40] = static_cast<char>(forged[forged.size() - 40] ^ 1);
  write("forged.offer", forged);
  refused({"inspect", "forged.offer"}, {"damaged"});
  good(keygen("signed.offer"));
  EXPECT_THAT(good({"inspect", "signed.offer"}).out, HasSubstr("signed by"));
  // The key remembers whom it trusts.
  const std::string images = "data/mnist/t10k-images-idx3-ubyte:0:3";
  refused({"encrypt", "plain.offer", "--secret", "s", images, "-o", "in"}, {"the offer: not signed"}, "in");
  good({"encrypt", "signed.offer", "--secret", "s", images, "-o", "in"});
  good({"run", "net.plan", "--eval", "e", "in", "-o", "plain.out"});
  good({"run", "net.plan", "--eval", "e", "in", "-o", "signed.out", "--sign", "server.key"});
  refused({"decrypt", "signed.offer", "--secret", "s", "plain.out"}, {"plain.out: not signed"});
  EXPECT_THAT(good({"decrypt", "signed.offer", "--secret", "s", "signed.out", "--request", "in"}).out,
              HasSubstr("2 2 "));
}

TEST_F(Hostile, AnAnswerToAnotherRequestIsRefused) {
  write_data_set();
  write_network();
  good({"compile", "net.onnx", "--batch", "8", "-o", "net.plan"});
  good({"offer", "net.plan", "-o", "o"});
  good({"keygen", "o", "--secret", "s", "--eval", "e"});
  for (const std::string& name : {std::string("one"), std::string("two")}) {
    good({"encrypt", "o", "--secret", "s", "data/mnist/t10k-images-idx3-ubyte:0:3", "-o", name + ".in"});
    good({"run", "net.plan", "--eval", "e", name + ".in", "-o", name + ".out"});
  }
  good({"decrypt", "o", "--secret", "s", "one.out", "--request", "one.in"});
  refused({"decrypt", "o", "--secret", "s", "two.out", "--request", "one.in"}, {"answers request"});
}

TEST_F(Hostile, ASecretKeyHasAPassphraseOrNobodyElseReadsIt) {
  write_offer("net.offer", 12, 1, 0);
  write("words", std::string("correct horse\n"));
  refused({"keygen", "net.offer", "--secret", "s", "--eval", "e", "--passphrase-file", "words"}, {"chmod 600"}, "s");
  std::filesystem::permissions(path("words"), std::filesystem::perms::owner_read);
  good({"keygen", "net.offer", "--secret", "s", "--eval", "e", "--passphrase-file", "words"});
  write("image.npy", std::string("no image"));
  const std::vector<std::string> encrypt{"encrypt", "net.offer", "--secret", "s", "one.png", "-o", "in"};
  const auto with = [&](const std::string& file) {
    auto all = encrypt;
    all.insert(all.end(), {"--passphrase-file", file});
    return all;
  };
  write_png("one.png", 1);
  good(with("words"));
  std::filesystem::remove(path("in"));
  write("wrong", std::string("correct horsf\n"));
  std::filesystem::permissions(path("wrong"), std::filesystem::perms::owner_read);
  refused(with("wrong"), {"s: not opened"}, "in");
  std::filesystem::permissions(path("s"), std::filesystem::perms::owner_read | std::filesystem::perms::group_read);
  refused(with("words"), {"chmod 600"}, "in");
}

}  // namespace
}  // namespace obscura::cli
