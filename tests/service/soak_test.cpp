// SPDX-License-Identifier: Apache-2.0
/// Jobs while server, worker and clients are killed at random: of what was accepted nothing is lost.
/// OBSCURA_KILLS sets how often (default 20; the figure of docs/SERVICE.md is of 200).
#include <signal.h>

#include <fstream>
#include <random>

#include "process.h"
#include "service/exchanges.h"
#include "service/tables.h"
#include "service_fixture.h"
#include "wire/eval_keys.h"
#include "wire/whole.h"

namespace obscura::service {
namespace {

class Soak : public ServiceTest {
 protected:
  static int kills() {
    const char* told = std::getenv("OBSCURA_KILLS");
    return told == nullptr ? 20 : std::atoi(told);
  }
  static Result<http::Reply> ask(std::uint16_t port, const std::string& method, const std::string& target,
                                 const Body* body = nullptr, std::uint64_t most = ~std::uint64_t{0}) {
    http::Call call;
    call.method = method;
    call.target = target;
    call.max_answer = std::uint64_t{1} << 30;
    if (body != nullptr) {
      call.headers = body->headers;
      call.headers["Prefer"] = "respond-async";
      const base::ByteView bytes = base::as_bytes(body->bytes);
      call.body.assign(bytes.begin(), bytes.end());
    }
    call.progress = [most](std::size_t done, std::size_t) { return done < most; };
    return http::send({"127.0.0.1", std::to_string(port)}, std::move(call));
  }
};

TEST_F(Soak, NoAcceptedJobIsLostWhateverIsKilled) {
  std::ofstream(folder_ / "plans/server.toml") << "[tenants]\nqueued_jobs = 100000\n[jobs]\nattempts = 100\n";
  start();
  const std::vector<float> pixels = testing::random_pixels(2048 * 2);
  const Body body = encrypted("alice", "quartic", testing::quartic_plan(), pixels);
  const auto wanted = expected(testing::quartic_plan(), pixels);
  stop();
  std::optional<Process> server(std::in_place, folder_ / "plans", 0);
  const std::uint16_t port = server->port();
  ASSERT_GT(port, 0);
  std::mt19937 random(7);
  std::vector<std::string> accepted;
  int killed[3] = {0, 0, 0};
  for (int k = 0; k < kills();) {
    const auto what = random() % 3;
    if (what == 2) {  // a client, in the middle of its images
      static_cast<void>(ask(port, "POST", "/v2/models/quartic/infer", &body, random() % body.bytes.size()));
      ++killed[2], ++k;
    }
    for (auto n = random() % 3; n > 0; --n) {
      const auto reply = ask(port, "POST", "/v2/models/quartic/infer", &body);
      if (reply && reply->status == 202) accepted.push_back(reply->headers.at("location"));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 300));
    if (what == 0) {
      server->kill(SIGKILL);
      server.emplace(folder_ / "plans", port);
      ASSERT_EQ(server->port(), port) << "it starts again";
      ++killed[0], ++k;
    } else if (what == 1) {
      for (const pid_t worker : server->children()) {
        ::kill(worker, SIGKILL);
        ++killed[1], ++k;
        break;
      }
    }
  }
  for (const std::string& job : accepted) {
    http::Reply reply;
    for (int tries = 0; tries < 6000; ++tries) {
      reply = ask(port, "GET", job + "/result").value();
      if (reply.status != 202) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    ASSERT_EQ(reply.status, 200U) << job << ": " << text(reply);
    const auto logits = logits_of(body, reply);
    ASSERT_EQ(logits.size(), wanted.size());
    EXPECT_NEAR(logits[0], wanted[0], 1e-2);
    EXPECT_NEAR(logits.back(), wanted.back(), 1e-2);
    EXPECT_EQ(ask(port, "DELETE", job)->status, 200U);
  }
  server->kill(SIGTERM);
  EXPECT_TRUE(fs::is_empty(folder_ / "plans/state/jobs"));
  EXPECT_TRUE(nothing_incoming());
  const auto sound = Database::open(folder_ / "plans/state/service.db", sqlite_tables())->run("PRAGMA integrity_check");
  EXPECT_EQ(service::text(sound->at(0).at(0)), "ok");
  std::printf("%zu jobs accepted and answered; killed: %d servers, %d workers, %d clients\n", accepted.size(),
              killed[0], killed[1], killed[2]);
}

/// Keys of 2 GB as a file has them, made piece by piece: a header, and key frames of pseudo-random bytes.
class LargeKeys {
 public:
  static constexpr std::uint64_t kKeys = 256, kWords = std::uint64_t{1} << 20;
  LargeKeys() {
    wire::EvalKeysHeader header;
    header.log2_degree = 13;
    header.chain = 4;
    header.special = 1;
    header.digit_limbs = 1;
    for (std::uint64_t k = 0; k < kKeys; ++k) header.galois.push_back({2 * k + 3, 4});
    header_ = wire::write_keys_header(header);
    frame_bytes_ = frame(0).size();
  }
  std::uint64_t size() const { return header_.size() + kKeys * frame_bytes_; }
  /// The bytes from there on.
  void read(std::uint64_t at, std::span<std::byte> out) {
    for (std::size_t filled = 0; filled < out.size();) {
      const bool head = at < header_.size();
      const std::uint64_t inside = head ? at : (at - header_.size()) % frame_bytes_;
      if (!head && (at - header_.size()) / frame_bytes_ != number_) {
        number_ = (at - header_.size()) / frame_bytes_;
        now_ = frame(number_);
      }
      const base::Bytes& from = head ? header_ : now_;
      const std::size_t some = std::min<std::uint64_t>(out.size() - filled, from.size() - inside);
      std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(inside), some,
                  out.begin() + static_cast<std::ptrdiff_t>(filled));
      filled += some;
      at += some;
    }
  }

 private:
  static base::Bytes frame(std::uint64_t number) {
    std::mt19937_64 random(number);
    base::Writer w;
    w.reserve(8 * kWords);
    w.u64(number);
    for (std::uint64_t i = 1; i < kWords; ++i) w.u64(random());
    return wire::make_frame(wire::Kind::key, w.bytes());
  }
  base::Bytes header_, now_;
  std::uint64_t frame_bytes_ = 0, number_ = ~std::uint64_t{0};
};

/// The status of an upload from `first` on that breaks off after `until`; 0: it did.
unsigned send_rest(LargeKeys& keys, std::uint64_t first, std::uint64_t until, std::uint16_t port) {
  http::Call call;
  call.method = "PUT";
  if (first > 0) call.headers["Content-Range"] = fmt::format("bytes {}-{}/{}", first, keys.size() - 1, keys.size());
  call.more_bytes = keys.size() - first;
  call.more = [&keys, at = first, until](std::span<std::byte> piece) mutable -> Result<void> {
    if (at >= until) return error(Code::cancelled, "broken off");
    keys.read(at, piece);
    at += piece.size();
    return {};
  };
  const auto reply = http::send({"127.0.0.1", std::to_string(port)}, std::move(call));
  return reply ? reply->status : 0;
}

TEST_F(Soak, KeysOfTwoGigabytesComeInBoundedMemoryHoweverOftenTheyBreakOff) {
  const Place place = Place::open(folder_ / "large").value();
  const Store store = Store::open(place.database()).value();
  const std::map<std::string, Model> models;
  const auto jobs = Jobs::open(store, place, models, {OBSCURA_SERVER, 0, {}}, {}).value();
  const auto server = http::Server::start({}, [&](const http::Head& head) {
    return take_key({store, place, *jobs, "local", "k", std::uint64_t{3} << 30, 0}, head);
  });
  LargeKeys keys;
  ASSERT_GT(keys.size(), std::uint64_t{2'000'000'000});
  const std::uint64_t before = resident();
  std::atomic<std::uint64_t> most{before};
  std::atomic<bool> over{false};
  std::thread watcher([&] {
    for (; !over; std::this_thread::sleep_for(std::chrono::milliseconds(5))) most = std::max(most.load(), resident());
  });
  constexpr int kBreaks = 10;
  unsigned status = 0;
  for (int k = 0; k <= kBreaks; ++k) {
    const std::uint64_t until = k == kBreaks ? keys.size() : keys.size() * static_cast<unsigned>(k + 1) / 11;
    // 409: the server has not noticed yet that the connection before broke off.
    for (int tries = 0; tries < 200; ++tries) {
      status = send_rest(keys, received(place, "local", "k"), until, server->port());
      if (status != 409) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    if (k < kBreaks) {
      EXPECT_EQ(status, 0U) << "it broke off";
    }
  }
  over = true;
  watcher.join();
  EXPECT_EQ(status, 201U);
  EXPECT_EQ(fs::file_size(place.key("local", "k")), keys.size());
  EXPECT_TRUE(wire::check_whole(place.key("local", "k")).ok()) << "each frame's digest, and their number";
  std::printf("%.2f GB of keys, broken %d times: %.1f MB of growth, client and server together\n",
              static_cast<double>(keys.size()) / 1e9, kBreaks, static_cast<double>(most - before) / 1e6);
  EXPECT_LT(most - before, std::uint64_t{64'000'000});
}

}  // namespace
}  // namespace obscura::service
