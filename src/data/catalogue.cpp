// SPDX-License-Identifier: Apache-2.0
#include "data/catalogue.h"

#include <algorithm>

#include "data/dataset.h"

namespace obscura::data {
namespace {

std::vector<std::string> names_where(bool (*holds)(const Facts&)) {
  std::vector<std::string> names;
  for (const Facts& facts : catalogue()) {
    if (holds(facts)) names.push_back(facts.name);
  }
  return names;
}

}  // namespace

const std::vector<Facts>& catalogue() {
  const std::vector<std::string> two = {"train", "test"};
  const std::vector<std::string>& three = split_names();
  const std::vector<std::string> digits = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
  static const std::vector<Facts> sets = {
      {"mnist", Layout::mnist, two, digits, ""},
      {"fashion-mnist",
       Layout::mnist,
       two,
       {"T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"},
       ""},
      {"cifar10",
       Layout::cifar_png,
       two,
       {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"},
       ""},
      {"pneumoniamnist", Layout::medmnist, three, {"normal", "pneumonia"}, "MedMNIST v2 (medmnist.com)"},
      {"breastmnist", Layout::medmnist, three, {"malignant", "normal or benign"}, "MedMNIST v2 (medmnist.com)"},
      {"bccd",
       Layout::cifar_binary,
       three,
       {"red blood cell", "white blood cell", "platelets"},
       "the BCCD data set (github.com/Shenggan/BCCD_Dataset)"},
      {"imagenet-sample", Layout::sample, two, {}, "photographs of your own or of ImageNet (image-net.org)"},
  };
  return sets;
}

const Facts* find_facts(const std::string& name) {
  const auto& sets = catalogue();
  const auto found = std::find_if(sets.begin(), sets.end(), [&](const Facts& facts) { return facts.name == name; });
  return found == sets.end() ? nullptr : &*found;
}

const std::vector<std::string>& dataset_names() {
  static const std::vector<std::string> names = names_where([](const Facts&) { return true; });
  return names;
}

const std::vector<std::string>& fetchable_names() {
  static const std::vector<std::string> names = names_where([](const Facts& facts) { return facts.where.empty(); });
  return names;
}

const std::vector<std::string>& split_names() {
  static const std::vector<std::string> names = {"train", "val", "test"};
  return names;
}

}  // namespace obscura::data
