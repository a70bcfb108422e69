// SPDX-License-Identifier: Apache-2.0
/// A folder that lives as long as its test, and small idx files in it.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/files.h"

namespace obscura::data {

class Scratch : public ::testing::Test {
 protected:
  Scratch() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() / fmt::format("obscura-{}-{}", test->name(), getpid());
    std::filesystem::create_directories(folder_);
  }
  ~Scratch() override { std::filesystem::remove_all(folder_); }

  static void big_endian(base::Bytes& out, std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::byte>(value >> shift & 0xFF));
  }
  /// The magic, the sizes, then `bytes` bytes counting up from 0.
  static base::Bytes idx(std::uint32_t magic, const std::vector<std::uint32_t>& sizes, std::size_t bytes) {
    base::Bytes out;
    big_endian(out, magic);
    for (const std::uint32_t size : sizes) big_endian(out, size);
    for (std::size_t i = 0; i < bytes; ++i) out.push_back(static_cast<std::byte>(i & 0xFF));
    return out;
  }
  std::filesystem::path file(const std::string& name, base::ByteView bytes) const {
    const std::filesystem::path path = folder_ / name;
    std::filesystem::create_directories(path.parent_path());
    EXPECT_TRUE(base::write_file(path, bytes, {.overwrite = true, .secret = false}).ok());
    return path;
  }

  std::filesystem::path folder_;
};

}  // namespace obscura::data
