// SPDX-License-Identifier: Apache-2.0
/// Replays a fuzzing corpus through the entry that libFuzzer calls. Built once for each target, with its entry.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>

#include "base/files.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace obscura {
namespace {

TEST(OBSCURA_SUITE, EveryInputIsReadOrRefused) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(OBSCURA_CORPUS)) files.push_back(entry.path());
  ASSERT_FALSE(files.empty()) << OBSCURA_CORPUS;
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    const base::Bytes bytes = base::read_file(file, 1U << 20).value();
    EXPECT_NO_THROW(LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()))
        << file.filename();
  }
}

TEST(OBSCURA_SUITE, CutInputsAreReadOrRefused) {
  for (const auto& entry : std::filesystem::directory_iterator(OBSCURA_CORPUS)) {
    const base::Bytes bytes = base::read_file(entry.path(), 1U << 20).value();
    for (const std::size_t size :
         {std::size_t{0}, bytes.size() / 3, bytes.size() / 2, bytes.size() - bytes.size() / 9}) {
      EXPECT_NO_THROW(LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), size))
          << entry.path().filename() << " cut to " << size;
    }
  }
}

}  // namespace
}  // namespace obscura
