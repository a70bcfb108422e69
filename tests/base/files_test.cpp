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
  static std::string text(const fs::path& path) {
    const auto bytes = read_file(path, 1000);
    return bytes.ok() ? std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size()) : "";
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

constexpr OutputFile::Options kResumable{.overwrite = false, .secret = false, .resumable = true};

TEST_F(Files, AResumableOutputStaysOnlyOnceItIsKept) {
  const fs::path path = folder_ / "x";
  {
    auto file = OutputFile::create(path, kResumable);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->write(as_bytes("lost")).ok());
  }
  EXPECT_EQ(entries(), 0U);
  {
    auto file = OutputFile::create(path, kResumable);
    ASSERT_TRUE(file->write(as_bytes("kept")).ok());
    ASSERT_TRUE(file->keep().ok());
    ASSERT_TRUE(file->write(as_bytes("torn")).ok());
  }
  EXPECT_FALSE(fs::exists(path));
  EXPECT_FALSE(OutputFile::create(path, kResumable).ok()) << "the partial file is not replaced";
  {
    auto file = OutputFile::resume(path, 4, kResumable);
    ASSERT_TRUE(file.ok()) << file.error().message;
    ASSERT_TRUE(file->write(as_bytes(" and more")).ok());
    ASSERT_TRUE(file->commit().ok());
  }
  EXPECT_EQ(text(path), "kept and more");
  EXPECT_EQ(entries(), 1U);
}

TEST_F(Files, APartialFileHasOneWriterAtATime) {
  const fs::path path = folder_ / "x";
  auto first = OutputFile::create(path, kResumable);
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(first->write(as_bytes("1234")).ok());
  const auto second = OutputFile::resume(path, 2, kResumable);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::busy);
  OutputFile::Options restart = kResumable;
  restart.restart = true;
  EXPECT_EQ(OutputFile::create(path, restart).error().code, Code::busy);
  EXPECT_EQ(read_file(partial_of(path), 100)->size(), 4U) << "and nobody cut it";
}

TEST_F(Files, ResumingNeedsARegularFileOfAtLeastThatSize) {
  const fs::path path = folder_ / "x";
  EXPECT_FALSE(OutputFile::resume(path, 0, kResumable).ok()) << "absent";
  ASSERT_TRUE(write_file(partial_of(path), as_bytes("1234"), {}).ok());
  EXPECT_FALSE(OutputFile::resume(path, 5, kResumable).ok());
  EXPECT_EQ(read_file(partial_of(path), 100)->size(), 4U) << "a refusal changes nothing";
  fs::rename(partial_of(path), folder_ / "elsewhere");
  fs::create_symlink(folder_ / "elsewhere", partial_of(path));
  EXPECT_FALSE(OutputFile::resume(path, 0, kResumable).ok()) << "a link";
  EXPECT_EQ(read_file(folder_ / "elsewhere", 100)->size(), 4U);
}

TEST_F(Files, RestartingTakesOverAPartialFileEmpty) {
  const fs::path path = folder_ / "x";
  ASSERT_TRUE(write_file(partial_of(path), as_bytes("old"), {}).ok());
  OutputFile::Options restart = kResumable;
  restart.restart = true;
  {
    auto file = OutputFile::create(path, restart);
    ASSERT_TRUE(file.ok()) << file.error().message;
    ASSERT_TRUE(file->write(as_bytes("new!")).ok());
    ASSERT_TRUE(file->commit().ok());
  }
  EXPECT_EQ(text(path), "new!");
  EXPECT_EQ(entries(), 1U);
}

TEST_F(Files, ReadingGoesOnWhereItIsSentTo) {
  ASSERT_TRUE(write_file(folder_ / "x", as_bytes("012345"), {}).ok());
  auto file = InputFile::open(folder_ / "x");
  Bytes two(2);
  ASSERT_TRUE(file->seek(4).ok());
  ASSERT_TRUE(file->read(two).ok());
  EXPECT_EQ(two[0], std::byte{'4'});
  EXPECT_EQ(file->remaining(), 0U);
  ASSERT_TRUE(file->seek(1).ok());
  ASSERT_TRUE(file->read(two).ok());
  EXPECT_EQ(two[1], std::byte{'2'});
  EXPECT_FALSE(file->seek(7).ok());
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
