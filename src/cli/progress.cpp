// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

namespace obscura::cli {
namespace {

// Written by the signal handler, which may touch nothing else.
volatile std::sig_atomic_t interrupt_seen = 0;

volatile std::sig_atomic_t impatient = 0;

void on_deadline(int) {
  constexpr char kSentence[] = "\nobscura: stopped\n";
  (void)!write(STDERR_FILENO, kSentence, sizeof kSentence - 1);
  _exit(1);
}

void on_interrupt(int) {
  interrupt_seen = 1;
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
  if (impatient == 0) return;
  std::signal(SIGALRM, on_deadline);
  const itimerval soon{{0, 0}, {0, 700'000}};
  setitimer(ITIMER_REAL, &soon, nullptr);
}

std::size_t terminal_columns() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

std::string clock_text(double seconds) {
  const long whole = std::lround(seconds);
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace

std::function<bool(const std::string&, std::size_t, std::size_t)> progress_bars() {
  struct Bars {
    std::string now;
    std::optional<ProgressBar> bar;
  };
  return [bars = std::make_shared<Bars>()](const std::string& what, std::size_t done, std::size_t total) {
    if (!bars->bar || what != bars->now) bars->bar.emplace(bars->now = what);
    const bool go_on = bars->bar->callback()(done, total);
    if (done == total) bars->bar.reset();  // what comes next may have a bar of its own
    return go_on;
  };
}

std::string progress_line(const std::string& title, std::size_t done, std::size_t total, double elapsed_seconds,
                          std::size_t columns) {
  const double share =
      total == 0 ? 0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(std::max<std::size_t>(total, 1)));
  // An estimate from the first percent would jump about.
  const std::string eta =
      share < 0.01 ? std::string("ETA -:--") : "ETA " + clock_text(elapsed_seconds * (1 - share) / share);
  const std::string tail = fmt::format("{:3.0f} %  {}", share * 100, eta);
  const std::size_t fixed = title.size() + tail.size() + 6;
  if (columns < fixed + 10) return fmt::format("{}  {}", title, tail).substr(0, columns);
  const std::size_t width = std::min<std::size_t>(columns - fixed - 1, 40);
  const auto full = static_cast<std::size_t>(share * static_cast<double>(width));
  return fmt::format("{}  [{}{}]  {}", title, std::string(full, '='), std::string(width - full, ' '), tail);
}

ProgressBar::ProgressBar(std::string title)
    : title_(std::move(title)), terminal_(isatty(STDERR_FILENO) != 0), start_(std::chrono::steady_clock::now()) {}

ProgressBar::~ProgressBar() {
  if (drawn_) std::fputs("\r\x1b[K", stderr);
}

double ProgressBar::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

base::Progress ProgressBar::callback() {
  return [this](std::size_t done, std::size_t total) {
    draw(done, total);
    return !interrupted();
  };
}

void ProgressBar::draw(std::size_t done, std::size_t total) {
  const auto now = std::chrono::steady_clock::now();
  if (!terminal_ || (drawn_ && now - last_ < std::chrono::milliseconds(100))) return;
  last_ = now;
  drawn_ = true;
  std::fprintf(stderr, "\r%s\x1b[K", progress_line(title_, done, total, seconds(), terminal_columns()).c_str());
  std::fflush(stderr);
}

void note(const std::string& line, bool json) {
  std::FILE* const to = json ? stderr : stdout;
  std::fprintf(to, "%s\n", line.c_str());
  std::fflush(to);
}

void catch_interrupt() {
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
}

void end_within_a_second() { impatient = 1; }

bool interrupted() { return interrupt_seen != 0; }

}  // namespace obscura::cli
