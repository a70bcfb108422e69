// SPDX-License-Identifier: Apache-2.0
#include "base/files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>

namespace obscura::base {
namespace {

namespace fs = std::filesystem;

class Files : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / fs::path("obscura-files-XXXXXX");
    std::string name = folder_.string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  fs::path folder_;
};

TEST_F(Files, OutputAppearsOnlyOnCommit) {
  const fs::path path = folder_ / "x.plan";
  {
    auto file = OutputFile::create(path, {});
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->write(as_bytes("half")).ok());
    EXPECT_FALSE(fs::exists(path));
  }
  EXPECT_EQ(entries(), 0U);
  ASSERT_TRUE(write_file(path, as_bytes("whole"), {}).ok());
  const auto bytes = read_file(path, 5);
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(bytes->size(), 5U);
  EXPECT_EQ(entries(), 1U);
}

TEST_F(Files, AnExistingOutputIsRefusedEvenIfItAppearsLate) {
  const fs::path path = folder_ / "x";
  auto late = OutputFile::create(path, {});
  ASSERT_TRUE(late.ok());
  ASSERT_TRUE(write_file(path, as_bytes("first"), {}).ok());
  const auto again = write_file(path, as_bytes("second"), {});
  ASSERT_FALSE(again.ok());
  EXPECT_NE(again.error().message.find("exists already"), std::string::npos);
  EXPECT_FALSE(late->commit().ok());
  EXPECT_EQ(entries(), 1U);
  EXPECT_EQ(read_file(path, 100)->size(), 5U);
}

TEST_F(Files, SecretsAreReadableByTheirOwnerOnly) {
  ASSERT_TRUE(write_file(folder_ / "s", as_bytes("key"), {.overwrite = false, .secret = true}).ok());
  EXPECT_EQ(fs::status(folder_ / "s").permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(Files, AFullDiskIsOneErrorAndLeavesNothing) {
  // A file size limit fails a write as a full disk does; the signal that would kill the process is ignored.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{1024, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto result = write_file(folder_ / "big", Bytes(1 << 16), {});
  setrlimit(RLIMIT_FSIZE, &before);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::io);
  EXPECT_EQ(entries(), 0U);
}

TEST_F(Files, ReadingIsBoundedAndTruncationIsNamed) {
  ASSERT_TRUE(write_file(folder_ / "x", as_bytes("12345"), {}).ok());
  EXPECT_FALSE(read_file(folder_ / "x", 4).ok());
  EXPECT_FALSE(read_file(folder_, 4).ok());
  EXPECT_FALSE(read_file(folder_ / "absent", 4).ok());
  auto file = InputFile::open(folder_ / "x");
  ASSERT_TRUE(file.ok());
  Bytes six(6);
  const auto result = file->read(six);
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.error().message.find("truncated"), std::string::npos);
}

}  // namespace
}  // namespace obscura::base
