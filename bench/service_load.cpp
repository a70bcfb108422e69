// SPDX-License-Identifier: Apache-2.0
// service_load PLAN [CLIENTS [REQUESTS [MEMORY_GB [BAD]]]]: clients with keys of their own ask a service on loopback
// for one image each time; BAD others send a byte a second, break off, or send garbage meanwhile. Prints what was
// answered, times, and the largest memory of the worker. With a URL in place of PLAN, a service that runs there already
// and has the model `model`.
//
//   obscura compile models/mnist-square.onnx --batch 1 --calibrate mnist -o one.plan
//   build/release/service_load one.plan 100 1000 2
#include <arpa/inet.h>
#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>  // mkdtemp
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <mutex>
#include <random>
#include <thread>

#include "remote/remote.h"
#include "service/service.h"

namespace {

using namespace obscura;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double peak_gigabytes(const std::string& process) {
  std::ifstream status("/proc/" + process + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmHWM:", 0) == 0) return std::stod(line.substr(6)) * 1024e-9;
  }
  return 0;
}

/// Until `stop`: connections that are no good.
void misbehave(std::uint16_t port, unsigned seed, const std::atomic<bool>& stop) {
  std::mt19937 random(seed);
  while (!stop) {
    const int s = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(s, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) {
      std::string text = "PUT /v2/keys/slow HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n";
      if (seed % 3 == 0) std::generate(text.begin(), text.end(), [&] { return static_cast<char>(random()); });
      const auto sent = ::send(s, text.data(), text.size(), MSG_NOSIGNAL);
      for (int k = 0; seed % 3 == 1 && sent > 0 && k < 20 && !stop; ++k) {
        static_cast<void>(::send(s, "x", 1, MSG_NOSIGNAL));
        std::this_thread::sleep_for(std::chrono::seconds(1));
      }
    }
    ::close(s);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

int run(const std::string& served, int clients, int requests, double memory, int bad) {
  std::string name = fs::temp_directory_path() / "obscura-load-XXXXXX";
  const fs::path folder = mkdtemp(name.data());
  const bool elsewhere = served.rfind("http", 0) == 0;
  service::ServiceOptions options;
  options.worker = OBSCURA_SERVER;
  options.memory = static_cast<std::uint64_t>(memory * 1e9);
  options.jobs.queued = clients + 1;
  std::optional<service::Service> service;
  std::optional<http::Server> server;
  if (!elsewhere) {
    fs::create_directories(folder / "plans");
    fs::copy_file(served, folder / "plans/model.plan");
    service.emplace(service::Service::open(folder / "plans", options).value());
    server.emplace(http::Server::start({}, service->route()).value());
  }
  const std::string url = elsewhere ? served : fmt::format("http://127.0.0.1:{}", server->port());
  std::mutex mutex;
  std::vector<double> seconds;
  std::atomic<int> wrong{0}, next{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads, bad_ones;
  for (int k = 0; k < bad; ++k) {
    if (server) bad_ones.emplace_back([&, k] { misbehave(server->port(), static_cast<unsigned>(k), stop); });
  }
  const auto start = Clock::now();
  for (int c = 0; c < clients; ++c) {
    threads.emplace_back([&, c] {
      remote::RemoteOptions how;
      how.folder = folder / fmt::format("client{}", c);
      auto client = remote::RemoteClient::connect(url, "model", how);
      if (!client) {
        ++wrong;
        return;
      }
      const plan::Offer& offer = client->offer();
      std::vector<float> pixels(offer.input.channels * offer.input.height * offer.input.width);
      std::mt19937 random(static_cast<unsigned>(c));
      for (float& p : pixels) p = static_cast<float>(random() % 256) / 255;
      const auto images = client::images_in(pixels, offer.input).value();
      std::vector<float> first;
      while (next++ < requests) {
        const auto begun = Clock::now();
        const auto logits = client->classify(images);
        const double took = std::chrono::duration<double>(Clock::now() - begun).count();
        // Of one client every answer is that of the same image.
        const bool right =
            logits.ok() && (first.empty() || std::equal(first.begin(), first.end(), logits->values.begin(),
                                                        [](float a, float b) { return std::abs(a - b) < 0.05F; }));
        if (!right) {
          ++wrong;
          if (!logits.ok()) fmt::print(stderr, "{}\n", logits.error().message);
        } else if (first.empty()) {
          first = logits->values;
        }
        const std::lock_guard lock(mutex);
        seconds.push_back(took);
      }
    });
  }
  for (std::thread& one : threads) one.join();
  const double all = std::chrono::duration<double>(Clock::now() - start).count();
  stop = true;
  for (std::thread& one : bad_ones) one.join();
  std::sort(seconds.begin(), seconds.end());
  const auto at = [&](double part) {
    return seconds[static_cast<std::size_t>(part * static_cast<double>(seconds.size() - 1))];
  };
  fmt::print("{} requests of {} clients in {:.1f} s, {} wrong; p50 {:.2f} s, p99 {:.2f} s", seconds.size(), clients,
             all, wrong.load(), at(0.5), at(0.99));
  if (service) {
    fmt::print("; largest memory: worker {:.2f} GB", peak_gigabytes(std::to_string(service->worker_process())));
  }
  fmt::print("\n");
  server.reset();
  service.reset();
  fs::remove_all(folder);
  return wrong == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "service_load PLAN|URL [CLIENTS [REQUESTS [MEMORY_GB [BAD]]]]\n");
    return 2;
  }
  const auto number = [&](int i, double otherwise) { return argc > i ? std::stod(argv[i]) : otherwise; };
  return run(argv[1], static_cast<int>(number(2, 100)), static_cast<int>(number(3, 1000)), number(4, 2),
             static_cast<int>(number(5, 0)));
}
