// SPDX-License-Identifier: Apache-2.0
/// The tables of a store, version by version (Database::open). Both databases have the same, by the same names.
#pragma once

#include <vector>

namespace obscura::service {

const std::vector<const char*>& sqlite_tables();
const std::vector<const char*>& postgresql_tables();

}  // namespace obscura::service
