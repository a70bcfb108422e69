// SPDX-License-Identifier: Apache-2.0
#include "train/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "nn/onnx.h"
#include "nn/reference.h"
#include "recipes.h"
#include "train/coefficients.h"
#include "train/optimizer.h"
#include "train/outliers.h"

namespace obscura::train {
namespace {

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

/// p(x held within the limit) spelt in tensor operations, with the penalty's mean.
std::pair<torch::Tensor, torch::Tensor> spelt(const torch::Tensor& x, const torch::Tensor& c, double range,
                                              double share, double limit = kNoLimit) {
  const torch::Tensor v = x.clamp(-limit, limit);
  torch::Tensor y = torch::zeros_like(x);
  for (std::int64_t k = 0; k < c.size(0); ++k) y = y + c[k] * v.pow(static_cast<double>(k));
  return {y * share + v.relu() * (1 - share), (x.abs() - range).relu().square().mean()};
}

struct Case {
  std::vector<std::int64_t> x, coefficients;
};

TEST(Activation, ValuesAndSlopesAreThoseOfTensorOperations) {
  torch::manual_seed(3);
  // Rows of one image, and rows that are made longer; 17 rows do not divide into the parts.
  const std::vector<Case> cases = {{{17, 5, 3, 4}, {3, 1}},
                                   {{17, 5, 3, 4}, {3, 5, 1, 1}},
                                   {{17, 5, 3, 4}, {3, 5, 3, 4}},
                                   {{2, 80, 3, 3}, {5, 80, 1, 1}},
                                   {{6, 7, 1, 1}, {5, 7, 1, 1}},
                                   {{9, 11}, {3, 11}},
                                   {{9, 11}, {5, 1}}};
  for (const Case& c : cases) {
    for (const auto& [share, limit] : {std::pair{1.0, kNoLimit}, {0.3, kNoLimit}, {0.0, kNoLimit}, {0.7, 2.5}}) {
      const torch::Tensor x = (torch::randn(c.x) * 2).requires_grad_(true);
      const torch::Tensor a = torch::randn(c.coefficients).requires_grad_(true);
      const torch::Tensor z = x.detach().clone().requires_grad_(true);
      const torch::Tensor b = a.detach().clone().requires_grad_(true);
      const torch::Tensor weight = torch::randn(c.x);
      const auto [y, beyond] = activate(x, a, 2, share, limit);
      ((y * weight).sum() + beyond * 25).backward();
      const auto [wanted, wanted_beyond] = spelt(z, b, 2, share, limit);
      ((wanted * weight).sum() + wanted_beyond * 25).backward();
      const std::string which = fmt::format("{} {} {}", c.x.size(), fmt::join(c.coefficients, "x"), share);
      // Single precision rounds some ten times values of up to 8^4, and sums up to a thousand of them.
      EXPECT_TRUE(torch::allclose(y, wanted, 1e-5, 1e-2)) << which;
      EXPECT_TRUE(torch::allclose(beyond, wanted_beyond, 1e-5, 1e-5)) << which;
      EXPECT_TRUE(torch::allclose(x.grad(), z.grad(), 1e-5, 1e-2)) << which;
      EXPECT_TRUE(torch::allclose(a.grad(), b.grad(), 1e-5, 1e-1)) << which;
    }
  }
}

TEST(Activation, InReducedPrecisionIsTheSameRounded) {
  torch::manual_seed(4);
  const torch::Tensor x = torch::randn({4, 6, 5, 5}).to(torch::kBFloat16).requires_grad_(true);
  const torch::Tensor a = torch::tensor({0.2F, 0.5F, 0.2F}).reshape({3, 1}).requires_grad_(true);
  const auto [y, beyond] = activate(x, a, 4, 1, kNoLimit);
  EXPECT_EQ(y.scalar_type(), torch::kBFloat16);
  y.to(torch::kFloat32).square().sum().backward();
  const torch::Tensor z = x.detach().to(torch::kFloat32).requires_grad_(true);
  const auto [wanted, unused] = spelt(z, a.detach(), 4, 1);
  wanted.square().sum().backward();
  // 8 bits of mantissa.
  EXPECT_TRUE(torch::allclose(y.to(torch::kFloat32), wanted, 1.0 / 256, 1e-3));
  EXPECT_TRUE(torch::allclose(x.grad().to(torch::kFloat32), z.grad(), 3.0 / 256, 1e-2));
}

TEST(Activation, TailIsWhatTheWorstOfEachImageNeedsBeyondTheRange) {
  for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{2, 3, 2, 2}, {2, 12}}) {
    torch::Tensor x = torch::ones(shape);
    x.view({-1})[7] = -8;
    x.requires_grad_(true);
    const torch::Tensor nats = nats_beyond(x, 2);
    EXPECT_NEAR(nats.item<double>(), std::log(4.0) / 2, 1e-6) << "the second image is within the range";
    nats.backward();
    torch::Tensor slope = torch::zeros({24});
    slope[7] = -1.0 / 16;
    EXPECT_TRUE(torch::allclose(x.grad().reshape({-1}), slope));
  }
}

TEST(Outliers, AreWithinWhatPixelsCanBe) {
  torch::manual_seed(8);
  const torch::Tensor images = torch::rand({3, 2, 6, 5});
  const torch::Tensor out = outliers(100, images);
  EXPECT_EQ(out.sizes().vec(), (std::vector<std::int64_t>{100, 2, 6, 5}));
  EXPECT_GE(out.min().item<double>(), 0);
  EXPECT_LE(out.max().item<double>(), 1);
  // A seventh are of one colour, and some are inverted images: one each at least of a hundred.
  EXPECT_GT(out.eq(out.slice(2, 0, 1).slice(3, 0, 1)).all(3).all(2).all(1).sum().item<std::int64_t>(), 0);
  EXPECT_GT((out + images.repeat({34, 1, 1, 1}).slice(0, 0, 100))
                .sub(1)
                .abs()
                .amax({1, 2, 3})
                .lt(1e-6)
                .sum()
                .item<std::int64_t>(),
            0);
}

TEST(Outliers, HaveStripesBothWays) {
  torch::manual_seed(9);
  const torch::Tensor out = outliers(200, torch::rand({3, 2, 16, 16}));
  const torch::Tensor across = out.eq(out.slice(3, 0, 1)).flatten(1).all(1);  // each row of one colour
  const torch::Tensor down = out.eq(out.slice(2, 0, 1)).flatten(1).all(1);
  EXPECT_GT((across & ~down).sum().item<std::int64_t>(), 5);
  EXPECT_GT((down & ~across).sum().item<std::int64_t>(), 5);
}

TEST(Activation, DoesNotDependOnTheNumberOfThreads) {
  torch::manual_seed(5);
  const torch::Tensor a = torch::randn({3, 16, 1, 1});
  const torch::Tensor x = torch::randn({64, 16, 8, 8});
  std::vector<torch::Tensor> slopes;
  for (const int threads : {1, 3}) {
    at::set_num_threads(threads);
    const torch::Tensor b = a.clone().requires_grad_(true);
    const auto [y, beyond] = activate(x, b, 1, 1, kNoLimit);
    (y.square().sum() + beyond).backward();
    slopes.push_back(b.grad());
  }
  at::set_num_threads(1);
  EXPECT_TRUE(torch::equal(slopes[0], slopes[1]));
}

TEST(Coefficients, OfReluAreTheLeastSquaresOfANormalInput) {
  torch::manual_seed(6);
  const torch::Tensor x = torch::randn({2000000}, torch::kFloat64);
  for (const ActivationKind kind : {ActivationKind::quadratic, ActivationKind::degree4}) {
    const std::vector<double> c = initial_coefficients(kind, 6);
    torch::Tensor error = -x.relu();
    for (std::size_t k = 0; k < c.size(); ++k) error = error + c[k] * x.pow(static_cast<double>(k));
    // The error of a least squares fit is orthogonal to every power that it has; 2 million draws give a mean within
    // 5 deviations of 0.
    for (std::size_t k = 0; k < c.size(); ++k) {
      if (c[k] == 0) continue;
      const torch::Tensor product = error * x.pow(static_cast<double>(k));
      const double bound = 5 * product.std().item<double>() / std::sqrt(2e6);
      EXPECT_LT(std::abs(product.mean().item<double>()), bound) << k;
    }
  }
}

TEST(Hermite, IsTheBasisNormalisedOverTheBatch) {
  ActivationRecipe recipe;
  recipe.kind = ActivationKind::hermite;
  recipe.per = Sharing::channel;
  Activation activation(recipe, nn::Shape{3, 4, 4});
  torch::manual_seed(7);
  const torch::Tensor x = torch::randn({50, 3, 4, 4}) * 1.7 + 0.4;
  const auto normal = [](const torch::Tensor& v) {
    return (v - v.mean({0, 2, 3}, true)) / (v.var({0, 2, 3}, false, true) + 1e-3).sqrt();
  };
  const torch::Tensor wanted = kHermite0 + kHermite1 * normal(x) + kHermite2 * normal(x * x);
  EXPECT_TRUE(torch::allclose(activation->forward(x, 1).y, wanted, 1e-4, 1e-5));
}

TEST(Blend, GoesFromReluToThePolynomial) {
  ActivationRecipe recipe;
  recipe.blend = {2, 6};
  EXPECT_EQ(share_at(recipe, 0), 0);
  EXPECT_EQ(share_at(recipe, 2), 0);
  EXPECT_EQ(share_at(recipe, 5), 0.75);
  EXPECT_EQ(share_at(recipe, 6), 1);
  EXPECT_EQ(share_at(ActivationRecipe{}, 0), 1);
}

TEST(Networks, WithFixedStatisticsTrainWhatIsEvaluated) {
  for (const char* kind : {"quadratic", "hermite"}) {
    const std::string norm = kind == std::string("hermite") ? "" : "{ type = \"batch_norm\" },";
    const Recipe recipe =
        parse_recipe(
            "name = \"n\"\n[data]\nset = \"mnist\"\nshape = [1, 8, 8]\nclasses = 10\nvalidation = "
            "0.1\n[activation]\nkind = \"" +
                std::string(kind) + "\"\n[network]\nlayers = [{ type = \"conv\", channels = 3, kernel = 3 }," + norm +
                "{ type = \"activation\" }, { type = \"flatten\" }, { type = \"dense\", features = 10 }]\n",
            "r.toml")
            .value();
    Network network = testing::network_of(recipe);
    const torch::Tensor images = torch::randn({6, 1, 8, 8}) * 3;
    network->eval();
    const torch::Tensor evaluated = network->forward(images, {}).logits;
    network->train();
    network->fix_statistics();
    EXPECT_TRUE(torch::equal(network->forward(images, {}).logits, evaluated)) << kind;
    EXPECT_TRUE(torch::equal(network->forward(images, {}).logits, evaluated)) << kind << ": statistics moved";
    network->train();
    EXPECT_FALSE(torch::allclose(network->forward(images, {}).logits, evaluated)) << kind;
  }
}

TEST(Networks, HaveTheParametersThatTheirStepsSay) {
  for (const auto& file : std::filesystem::directory_iterator(OBSCURA_SOURCE_DIR "/models/recipes")) {
    const Recipe recipe = read_recipe(file.path()).value();
    const Network network(expand(recipe).value(), recipe.data.shape);
    std::int64_t said = 0;
    std::int64_t there = 0;
    for (const Step& step : network->steps) said += step.parameters;
    for (const torch::Tensor& parameter : network->parameters()) {
      if (parameter.requires_grad()) there += parameter.numel();  // weights that are fixed do not
    }
    EXPECT_EQ(said, there) << recipe.name;
    std::int64_t trained = 0;
    for (const NetworkImpl::Trained& item : network->trained()) trained += item.tensor.numel();
    EXPECT_EQ(trained, there) << recipe.name;
  }
}

class Exported : public ::testing::TestWithParam<std::pair<std::string, std::string>> {};

/// A network with every layer, both shortcuts and the activation in all places.
Recipe everything(const std::string& activation) {
  return parse_recipe(
             "name = \"everything\"\n[data]\nset = \"cifar10\"\nshape = [3, 13, 11]\nclasses = 4\n[activation]\n" +
                 activation + R"(
[network]
layers = [
  { type = "conv", channels = 6, kernel = 3, stride = 2, padding = 1, bias = false },
  { type = "batch_norm" },
  { type = "activation" },
  { type = "residual", channels = 6 },
  { type = "max_pool", kernel = 2, stride = 1 },
  { type = "residual", channels = 9, stride = 2, repeat = 2 },
  { type = "residual", channels = 12, stride = 2, shortcut = "pad" },
  { type = "conv", channels = 5, kernel = 1 },
  { type = "average_pool", kernel = 2, stride = 1 },
  { type = "activation" },
  { type = "global_average_pool" },
  { type = "flatten" },
  { type = "dense", features = 4 },
]
)",
             "r.toml")
      .value();
}

TEST_P(Exported, FilesGiveTheLogitsOfLibtorch) {
  const Recipe recipe = everything(GetParam().second);
  Network network = testing::network_of(recipe);
  network->eval();
  torch::NoGradGuard no_gradient;
  const torch::Tensor images = torch::randn({6, 3, 13, 11});
  const torch::Tensor wanted = network->forward(images, {}).logits;
  const auto graph = nn::read_onnx(nn::write_onnx(export_network(network, "everything")), "exported");
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  const float* pixels = images.contiguous().data_ptr<float>();
  const std::vector<float> logits = nn::run_reference(*graph, {pixels, static_cast<std::size_t>(images.numel())}, 6);
  const torch::Tensor given = torch::from_blob(const_cast<float*>(logits.data()), {6, 4});
  // Some twenty layers of single precision; x^2 twelve times over makes them grow.
  const double scale = std::max(1.0, wanted.abs().max().item<double>());
  EXPECT_LT((given - wanted).abs().max().item<double>(), 1e-4 * scale);
  EXPECT_GT(wanted.std().item<double>(), 0) << "a network that gives one answer tests nothing";
}

std::string name_of_form(const ::testing::TestParamInfo<std::pair<std::string, std::string>>& info) {
  return info.param.first;
}
INSTANTIATE_TEST_SUITE_P(Activations, Exported, ::testing::ValuesIn(testing::activations()), name_of_form);

/// Five steps on one quadratic bowl, here and in torch::optim.
template <class Theirs, class Options>
double difference(const OptimizerRecipe& recipe, const Options& options) {
  torch::manual_seed(8);
  torch::Tensor own = torch::randn({7}).requires_grad_(true);
  torch::Tensor other = own.detach().clone().requires_grad_(true);
  const torch::Tensor target = torch::randn({7});
  Optimizer optimizer(recipe, {{own, NetworkImpl::Role::weight, 1}});
  Theirs theirs({other}, options);
  for (int i = 0; i < 5; ++i) {
    optimizer.zero_gradient();
    (own - target).square().sum().backward();
    optimizer.step(recipe.rate);
    theirs.zero_grad();
    (other - target).square().sum().backward();
    theirs.step();
  }
  return (own - other).abs().max().template item<double>();
}

TEST(Optimizers, GoWhereThoseOfLibtorchGo) {
  OptimizerRecipe recipe;
  recipe.kind = OptimizerKind::sgd;
  recipe.rate = 0.05;
  recipe.weight_decay = 0.01;
  EXPECT_LT(difference<torch::optim::SGD>(
                recipe, torch::optim::SGDOptions(0.05).momentum(0.9).nesterov(true).weight_decay(0.01)),
            1e-6);
  recipe.kind = OptimizerKind::adamw;
  EXPECT_LT(difference<torch::optim::AdamW>(recipe, torch::optim::AdamWOptions(0.05).weight_decay(0.01)), 1e-6);
}

/// Muon's first step where singular values of the gradient lie far apart, and the weights along none of its directions.
TEST(Optimizers, MoveAllDirectionsOfAMatrixAlike) {
  constexpr double kRate = 0.5;
  OptimizerRecipe recipe;
  recipe.kind = OptimizerKind::muon;
  recipe.rate = kRate;
  recipe.adamw_rate = 0.25;
  recipe.momentum = 0;
  torch::manual_seed(9);
  for (const auto& [rows, columns] : {std::pair{8, 5}, std::pair{4, 7}}) {
    const int rank = std::min(rows, columns);
    const torch::Tensor u = std::get<0>(torch::linalg_qr(torch::randn({rows, rank})));
    const torch::Tensor v = std::get<0>(torch::linalg_qr(torch::randn({columns, rank})));
    torch::Tensor values = torch::logspace(0, -2, rank);
    values[rank - 1] = 0;
    const torch::Tensor gradient = u.matmul(values.diag()).matmul(v.t());
    torch::Tensor weight = 3 * u.slice(1, rank - 1).matmul(v.slice(1, rank - 1).t()).reshape({rows, columns, 1, 1});
    weight.requires_grad_(true);
    torch::Tensor bias = torch::zeros({2}).requires_grad_(true);
    Optimizer optimizer(recipe, {{weight, NetworkImpl::Role::weight, 1}, {bias, NetworkImpl::Role::bias, 1}});
    ((weight * gradient.reshape(weight.sizes())).sum() + bias.sum()).backward();
    optimizer.step(kRate);
    EXPECT_NEAR(bias[0].item<double>(), -0.25, 1e-6) << "AdamW's first step is its rate";
    EXPECT_NEAR(weight.norm().item<double>(), 3, 1e-5);
    const torch::Tensor along =
        u.t().matmul(weight.detach().reshape({rows, columns})).matmul(v).diagonal().to(torch::kFloat64).contiguous();
    const double kept = along[rank - 1].item<double>();
    EXPECT_NEAR(kept, 3 / std::sqrt(1 + kRate * kRate), 0.05);
    for (int i = 0; i < rank - 1; ++i) {
      EXPECT_NEAR(along[i].item<double>() / kept, -kRate / std::sqrt(rank - 1), 0.12) << i << " of " << rank;
    }
  }
}

TEST(Optimizers, GiveBiasesARateOfTheirOwn) {
  OptimizerRecipe recipe;
  recipe.bias_rate = 8;
  recipe.momentum = 0;
  recipe.weight_decay = 0;
  torch::Tensor weight = torch::zeros({1}).requires_grad_(true);
  torch::Tensor bias = torch::zeros({1}).requires_grad_(true);
  Optimizer optimizer(recipe, {{weight, NetworkImpl::Role::weight, 1}, {bias, NetworkImpl::Role::bias, 1}});
  (weight + bias).sum().backward();
  optimizer.step(0.125);
  EXPECT_EQ(weight.item<double>(), -0.125);
  EXPECT_EQ(bias.item<double>(), -1);
}

TEST(Optimizers, LeaveTheirRateWithTheSchedule) {
  OptimizerRecipe recipe;
  recipe.rate = 2;
  recipe.warm_up = 0.1;
  EXPECT_NEAR(rate_at(recipe, 0, 1000, 10), 0.02, 1e-12);
  EXPECT_NEAR(rate_at(recipe, 100, 1000, 10), 2, 1e-12);
  EXPECT_NEAR(rate_at(recipe, 550, 1000, 10), 1, 1e-12);
  EXPECT_NEAR(rate_at(recipe, 1000, 1000, 10), 0, 1e-12);
  recipe.schedule = Schedule::one_cycle;
  EXPECT_NEAR(rate_at(recipe, 0, 1000, 10), 0.08, 1e-12);
  EXPECT_NEAR(rate_at(recipe, 100, 1000, 10), 2, 1e-12);
  EXPECT_NEAR(rate_at(recipe, 1000, 1000, 10), 8e-6, 1e-12);
  recipe.schedule = Schedule::steps;
  recipe.steps = {30, 60};
  EXPECT_NEAR(rate_at(recipe, 299, 1000, 10), 2, 1e-12);
  EXPECT_NEAR(rate_at(recipe, 300, 1000, 10), 0.2, 1e-12);
  EXPECT_NEAR(rate_at(recipe, 999, 1000, 10), 0.02, 1e-12);
}

}  // namespace
}  // namespace obscura::train
