// SPDX-License-Identifier: Apache-2.0
/// A trained network in ONNX as a teacher.
#pragma once

#include <torch/torch.h>

#include "train/recipe.h"

namespace obscura::train {

/// Runs a graph with libtorch's operations, without gradients.
class Teacher {
 public:
  /// errors  the file is absent or no network; input or classes other than those of the recipe; response
  ///         normalisation (LRN).
  static Result<Teacher> load(const Recipe& recipe, torch::Device device);

  struct Output {
    torch::Tensor logits;
    std::vector<torch::Tensor> activations;  ///< outputs of its functions, in the order of the file
  };
  /// pixels / 255 {n, C, H, W} on the device; with `reduced_precision` convolutions are in bfloat16.
  Output run(const torch::Tensor& images, bool reduced_precision = false) const;
  /// Shapes of the activations for one image.
  const std::vector<nn::Shape>& activation_shapes() const { return activation_shapes_; }
  /// BLAKE2b of the file: what a checkpoint is bound to.
  const std::string& digest() const { return digest_; }

 private:
  torch::Tensor apply(const nn::Node& node, const std::vector<torch::Tensor>& values, bool reduced_precision) const;

  nn::Graph graph_;
  std::vector<torch::Tensor> constants_;  ///< by value; undefined where it is computed
  std::vector<nn::Shape> activation_shapes_;
  torch::Tensor mean_, deviation_;
  std::string digest_;
};

/// (1 - w) cross entropy with labels, indices {n} or shares {n, classes}, + w T^2 KL(softmax(teacher / T) ||
/// softmax(student / T)) (Hinton et al. 2015).
torch::Tensor distillation_loss(const torch::Tensor& student, const torch::Tensor& teacher, const torch::Tensor& labels,
                                const TeacherRecipe& recipe, double label_smoothing);

/// Sum over the pairs of mean (student - teacher)^2 / mean teacher^2.
torch::Tensor feature_loss(const std::vector<torch::Tensor>& student, const std::vector<torch::Tensor>& teacher);

}  // namespace obscura::train
