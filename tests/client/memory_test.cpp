// SPDX-License-Identifier: Apache-2.0
/// What a process that held a secret still has in its memory when the work is done: no seed, no passphrase, no slot.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sodium.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "../flow/tiny_plan.h"
#include "client/client.h"
#include "server/server.h"
#include "wire/plan_frame.h"

namespace obscura::client {
namespace {

namespace fs = std::filesystem;

constexpr std::uint8_t kMask = 0xA5;  // a log of needles may not be found as one
constexpr std::size_t kSeedBytes = 32;
constexpr std::size_t kMaxLogged = 20000;
constexpr char kPassphrase[] = "a passphrase of this test alone";

/// What the child tells its parent, in memory that both have.
struct Shared {
  std::size_t seeds = 0;
  std::uint8_t masked[kMaxLogged][kSeedBytes] = {};
  std::size_t logits = 0;
  std::uint32_t masked_logits[4096] = {};
};
Shared* shared = nullptr;

/// libsodium's randomness, with every seed that it gives in the log.
void log_random(void* out, std::size_t size) {
  const int source = open("/dev/urandom", O_RDONLY);
  if (read(source, out, size) != static_cast<ssize_t>(size)) abort();
  close(source);
  if (size != kSeedBytes || shared->seeds == kMaxLogged) return;
  for (std::size_t k = 0; k < size; ++k) {
    shared->masked[shared->seeds][k] = static_cast<const std::uint8_t*>(out)[k] ^ kMask;
  }
  ++shared->seeds;
}

base::LockedBytes passphrase() {
  base::LockedBytes out(sizeof kPassphrase - 1);
  for (std::size_t k = 0; k < out.size(); ++k) out.span()[k] = static_cast<std::uint8_t>(kPassphrase[k]);
  return out;
}

std::string slurp(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// All that a process can write to of its memory, but what it shares.
std::vector<std::string> memory_of(pid_t process) {
  std::ifstream maps("/proc/" + std::to_string(process) + "/maps");
  const int memory = open(("/proc/" + std::to_string(process) + "/mem").c_str(), O_RDONLY);
  std::vector<std::string> out;
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t first = 0, last = 0;
    char how[8] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %7s", &first, &last, how) != 3) continue;
    if (how[0] != 'r' || how[1] != 'w' || how[3] == 's') continue;
    std::string bytes(last - first, '\0');
    std::size_t got = 0;
    while (got < bytes.size()) {
      const ssize_t more = pread(memory, bytes.data() + got, bytes.size() - got, static_cast<off_t>(first + got));
      if (more <= 0) break;
      got += static_cast<std::size_t>(more);
    }
    bytes.resize(got);
    if (got > 0) out.push_back(std::move(bytes));
  }
  close(memory);
  return out;
}

bool found(const std::vector<std::string>& memory, const std::string& needle) {
  return std::any_of(memory.begin(), memory.end(), [&](const std::string& part) {
    return memmem(part.data(), part.size(), needle.data(), needle.size()) != nullptr;
  });
}

/// Numbers in memory whose float is one of these.
std::size_t count_slots(const std::vector<std::string>& memory, const std::set<std::uint32_t>& logits) {
  std::size_t hits = 0;
  for (const std::string& part : memory) {
    for (std::size_t at = 0; at + sizeof(double) <= part.size(); at += sizeof(double)) {
      double slot = 0;
      std::memcpy(&slot, part.data() + at, sizeof slot);
      if (!(std::abs(slot) > 1e-6 && std::abs(slot) < 1e9)) continue;
      hits += logits.contains(std::bit_cast<std::uint32_t>(static_cast<float>(slot))) ? 1 : 0;
    }
  }
  return hits;
}

class Memory : public ::testing::Test {
 protected:
  Memory() {
    std::string name = fs::temp_directory_path() / "obscura-memory-XXXXXX";
    folder_ = mkdtemp(name.data());
    void* const room = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    shared = new (room) Shared;
  }
  ~Memory() override {
    munmap(shared, sizeof(Shared));
    fs::remove_all(folder_);
  }
  fs::path path(const char* name) const { return folder_ / name; }

  /// Does the work in a child and looks into it while it waits at its end.
  void look_into(const std::function<bool()>& work, const std::function<void(const std::vector<std::string>&)>& look) {
    int up[2], down[2];
    ASSERT_EQ(pipe(up) + pipe(down), 0);
    const pid_t child = fork();
    if (child == 0) {
      randombytes_implementation logging{};
      logging.implementation_name = [] { return "logging"; };
      logging.random = [] { return std::uint32_t{4}; };
      logging.buf = log_random;
      randombytes_set_implementation(&logging);
      char done = work() ? 'y' : 'n';
      (void)!write(up[1], &done, 1);
      (void)!read(down[0], &done, 1);
      _exit(0);
    }
    char done = 0;
    ASSERT_EQ(read(up[0], &done, 1), 1);
    EXPECT_EQ(done, 'y');
    look(memory_of(child));
    ASSERT_EQ(write(down[1], "x", 1), 1);
    waitpid(child, nullptr, 0);
    for (const int end : {up[0], up[1], down[0], down[1]}) close(end);
  }

  /// Neither the secret seed nor one that noise came from; those in files are public.
  void expect_no_seeds(const std::vector<std::string>& memory, std::initializer_list<const char*> files) const {
    ASSERT_FALSE(memory.empty());
    std::vector<std::string> written;
    for (const char* file : files) written.push_back(slurp(path(file)));
    std::size_t secret = 0;
    for (std::size_t k = 0; k < shared->seeds; ++k) {
      std::string seed(kSeedBytes, '\0');
      for (std::size_t i = 0; i < kSeedBytes; ++i) seed[i] = static_cast<char>(shared->masked[k][i] ^ kMask);
      if (found(written, seed)) continue;
      ++secret;
      EXPECT_FALSE(found(memory, seed.substr(0, 16))) << "the first half of seed " << k;
      EXPECT_FALSE(found(memory, seed.substr(16))) << "the second half of seed " << k;
    }
    EXPECT_GT(secret, 0U) << "nothing was looked for";
  }

  /// Any eight bytes of the seed. They are never whole in this process, whose memory the children begin with.
  bool found_secret(const std::vector<std::string>& memory) const {
    constexpr std::size_t kAt = wire::kHeaderBytes + sizeof(wire::KeyName) + 1 + sizeof(base::VerifyKey);
    std::uint8_t seed[kSeedBytes];
    const int file = open(path("secret").c_str(), O_RDONLY);
    EXPECT_EQ(pread(file, seed, sizeof seed, kAt), static_cast<ssize_t>(sizeof seed));
    close(file);
    std::string masked(kSeedBytes, '\0');
    for (std::size_t k = 0; k < kSeedBytes; ++k) masked[k] = static_cast<char>(seed[k] ^ kMask);
    sodium_memzero(seed, sizeof seed);
    const auto same = [](char in_memory, char in_needle) {
      return in_memory == static_cast<char>(static_cast<std::uint8_t>(in_needle) ^ kMask);
    };
    for (std::size_t part = 0; part < kSeedBytes; part += 8) {
      const auto first = masked.begin() + static_cast<std::ptrdiff_t>(part);
      for (const std::string& bytes : memory) {
        if (std::search(bytes.begin(), bytes.end(), first, first + 8, same) != bytes.end()) return true;
      }
    }
    return false;
  }

  fs::path folder_;
};

TEST_F(Memory, HoldsNoSeedPassphraseOrSlotAfterTheWork) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer maps terabytes, and keeps what was freed";
#endif
  const auto write_plans = [&] {
    const base::Bytes plan = wire::write_plan(testing::square_plan());
    return base::write_file(path("plan"), plan, {}).ok() &&
           base::write_file(path("offer"), wire::write_offer(wire::make_offer(wire::read_plan(plan, "p").value())), {})
               .ok();
  };
  ASSERT_TRUE(write_plans());
  const std::size_t images = 50;
  const auto keygen_and_encrypt = [&] {
    const plan::Offer offer = wire::read_offer_file(path("offer")).value();
    KeygenOptions options;
    options.passphrase = [] { return Result<base::LockedBytes>(passphrase()); };
    return keygen(offer, path("sealed"), path("eval2"), options).ok() &&
           keygen(offer, path("secret"), path("eval")).ok() &&
           encrypt(offer, {path("sealed"), options.passphrase}, testing::random_pixels(images), path("in2")).ok() &&
           encrypt(offer, path("secret"), testing::random_pixels(images), path("in")).ok();
  };
  look_into(keygen_and_encrypt, [&](const std::vector<std::string>& memory) {
    expect_no_seeds(memory, {"eval", "eval2", "in", "in2"});
    EXPECT_FALSE(found(memory, kPassphrase));  // but for the constant itself, where nothing can be written
    EXPECT_FALSE(found_secret(memory));
  });
  shared->seeds = 0;
  const auto run = [&] { return server::run(path("plan"), path("eval"), path("in"), path("out")).ok(); };
  look_into(run, [](const std::vector<std::string>&) {});
  const auto decrypt_all = [&] {
    const plan::Offer offer = wire::read_offer_file(path("offer")).value();
    auto logits = decrypt(offer, path("secret"), path("out"), {{}, path("in")});
    if (!logits) return false;
    shared->logits = std::min<std::size_t>(logits->values.size(), 4096);
    for (std::size_t k = 0; k < shared->logits; ++k) {
      shared->masked_logits[k] = std::bit_cast<std::uint32_t>(logits->values[k]) ^ 0xA5A5A5A5U;
    }
    return true;
  };
  look_into(decrypt_all, [&](const std::vector<std::string>& memory) {
    EXPECT_FALSE(found_secret(memory));
    std::set<std::uint32_t> logits;
    for (std::size_t k = 0; k < shared->logits; ++k) logits.insert(shared->masked_logits[k] ^ 0xA5A5A5A5U);
    ASSERT_GT(logits.size(), 100U);
    EXPECT_LT(count_slots(memory, logits), 10U) << "of " << logits.size();
  });
}

}  // namespace
}  // namespace obscura::client
