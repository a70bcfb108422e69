// SPDX-License-Identifier: Apache-2.0
/// What is known of each data set: the one list behind every name on a command line.
#pragma once

#include <string>
#include <vector>

namespace obscura::data {

/// How the files of a data set are laid out.
enum class Layout {
  mnist,         ///< idx files train-images-idx3-ubyte, ...; the test split is called t10k
  medmnist,      ///< idx files whose names start with the split's
  cifar_png,     ///< PNG files of one image a row, labels as JSON
  cifar_binary,  ///< <split>.bin, records of one label and 3072 pixels
  sample,        ///< planar images, labels of 16 bits and names of classes in three files; see sample.h
};

struct Facts {
  std::string name;
  Layout layout = Layout::mnist;
  std::vector<std::string> splits;
  std::vector<std::string> classes;  ///< empty: they stand in a file of the set
  std::string where;  ///< of a set that fetch() does not bring: where to get it. Empty: fetch() brings it
};

/// In the order in which they are listed.
const std::vector<Facts>& catalogue();

/// Null where the name is not known.
const Facts* find_facts(const std::string& name);

}  // namespace obscura::data
