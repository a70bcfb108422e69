// SPDX-License-Identifier: Apache-2.0
/// Recipes: all that decides what a training gives, read from TOML. docs/TRAINING.md has every key.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "nn/graph.h"

namespace obscura::train {

enum class ActivationKind {
  relu,       ///< max(0, x): for teachers; no polynomial
  square,     ///< x^2, fixed
  swish4,     ///< degree 4, least squares fit of Swish on [-range, range], fixed (Ishiyama et al. 2020)
  quadratic,  ///< c0 + c1 x + c2 x^2, trained
  degree4,    ///< c0 + ... + c4 x^4, trained
  hermite,    ///< Hermite basis of degree 2, each part normalised over the batch (AESPA's HerPN), trained
};
/// What shares one set of coefficients.
enum class Sharing { layer, channel, element };
enum class LayerKind {
  conv,
  batch_norm,
  activation,
  average_pool,
  max_pool,
  global_average_pool,
  flatten,
  dense,
  residual,
};
enum class Shortcut {
  projection,  ///< 1x1 convolution and batch norm where the shape changes
  pad,         ///< every stride-th pixel, and channels of zeros where the shape changes
};
/// What the weights of a convolution are before the first step.
enum class FirstWeights {
  drawn,     ///< at random, as libtorch does
  patches,   ///< whitens the patches of the training images; see weights.h
  identity,  ///< hands its input channels on; see weights.h
};
enum class Flip {
  never,
  drawn,      ///< every second image of a batch, at random
  alternate,  ///< every second epoch of an image (Jordan 2024, arXiv 2404.00498)
};
enum class Fill {
  black,
  reflect,  ///< the image mirrored at its border pixels
};
enum class OptimizerKind { sgd, adamw, muon };
enum class Schedule { cosine, one_cycle, steps };

struct ActivationRecipe {
  ActivationKind kind = ActivationKind::relu;
  Sharing per = Sharing::layer;
  std::vector<double> initial;  ///< coefficients from x^0 up, of the polynomials; filled in where absent
  double range = 6;             ///< the soft bound of |x|; of swish4 also the range of the fit
  double penalty = 0;           ///< times the mean of max(0, |x| - range)^2, added to the loss
  double limit = 0;             ///< of polynomials: while training, arguments beyond it are held at it; 0 = none are
  double tail = 0;              ///< times the mean over images of ln max(1, max |x| / range), added to the loss
  double rate = 1;              ///< times the learning rate, for the coefficients
  std::array<double, 2> blend{0, 0};  ///< epochs between which ReLU turns into the polynomial; {0, 0}: at once
};

struct LayerRecipe {
  LayerKind kind = LayerKind::conv;
  std::string place;                           ///< "file:line", for messages
  std::int64_t channels = 0;                   ///< conv, residual: out; dense: features out
  std::int64_t kernel = 1;                     ///< conv, average_pool, max_pool
  std::int64_t stride = 1;                     ///< conv, pools; residual: of the first block
  std::int64_t padding = 0;                    ///< conv: zeros on each side
  bool bias = true;                            ///< conv, dense
  FirstWeights weights = FirstWeights::drawn;  ///< conv
  bool fixed = false;                          ///< conv: the weights are not trained
  double epsilon = 1e-3;                       ///< batch_norm
  double momentum = 0.1;                       ///< batch_norm: share of a batch in the running statistics
  ActivationRecipe activation;
  Shortcut shortcut = Shortcut::projection;
  std::int64_t repeat = 1;  ///< residual: blocks one after the other
};

struct DataRecipe {
  std::string set;
  nn::Shape shape;  ///< {C, H, W}
  std::int64_t classes = 0;
  std::vector<double> mean;                ///< per channel; input = (pixel / 255 - mean) / std
  std::vector<double> std;                 ///< per channel
  base::Standardisation standardise = {};  ///< of each image, after that
  double validation = 0;                   ///< share of the training images held out; 0: the set's own "val" split
  std::uint64_t split_seed = 1;
};

struct AugmentationRecipe {
  double rotation = 0;      ///< degrees, either way
  double zoom = 0;          ///< share, either way
  double shift = 0;         ///< share of the side, either way
  double elastic = 0;       ///< pixels: deviation of a smooth random displacement
  std::int64_t crop = 0;    ///< pixels by which the image may be moved
  Fill fill = Fill::black;  ///< what comes in where it moved away
  Flip flip = Flip::never;  ///< left and right
  std::int64_t cutout = 0;  ///< side of a square that is blanked
  double mixup = 0;         ///< alpha of the Beta distribution of the shares of two images in one; 0 = none are mixed
};

struct TrainingRecipe {
  std::uint64_t seed = 1;
  std::filesystem::path start;  ///< ONNX of a network of the same layers whose weights are the first; empty: drawn
  std::int64_t epochs = 50;
  std::int64_t batch = 128;
  double label_smoothing = 0;
  double clip = 1;                    ///< largest norm of the gradient; 0 = none
  double average_decay = 0;           ///< moving average of the weights, one step a batch; 0 = none
  std::int64_t fixed_statistics = 0;  ///< last epochs in which normalisations use their running statistics
  double outliers = 0;                ///< share of a batch, of images of no data set; see outliers.h
  std::int64_t patience = 0;          ///< epochs without a better validation after which it ends; 0 = never
  bool reduced_precision = false;     ///< convolutions in bfloat16 while training; evaluation is in float32
};

struct OptimizerRecipe {
  OptimizerKind kind = OptimizerKind::sgd;
  double rate = 0.1;          ///< the largest
  double adamw_rate = 0.003;  ///< muon: the largest rate of what is no convolution's weight
  double momentum = 0.9;
  double weight_decay = 5e-4;  ///< of the weights of convolutions and dense layers alone
  double bias_rate = 1;        ///< times the rate, for biases, those of batch norms too
  Schedule schedule = Schedule::cosine;
  double warm_up = 0.05;      ///< share of the run in which the rate rises (cosine, one-cycle)
  std::vector<double> steps;  ///< epochs after which the rate is multiplied by `factor`
  double factor = 0.1;
};

struct TeacherRecipe {
  std::filesystem::path model;  ///< ONNX
  double temperature = 4;
  double weight = 0.7;            ///< share of the distillation in the loss
  double features = 0;            ///< times the mean squared distance of the activations' outputs
  std::vector<double> mean, std;  ///< of the teacher's input; absent: the student's
};

struct Recipe {
  std::string name;
  DataRecipe data;
  AugmentationRecipe augmentation;
  std::vector<LayerRecipe> layers;
  TrainingRecipe training;
  OptimizerRecipe optimizer;
  std::optional<TeacherRecipe> teacher;
  std::string canonical;  ///< the merged text, sorted and without comments: what a checkpoint is bound to
};

/// What the command line may say in place of the recipe.
struct Overrides {
  std::optional<std::uint64_t> seed;
  std::optional<std::int64_t> epochs;
  std::optional<std::filesystem::path> teacher;
};

/// A recipe and what it names as `base` (a path relative to it): keys of the recipe stand in place of those of the
/// base, table by table. Files above 1 MiB and chains of more than four are refused.
/// errors  bad_format: not TOML; unsupported: a key that is not known (with the nearest that is), of the wrong type or
///         out of range, each with file, line and what is allowed; layers whose shapes do not fit.
Result<Recipe> read_recipe(const std::filesystem::path& path, const Overrides& overrides = {});
/// The same from a text; `path` stands in messages and says where a base is looked for.
Result<Recipe> parse_recipe(const std::string& text, const std::filesystem::path& path,
                            const Overrides& overrides = {});

}  // namespace obscura::train
