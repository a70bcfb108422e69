// SPDX-License-Identifier: Apache-2.0
#include "train/train.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

#include "train/network.h"

namespace obscura::train {
namespace {

constexpr std::int64_t kSide = 28;
constexpr std::int64_t kClasses = 10;
constexpr std::array<std::int64_t, 2> kChannels = {5, 50};

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Split {
  torch::Tensor images;  ///< bytes, {n, 1, side, side}
  torch::Tensor labels;  ///< int64, {n}
  std::int64_t count() const { return labels.size(0); }
  Split rows(const torch::Tensor& index) const {
    return {images.index_select(0, index), labels.index_select(0, index)};
  }
};

torch::Tensor as_input(const torch::Tensor& bytes) { return bytes.to(torch::kFloat32) / 255; }

Result<Split> load_split(const Recipe& recipe, const std::string& split) {
  OBSCURA_TRY(data::Dataset set, data::load(recipe.dataset, split, recipe.data_folder));
  if (set.channels != 1 || set.height != kSide || set.width != kSide) {
    return error(Code::unsupported, "{}: images of {}x{}x{}; network {} takes 1x28x28", recipe.dataset, set.channels,
                 set.height, set.width, recipe.network);
  }
  const auto count = static_cast<std::int64_t>(std::min(set.count(), recipe.limit));
  const auto bytes = torch::TensorOptions(torch::kUInt8);
  Split out;
  out.images = torch::from_blob(set.pixels.data(), {count, 1, kSide, kSide}, bytes).clone();
  std::vector<std::int64_t> labels(set.labels.begin(), set.labels.end());
  out.labels = torch::from_blob(labels.data(), {count}, torch::TensorOptions(torch::kInt64)).clone();
  return out;
}

Result<void> check(const Recipe& recipe) {
  const auto& names = network_names();
  if (std::find(names.begin(), names.end(), recipe.network) == names.end()) {
    return error(Code::unsupported, "network '{}' is not known; there are {}", recipe.network, fmt::join(names, ", "));
  }
  const auto within = [](const char* option, double value, double low, double high) -> Result<void> {
    if (value >= low && value <= high) return {};
    return error(Code::unsupported, "{} {}; it must be {} to {}", option, value, low, high);
  };
  OBSCURA_TRY_VOID(within("epochs", recipe.epochs, 1, 10000));
  OBSCURA_TRY_VOID(within("batch size", recipe.batch_size, 2, 10000));
  OBSCURA_TRY_VOID(within("learning rate", recipe.learning_rate, 1e-9, 10));
  OBSCURA_TRY_VOID(within("weight decay", recipe.weight_decay, 0, 1));
  OBSCURA_TRY_VOID(within("label smoothing", recipe.label_smoothing, 0, 0.5));
  OBSCURA_TRY_VOID(within("range penalty", recipe.range_penalty, 0, 100));
  OBSCURA_TRY_VOID(within("activation range", recipe.activation_range, 3, 8));
  OBSCURA_TRY_VOID(within("average decay", recipe.average_decay, 0, 0.99999));
  OBSCURA_TRY_VOID(within("augmentation", recipe.augmentation, 0, 4));
  OBSCURA_TRY_VOID(within("elastic", recipe.elastic, 0, 4));
  if (recipe.limit >= 100) return {};
  return error(Code::unsupported, "limit {}; it must be at least 100", recipe.limit);
}

/// A moving average of a network's state; its own network carries it.
class Average {
 public:
  Average(const Network& network, Network carrier, double decay) : carrier_(std::move(carrier)), decay_(decay) {
    copy(state_of(network), state_of(carrier_));
  }
  /// Early steps weigh more, so that the random start is soon forgotten.
  void step(const Network& network) {
    torch::NoGradGuard no_gradient;
    ++steps_;
    const double decay = std::min(decay_, steps_ / (steps_ + 10));
    const auto from = state_of(network);
    const auto to = state_of(carrier_);
    for (std::size_t i = 0; i < to.size(); ++i) to[i].lerp_(from[i], 1 - decay);
  }
  const Network& network() const { return carrier_; }
  static void copy(const std::vector<torch::Tensor>& from, const std::vector<torch::Tensor>& to) {
    torch::NoGradGuard no_gradient;
    for (std::size_t i = 0; i < to.size(); ++i) to[i].copy_(from[i]);
  }

 private:
  Network carrier_;
  double decay_;
  double steps_ = 0;
};

struct Evaluation {
  Score score;
  std::array<double, 2> largest{};
};

Evaluation evaluate(Network network, const Split& split) {
  torch::NoGradGuard no_gradient;
  network->eval();
  Evaluation out;
  out.score.images = static_cast<std::size_t>(split.count());
  constexpr std::int64_t kPiece = 500;
  for (std::int64_t first = 0; first < split.count(); first += kPiece) {
    const std::int64_t end = std::min(first + kPiece, split.count());
    const auto output = network->forward(as_input(split.images.slice(0, first, end)), 0);
    const torch::Tensor labels = split.labels.slice(0, first, end);
    out.score.correct += static_cast<std::size_t>(output.logits.argmax(1).eq(labels).sum().item<std::int64_t>());
    out.score.loss += torch::cross_entropy_loss(output.logits, labels, {}, at::Reduction::Sum).item<double>();
    for (std::size_t i = 0; i < 2; ++i) {
      out.largest[i] = std::max(out.largest[i], output.pre_activations[i].abs().max().item<double>());
    }
  }
  out.score.loss /= static_cast<double>(split.count());
  return out;
}

/// The learning rate of a step: linear warm-up over a twentieth of the run, then half a cosine to zero.
double rate_at(const Recipe& recipe, std::size_t step, std::size_t steps) {
  const double warm_up = std::max(1.0, static_cast<double>(steps) / 20);
  const double t = static_cast<double>(step);
  if (t < warm_up) return recipe.learning_rate * (t + 1) / warm_up;
  const double share = (t - warm_up) / std::max(1.0, static_cast<double>(steps) - warm_up);
  return recipe.learning_rate * 0.5 * (1 + std::cos(std::acos(-1.0) * share));
}

class Trainer {
 public:
  Trainer(const Recipe& recipe, const Observer& observe, const Form& form)
      : recipe_(recipe),
        observe_(observe),
        network_(form),
        average_(network_, Network(form), recipe.average_decay),
        best_(form),
        optimizer_(network_->parameters(),
                   torch::optim::AdamWOptions(recipe.learning_rate).weight_decay(recipe.weight_decay)) {
    moment_.epochs = recipe.epochs;
  }

  Result<void> run(const Split& training, const Split& validation) {
    const auto batches = static_cast<std::size_t>(training.count()) / recipe_.batch_size;
    moment_.steps = batches * moment_.epochs;
    for (moment_.epoch = 1; moment_.epoch <= moment_.epochs; ++moment_.epoch) {
      OBSCURA_TRY_VOID(epoch(training, batches));
      judge(validation);
      moment_.epoch_ended = true;
      if (!tell()) return error(Code::cancelled, "training stopped in epoch {}", moment_.epoch);
    }
    return {};
  }

  const Network& best() const { return best_; }
  std::uint32_t best_epoch() const { return best_epoch_; }
  const Evaluation& best_evaluation() const { return best_evaluation_; }

 private:
  Result<void> epoch(const Split& training, std::size_t batches) {
    network_->train();
    const torch::Tensor order = torch::randperm(training.count());
    const auto size = static_cast<std::int64_t>(recipe_.batch_size);
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(batches); ++i) {
      const double loss = step(training.rows(order.slice(0, i * size, (i + 1) * size)));
      if (!std::isfinite(loss)) {
        return error(Code::infeasible, "the loss is {} in epoch {}; try a smaller learning rate", loss, moment_.epoch);
      }
      moment_.training_loss += (loss - moment_.training_loss) * (moment_.step == 0 ? 1 : 0.01);
      ++moment_.step;
      if (!tell()) return error(Code::cancelled, "training stopped in epoch {}", moment_.epoch);
    }
    return {};
  }

  double step(const Split& batch) {
    for (auto& group : optimizer_.param_groups()) group.options().set_lr(rate_at(recipe_, moment_.step, moment_.steps));
    const torch::Tensor images = augment(as_input(batch.images), recipe_.augmentation, recipe_.elastic);
    const torch::Tensor loss = loss_of(network_->forward(images, recipe_.activation_range), batch.labels);
    optimizer_.zero_grad();
    loss.backward();
    torch::nn::utils::clip_grad_norm_(network_->parameters(), 1.0);
    optimizer_.step();
    if (recipe_.average_decay > 0) average_.step(network_);
    return loss.item<double>();
  }

  /// Cross entropy, plus the penalty on pre-activations beyond the range.
  torch::Tensor loss_of(const NetworkImpl::Output& output, const torch::Tensor& labels) {
    const torch::Tensor loss =
        torch::cross_entropy_loss(output.logits, labels, {}, at::Reduction::Mean, -100, recipe_.label_smoothing);
    return loss + output.beyond * recipe_.range_penalty;
  }

  void judge(const Split& validation) {
    const Network& candidate = recipe_.average_decay > 0 ? average_.network() : network_;
    const Evaluation now = evaluate(candidate, validation);
    moment_.validation_accuracy = now.score.accuracy();
    moment_.validation_loss = now.score.loss;
    const Score& best = best_evaluation_.score;
    const bool better = best_epoch_ == 0 || now.score.correct > best.correct ||
                        (now.score.correct == best.correct && now.score.loss < best.loss);
    if (!better) return;
    best_epoch_ = moment_.epoch;
    best_evaluation_ = now;
    Average::copy(state_of(candidate), state_of(best_));
    best_->eval();
  }

  bool tell() {
    moment_.seconds = seconds_since(start_);
    const bool go_on = !observe_ || observe_(moment_);
    moment_.epoch_ended = false;
    return go_on;
  }

  const Recipe& recipe_;
  const Observer& observe_;
  Network network_;
  Average average_;
  Network best_;
  torch::optim::AdamW optimizer_;
  Moment moment_;
  std::uint32_t best_epoch_ = 0;
  Evaluation best_evaluation_;
  Clock::time_point start_ = Clock::now();
};

Outcome outcome_of(const Recipe& recipe, const Trainer& trainer, const Split& test) {
  Outcome out;
  out.best_epoch = trainer.best_epoch();
  out.validation = trainer.best_evaluation().score;
  out.largest_pre_activation = trainer.best_evaluation().largest;
  out.test = evaluate(trainer.best(), test).score;
  for (const torch::Tensor& parameter : trainer.best()->parameters()) {
    out.parameters += static_cast<std::size_t>(parameter.numel());
  }
  out.graph = export_network(trainer.best(), recipe.network, kSide);
  return out;
}

}  // namespace

Result<Outcome> train(const Recipe& recipe, const Observer& observe) {
  const Clock::time_point start = Clock::now();
  OBSCURA_TRY_VOID(check(recipe));
  OBSCURA_TRY(const Split all, load_split(recipe, "train"));
  OBSCURA_TRY(const Split test, load_split(recipe, "test"));
  at::set_num_threads(static_cast<int>(recipe.threads == 0 ? std::thread::hardware_concurrency() : recipe.threads));
  torch::manual_seed(recipe.seed);
  const torch::Tensor order = torch::randperm(all.count());
  const std::int64_t held_out = all.count() / 10;
  const Split validation = all.rows(order.slice(0, 0, held_out));
  const Split training = all.rows(order.slice(0, held_out));
  if (training.count() < recipe.batch_size) {
    return error(Code::unsupported, "batch size {}; there are {} training images", recipe.batch_size, training.count());
  }
  const Form form{activation_coefficients(recipe.network, recipe.activation_range), kChannels, kClasses};
  Trainer trainer(recipe, observe, form);
  OBSCURA_TRY_VOID(trainer.run(training, validation));
  Outcome out = outcome_of(recipe, trainer, test);
  out.training_images = static_cast<std::size_t>(training.count());
  out.seconds = seconds_since(start);
  return out;
}

}  // namespace obscura::train
