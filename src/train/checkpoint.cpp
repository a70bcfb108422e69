// SPDX-License-Identifier: Apache-2.0
#include "train/checkpoint.h"

#include <algorithm>
#include <cstring>

#include "base/files.h"
#include "base/random.h"

namespace obscura::train {
namespace {

const std::string kKind = "obscura checkpoint 1";
constexpr std::uint64_t kMaxBytes = 8ULL << 30;
constexpr std::size_t kDigestBytes = 32;
constexpr std::size_t kMaxEpochs = 100000;
constexpr std::size_t kMaxActivations = 4096;

void put(base::Writer& out, const Standing& standing) {
  out.u64(static_cast<std::uint64_t>(standing.epoch));
  out.u64(standing.optimizer_steps);
  out.u64(standing.average_steps);
  out.u64(static_cast<std::uint64_t>(standing.best_epoch));
  out.u64(standing.best.images);
  out.u64(standing.best.correct);
  out.f64(standing.best.loss);
  out.f64(standing.seconds);
  out.u32(static_cast<std::uint32_t>(standing.largest.size()));
  for (const double x : standing.largest) out.f64(x);
  out.u32(static_cast<std::uint32_t>(standing.history.size()));
  for (const EpochRecord& record : standing.history) {
    for (const double x : {record.training_loss, record.training_accuracy, record.validation_loss,
                           record.validation_accuracy, record.seconds}) {
      out.f64(x);
    }
  }
}

Standing get(base::Reader& in) {
  Standing out;
  out.epoch = static_cast<std::int64_t>(in.u64());
  out.optimizer_steps = in.u64();
  out.average_steps = in.u64();
  out.best_epoch = static_cast<std::int64_t>(in.u64());
  out.best.images = in.u64();
  out.best.correct = in.u64();
  out.best.loss = in.f64();
  out.seconds = in.f64();
  out.largest.resize(in.count(kMaxActivations, 8));
  for (double& x : out.largest) x = in.f64();
  out.history.resize(in.count(kMaxEpochs, 40));
  for (EpochRecord& record : out.history) {
    for (double* x : {&record.training_loss, &record.training_accuracy, &record.validation_loss,
                      &record.validation_accuracy, &record.seconds}) {
      *x = in.f64();
    }
  }
  return out;
}

Error damaged(const std::filesystem::path& path) {
  return error(Code::bad_format, "{}: not a checkpoint, or damaged; remove it to start again", path.string());
}

}  // namespace

Result<void> write_checkpoint(const std::filesystem::path& path, const std::string& identity, const Standing& standing,
                              const std::vector<torch::Tensor>& tensors) {
  base::Writer out;
  out.text(kKind);
  out.text(identity);
  put(out, standing);
  for (const torch::Tensor& tensor : tensors) {
    const torch::Tensor floats = tensor.detach().to(torch::kCPU, torch::kFloat32).contiguous();
    out.u64(static_cast<std::uint64_t>(floats.numel()));
    out.raw(std::as_bytes(std::span(floats.data_ptr<float>(), static_cast<std::size_t>(floats.numel()))));
  }
  const auto digest = base::digest(out.bytes());
  out.raw(std::as_bytes(std::span(digest)));
  return base::write_file(path, out.bytes(), {.overwrite = true, .secret = false});
}

Result<Standing> read_checkpoint(const std::filesystem::path& path, const std::string& identity,
                                 const std::vector<torch::Tensor>& tensors) {
  OBSCURA_TRY(const base::Bytes bytes, base::read_file(path, kMaxBytes));
  if (bytes.size() < kDigestBytes) return damaged(path);
  const base::ByteView body = base::ByteView(bytes).first(bytes.size() - kDigestBytes);
  const auto digest = base::digest(body);
  if (!std::equal(body.end(), base::ByteView(bytes).end(), std::as_bytes(std::span(digest)).begin())) {
    return damaged(path);
  }
  base::Reader in(body);
  if (in.text(kKind.size()) != kKind) return damaged(path);
  if (in.text(kDigestBytes) != identity) {
    return error(Code::wrong_params,
                 "{}: a checkpoint of another recipe, seed, teacher or number of images; remove it, or choose another "
                 "output, to start again",
                 path.string());
  }
  const Standing standing = get(in);
  torch::NoGradGuard no_gradient;
  for (const torch::Tensor& tensor : tensors) {
    const auto count = static_cast<std::uint64_t>(tensor.numel());
    if (in.u64() != count) return damaged(path);
    const base::ByteView raw = in.raw(count * sizeof(float));
    if (!in.ok()) return damaged(path);
    torch::Tensor floats = torch::empty(tensor.sizes());
    std::memcpy(floats.data_ptr<float>(), raw.data(), raw.size());
    tensor.copy_(floats);
  }
  if (!in.ok() || in.remaining() != 0) return damaged(path);
  return standing;
}

}  // namespace obscura::train
