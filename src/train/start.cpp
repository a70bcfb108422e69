// SPDX-License-Identifier: Apache-2.0
#include "train/start.h"

#include <filesystem>
#include <map>

#include "base/files.h"
#include "base/random.h"
#include "nn/onnx.h"

namespace obscura::train {
namespace {

/// One tensor of the network, and what to say of it.
struct Place {
  nn::Op op;
  std::string layer;
  std::vector<torch::Tensor> tensors;  ///< in the order of the node's inputs after the first
};

/// In the order in which export_network writes them.
std::vector<Place> places_of(const Network& network) {
  std::vector<Place> out;
  const auto weighted = [&](nn::Op op, const std::string& name, const torch::Tensor& weight,
                            const torch::Tensor& bias) {
    out.push_back({op, name, {weight}});
    if (bias.defined()) out.back().tensors.push_back(bias);
  };
  for (std::size_t i = 0; i < network->steps.size(); ++i) {
    const NetworkImpl::Parts& parts = network->parts[i];
    const std::string& name = network->steps[i].name;
    if (parts.conv) weighted(nn::Op::conv, name, parts.conv->weight, parts.conv->bias);
    if (parts.norm) {
      const auto& norm = parts.norm;
      out.push_back(
          {nn::Op::batch_normalization, name, {norm->weight, norm->bias, norm->running_mean, norm->running_var}});
    }
    if (parts.dense) weighted(nn::Op::gemm, name, parts.dense->weight, parts.dense->bias);
  }
  return out;
}

Result<void> fill(const Place& place, const nn::Graph& graph, const nn::Node& node, const std::string& path) {
  if (node.op != place.op || node.inputs.size() != place.tensors.size() + 1) {
    return error(Code::unsupported,
                 "{}: node '{}' is a {} with {} constants where the recipe's layer {} is a {} with {}", path, node.name,
                 nn::to_string(node.op), node.inputs.size() - 1, place.layer, nn::to_string(place.op),
                 place.tensors.size());
  }
  for (std::size_t i = 0; i < place.tensors.size(); ++i) {
    const nn::Value& value = graph.values[node.inputs[i + 1]];
    const nn::Shape wanted = place.tensors[i].sizes().vec();
    if (!value.constant || value.shape != wanted) {
      return error(Code::unsupported, "{}: node '{}' has a constant of {} where the recipe's layer {} has {}", path,
                   node.name, nn::to_string(value.shape), place.layer, nn::to_string(wanted));
    }
    const torch::Tensor from =
        torch::from_blob(const_cast<float*>(value.constant->data.data()), wanted, torch::kFloat32);
    torch::Tensor(place.tensors[i]).copy_(from);
  }
  return {};
}

/// The coefficients of trained polynomials, by the names that export_network gives them, where the file has some.
Result<void> fill_coefficients(const Network& network, const nn::Graph& graph, const std::string& path) {
  std::map<std::string, const nn::Value*> constants;
  for (const nn::Value& value : graph.values) {
    if (value.constant) constants[value.name] = &value;
  }
  for (std::size_t i = 0; i < network->steps.size(); ++i) {
    const Activation& activation = network->parts[i].activation;
    if (!activation || !activation->coefficients.defined() || !activation->coefficients.requires_grad()) continue;
    for (std::int64_t power = 0; power < activation->coefficients.size(0); ++power) {
      const torch::Tensor to = activation->coefficients[power];
      const auto found = constants.find(fmt::format("{}.c{}", network->steps[i].name, power));
      if (found == constants.end() && power == 0) break;
      if (found == constants.end()) {  // a power whose coefficients are all 0 is not written
        to.zero_();
        continue;
      }
      const nn::Shape wanted = to.sizes().vec();
      if (found->second->shape != wanted) {
        return error(Code::unsupported, "{}: constant '{}' is {} where the recipe's activation has {}", path,
                     found->first, nn::to_string(found->second->shape), nn::to_string(wanted));
      }
      auto* data = const_cast<float*>(found->second->constant->data.data());
      to.copy_(torch::from_blob(data, wanted, torch::kFloat32));
    }
  }
  return {};
}

}  // namespace

Result<std::string> start_from(const std::filesystem::path& path, Network network) {
  OBSCURA_TRY(const base::Bytes bytes, base::read_file(path, nn::kMaxOnnxBytes));
  OBSCURA_TRY(const nn::Graph graph, nn::read_onnx(bytes, path.string()));
  torch::NoGradGuard no_gradient;
  const std::vector<Place> places = places_of(network);
  std::size_t next = 0;
  for (const nn::Node& node : graph.nodes) {
    if (node.op != nn::Op::conv && node.op != nn::Op::batch_normalization && node.op != nn::Op::gemm) continue;
    if (next == places.size()) {
      return error(Code::unsupported, "{}: node '{}' comes after the {} layers with weights that the recipe has",
                   path.string(), node.name, places.size());
    }
    OBSCURA_TRY_VOID(fill(places[next++], graph, node, path.string()));
  }
  if (next < places.size()) {
    return error(Code::unsupported, "{}: has {} layers with weights, the recipe {}: the first that is missing is {}",
                 path.string(), next, places.size(), places[next].layer);
  }
  OBSCURA_TRY_VOID(fill_coefficients(network, graph, path.string()));
  const auto digest = base::digest(bytes);
  return std::string(digest.begin(), digest.end());
}

}  // namespace obscura::train
