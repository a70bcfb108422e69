// SPDX-License-Identifier: Apache-2.0
#include "train/train.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <thread>

#include "base/bytes.h"
#include "base/random.h"
#include "train/augment.h"
#include "train/checkpoint.h"
#include "train/images.h"
#include "train/optimizer.h"
#include "train/outliers.h"
#include "train/products.h"
#include "train/start.h"
#include "train/teacher.h"
#include "train/weights.h"

namespace obscura::train {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// A well mixed seed for the draws of one epoch (splitmix64).
std::uint64_t seed_of(std::uint64_t seed, std::int64_t epoch) {
  std::uint64_t z = seed + 0x9E3779B97F4A7C15ULL * (static_cast<std::uint64_t>(epoch) + 1);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

void copy(const std::vector<torch::Tensor>& from, const std::vector<torch::Tensor>& to) {
  torch::NoGradGuard no_gradient;
  for (std::size_t i = 0; i < to.size(); ++i) to[i].copy_(from[i]);
}

struct Evaluation {
  Score score;
  std::vector<double> largest;
};

Evaluation evaluate(Network network, const Images& images, const Normalisation& normalise, torch::Device device) {
  torch::NoGradGuard no_gradient;
  network->eval();
  Evaluation out;
  out.score.images = static_cast<std::size_t>(images.count());
  constexpr std::int64_t kPiece = 500;
  for (std::int64_t first = 0; first < images.count(); first += kPiece) {
    const Images piece = images.slice(first, std::min(first + kPiece, images.count()));
    NetworkImpl::Options options;
    options.measure = true;
    const auto output = network->forward(normalise(as_floats(piece.pixels.to(device))), options);
    const torch::Tensor labels = piece.labels.to(device);
    out.score.correct += static_cast<std::size_t>(output.logits.argmax(1).eq(labels).sum().item<std::int64_t>());
    out.score.loss += torch::cross_entropy_loss(output.logits, labels, {}, at::Reduction::Sum).item<double>();
    out.largest.resize(output.largest.size());
    for (std::size_t i = 0; i < out.largest.size(); ++i) out.largest[i] = std::max(out.largest[i], output.largest[i]);
  }
  out.score.loss /= static_cast<double>(images.count());
  return out;
}

class Trainer {
 public:
  Trainer(const Recipe& recipe, const Options& options, const Observer& observe, const std::vector<Step>& steps,
          torch::Device device)
      : recipe_(recipe),
        options_(options),
        observe_(observe),
        device_(device),
        reduced_(recipe.training.reduced_precision && multiplies_bfloat16(device)),
        network_(steps, recipe.data.shape),
        average_(steps, recipe.data.shape),
        best_(steps, recipe.data.shape),
        normalise_(recipe.data, device),
        optimizer_(recipe.optimizer, (network_->to(device), network_->trained())) {
    average_->to(device);
    best_->to(device);
    moment_.epochs = recipe.training.epochs;
    for (const LayerRecipe& layer : recipe.layers) blended_ = std::max(blended_, layer.activation.blend[1]);
  }

  /// Before the first epoch: the weights that the training starts with. Returns the digest of their file.
  Result<std::string> start(const Images& training) {
    std::string digest;
    set_first_weights(network_, training, normalise_);
    if (!recipe_.training.start.empty()) {
      OBSCURA_TRY(digest, start_from(recipe_.training.start, network_));
    }
    copy(state_of(network_), state_of(average_));
    return digest;
  }

  Result<void> use(const Teacher& teacher) {
    teacher_ = &teacher;
    if (recipe_.teacher->features == 0) return {};
    std::vector<nn::Shape> own;
    for (const Step& step : network_->steps) {
      if (step.kind == StepKind::activation) own.push_back(step.out);
    }
    if (own == teacher.activation_shapes()) return {};
    return error(Code::unsupported,
                 "{}: teacher.features needs a teacher whose activations have the shapes of the network's; it has {} "
                 "and the network {}, or their shapes differ",
                 recipe_.teacher->model.string(), teacher.activation_shapes().size(), own.size());
  }

  /// Takes up where the checkpoint was written.
  Result<void> resume(const std::string& identity) {
    OBSCURA_TRY(standing_, read_checkpoint(options_.checkpoint, identity, tensors()));
    optimizer_.set_steps(standing_.optimizer_steps);
    return {};
  }

  Result<void> run(const Splits& splits, const std::string& identity) {
    const auto batches = static_cast<std::size_t>(splits.training.count() / recipe_.training.batch);
    moment_.steps = batches * static_cast<std::size_t>(moment_.epochs);
    moment_.first_step = moment_.step = batches * static_cast<std::size_t>(standing_.epoch);
    const double before = standing_.seconds;
    while (standing_.epoch < moment_.epochs && !exhausted()) {
      moment_.epoch = standing_.epoch + 1;
      OBSCURA_TRY_VOID(epoch(splits.training, batches));
      judge(splits.validation);
      standing_.epoch = moment_.epoch;
      standing_.seconds = before + seconds_since(start_);
      standing_.optimizer_steps = optimizer_.steps();
      if (!options_.checkpoint.empty()) {
        OBSCURA_TRY_VOID(write_checkpoint(options_.checkpoint, identity, standing_, tensors()));
      }
      moment_.epoch_ended = true;
      if (!tell()) return stopped();
    }
    return {};
  }

  const Network& best() const { return best_; }
  const Standing& standing() const { return standing_; }
  Score test(const Images& images) const { return evaluate(best_, images, normalise_, device_).score; }

 private:
  bool exhausted() const {
    const std::int64_t patience = recipe_.training.patience;
    return patience > 0 && standing_.best_epoch > 0 && standing_.epoch - standing_.best_epoch >= patience;
  }

  /// All that a checkpoint holds of tensors.
  std::vector<torch::Tensor> tensors() const {
    std::vector<torch::Tensor> out;
    for (const auto& part : {state_of(network_), state_of(average_), state_of(best_), optimizer_.state()}) {
      out.insert(out.end(), part.begin(), part.end());
    }
    return out;
  }

  Error stopped() const {
    if (options_.checkpoint.empty()) return error(Code::cancelled, "training stopped in epoch {}", moment_.epoch);
    return error(Code::cancelled,
                 "training stopped in epoch {}; {} holds what was reached after epoch {}, and --resume "
                 "goes on from there",
                 moment_.epoch, options_.checkpoint.string(), standing_.epoch);
  }

  Result<void> epoch(const Images& training, std::size_t batches) {
    torch::manual_seed(seed_of(recipe_.training.seed, moment_.epoch));
    network_->train();
    if (fixed()) network_->fix_statistics();
    const torch::Tensor order = torch::randperm(training.count());
    const std::int64_t size = recipe_.training.batch;
    sum_ = {};
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(batches); ++i) {
      const double loss = step(training, order.slice(0, i * size, (i + 1) * size), batches);
      if (!std::isfinite(loss)) {
        return error(Code::infeasible,
                     "the loss is {} in epoch {}; try a smaller optimizer.rate or a larger activation.penalty", loss,
                     moment_.epoch);
      }
      sum_.loss += loss * static_cast<double>(size);
      moment_.training_loss = sum_.loss / static_cast<double>(sum_.images);
      ++moment_.step;
      if (!tell()) return stopped();
    }
    return {};
  }

  double step(const Images& training, const torch::Tensor& index, std::size_t batches) {
    const Images batch = training.rows(index);
    torch::Tensor images =
        augment(as_floats(batch.pixels), recipe_.augmentation, mirrored_in(index, moment_.epoch)).to(device_);
    const torch::Tensor labels = batch.labels.to(device_);
    torch::Tensor wanted = torch::one_hot(labels, recipe_.data.classes).to(torch::kFloat32);
    if (recipe_.augmentation.mixup > 0) {
      const Mixture mixture = draw_mixture(images.size(0), recipe_.augmentation.mixup);
      images = mixed(images, mixture);
      wanted = mixed(wanted.reshape({-1, recipe_.data.classes, 1, 1}), mixture).flatten(1);
    }
    NetworkImpl::Options options;
    options.epoch = static_cast<double>(moment_.step) / static_cast<double>(batches);
    options.reduced_precision = reduced_;
    options.keep_activations = teacher_ != nullptr && recipe_.teacher->features > 0;
    auto output = network_->forward(normalise_(with_outliers(images)), options);
    output.logits = output.logits.slice(0, 0, images.size(0));
    for (torch::Tensor& activation : output.activations) activation = activation.slice(0, 0, images.size(0));
    const torch::Tensor loss = loss_of(output, images, wanted);
    optimizer_.zero_gradient();
    loss.backward();
    optimizer_.clip(recipe_.training.clip);
    optimizer_.step(rate_at(recipe_.optimizer, moment_.step, moment_.steps, batches));
    if (recipe_.training.average_decay > 0) average();
    sum_.images += static_cast<std::size_t>(labels.size(0));
    sum_.correct += static_cast<std::size_t>(output.logits.argmax(1).eq(labels).sum().item<std::int64_t>());
    return loss.item<double>();
  }

  /// Outliers follow the images; they count in the penalties alone. While a batch's own statistics normalise it there
  /// are none, for they would be in the statistics.
  torch::Tensor with_outliers(const torch::Tensor& images) const {
    const auto count =
        static_cast<std::int64_t>(std::ceil(recipe_.training.outliers * static_cast<double>(images.size(0))));
    if (count == 0 || !fixed()) return images;
    return torch::cat({images, outliers(count, images.cpu()).to(device_)});
  }

  bool fixed() const { return moment_.epoch > recipe_.training.epochs - recipe_.training.fixed_statistics; }

  /// `labels` {n, classes}: the shares of the classes in each image.
  torch::Tensor loss_of(const NetworkImpl::Output& output, const torch::Tensor& images, const torch::Tensor& labels) {
    const double smoothing = recipe_.training.label_smoothing;
    torch::Tensor loss;
    if (teacher_ == nullptr) {
      loss = torch::cross_entropy_loss(output.logits, labels, {}, at::Reduction::Mean, -100, smoothing);
    } else {
      const Teacher::Output wanted = teacher_->run(images, reduced_);
      loss = distillation_loss(output.logits, wanted.logits, labels, *recipe_.teacher, smoothing);
      const double features = recipe_.teacher->features;
      if (features > 0) loss = loss + feature_loss(output.activations, wanted.activations) * features;
    }
    return output.penalty.defined() ? loss + output.penalty : loss;
  }

  /// Early steps weigh more, so that the random start is soon forgotten.
  void average() {
    torch::NoGradGuard no_gradient;
    const auto steps = static_cast<double>(++standing_.average_steps);
    const double decay = std::min(recipe_.training.average_decay, steps / (steps + 10));
    const auto from = state_of(network_);
    const auto to = state_of(average_);
    for (std::size_t i = 0; i < to.size(); ++i) to[i].lerp_(from[i], 1 - decay);
  }

  /// Scores the epoch, and keeps it where it is the best. Before all blends have ended the network that is scored, of
  /// polynomials alone, is not yet what is being trained.
  void judge(const Images& validation) {
    const Network& candidate = recipe_.training.average_decay > 0 ? average_ : network_;
    const Evaluation now = evaluate(candidate, validation, normalise_, device_);
    moment_.validation_accuracy = now.score.accuracy();
    moment_.validation_loss = now.score.loss;
    standing_.history.push_back({moment_.training_loss,
                                 static_cast<double>(sum_.correct) / static_cast<double>(sum_.images), now.score.loss,
                                 now.score.accuracy(), seconds_since(start_)});
    if (static_cast<double>(moment_.epoch) <= blended_) return;
    const Score& best = standing_.best;
    const bool better = standing_.best_epoch == 0 || now.score.correct > best.correct ||
                        (now.score.correct == best.correct && now.score.loss < best.loss);
    if (!better) return;
    standing_.best_epoch = moment_.epoch;
    standing_.best = now.score;
    standing_.largest = now.largest;
    copy(state_of(candidate), state_of(best_));
    best_->eval();
  }

  bool tell() {
    moment_.seconds = seconds_since(start_);
    const bool go_on = !observe_ || observe_(moment_);
    moment_.epoch_ended = false;
    return go_on;
  }

  const Recipe& recipe_;
  const Options& options_;
  const Observer& observe_;
  torch::Device device_;
  bool reduced_;
  Network network_, average_, best_;
  Normalisation normalise_;
  Optimizer optimizer_;
  const Teacher* teacher_ = nullptr;
  double blended_ = 0;
  Moment moment_;
  Standing standing_;
  Score sum_;  ///< of the batches of this epoch
  Clock::time_point start_ = Clock::now();
};

Result<torch::Device> device_of(const std::string& name) {
  if (name == "cpu") return torch::Device(torch::kCPU);
  if (name == "auto") return torch::Device(torch::cuda::is_available() ? torch::kCUDA : torch::kCPU);
  if (name != "cuda") return error(Code::unsupported, "device '{}'; it must be auto, cpu or cuda", name);
  if (torch::cuda::is_available()) return torch::Device(torch::kCUDA);
  return error(Code::unsupported,
               "device cuda: this libtorch has none at hand; use cpu, or build with the libtorch of a PyTorch that has "
               "(-DOBSCURA_TORCH=<folder of the package torch>)");
}

std::string processor() {
  std::ifstream facts("/proc/cpuinfo");
  for (std::string line; std::getline(facts, line);) {
    if (!line.starts_with("model name")) continue;
    const std::size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "an unnamed processor";
}

/// What a checkpoint is bound to.
std::string identity_of(const Recipe& recipe, const Splits& splits, const std::string& teacher) {
  const std::string text = fmt::format("{}\n{} {} {}\n{}", recipe.canonical, splits.training.count(),
                                       splits.validation.count(), splits.test.count(), teacher);
  const auto digest = base::digest(base::as_bytes(text));
  return {digest.begin(), digest.end()};
}

Outcome outcome_of(const Recipe& recipe, const Trainer& trainer, const Splits& splits) {
  Outcome out;
  out.best_epoch = trainer.standing().best_epoch;
  out.validation = trainer.standing().best;
  out.largest_pre_activation = trainer.standing().largest;
  out.history = trainer.standing().history;
  out.seconds = trainer.standing().seconds;
  out.training_images = static_cast<std::size_t>(splits.training.count());
  out.test = trainer.test(splits.test);
  for (const Step& step : trainer.best()->steps) {
    out.parameters += step.parameters;
    out.multiplications += step.multiplications;
    if (step.kind != StepKind::branch) out.layers += (out.layers.empty() ? "" : "; ") + describe(step);
  }
  out.graph = export_network(trainer.best(), recipe.name);
  out.graph.metadata.mean = recipe.data.mean;
  out.graph.metadata.std = recipe.data.std;
  if (recipe.data.standardise) out.graph.metadata.standardise = recipe.data.standardise;
  out.graph.metadata.class_names = splits.class_names;
  return out;
}

}  // namespace

Result<Outcome> train(const Recipe& recipe, const Options& options, const Observer& observe) {
  OBSCURA_TRY(const torch::Device device, device_of(options.device));
  const bool found = !options.checkpoint.empty() && std::filesystem::exists(options.checkpoint);
  if (found && !options.resume) {
    return error(Code::io, "{}: exists already; --resume goes on from it, and without it the training starts again",
                 options.checkpoint.string());
  }
  const std::uint32_t threads =
      options.threads == 0 ? std::max(1U, std::thread::hardware_concurrency()) : options.threads;
  at::set_num_threads(static_cast<int>(threads));
  OBSCURA_TRY(const Splits splits, load_splits(recipe, options));
  OBSCURA_TRY(const std::vector<Step> steps, expand(recipe));
  std::optional<Teacher> teacher;
  if (recipe.teacher) {
    OBSCURA_TRY(teacher, Teacher::load(recipe, device));
  }
  torch::manual_seed(recipe.training.seed);
  Trainer trainer(recipe, options, observe, steps, device);
  OBSCURA_TRY(const std::string start, trainer.start(splits.training));
  const std::string identity = identity_of(recipe, splits, (teacher ? teacher->digest() : "") + start);
  if (teacher) OBSCURA_TRY_VOID(trainer.use(*teacher));
  if (found) OBSCURA_TRY_VOID(trainer.resume(identity));
  OBSCURA_TRY_VOID(trainer.run(splits, identity));
  Outcome out = outcome_of(recipe, trainer, splits);
  out.threads = threads;
  out.device =
      device.is_cuda() ? "a CUDA GPU" : fmt::format("{} thread{} of {}", threads, threads == 1 ? "" : "s", processor());
  if (recipe.training.reduced_precision && !multiplies_bfloat16(device)) {
    out.device += ", in float32: it does not multiply bfloat16";
  }
  return out;
}

}  // namespace obscura::train
