// SPDX-License-Identifier: Apache-2.0
/// The ranks that mpirun or srun started. MPI is called in mpi/module.cpp alone, a shared object of its own that a
/// program loads when it is asked for: programs link nothing of MPI, and run where there is none.
#pragma once

#include <memory>
#include <string>

#include "base/check.h"
#include "run/ranks.h"

namespace obscura::mpi {

/// All processes of the job (MPI_COMM_WORLD). Its end waits for that of all others; where this process fails, only
/// abort() ends it, and them.
class World : public run::Ranks {
 public:
  virtual std::string host() const = 0;
  /// Does not return.
  virtual void abort(int status) = 0;
};

/// Once in a process. `program` is the file that runs: the module stands beside it, or is installed as its
/// ../lib/obscura/obscura_mpi.so.
/// errors  unsupported: built without MPI; not loaded, and why
Result<std::unique_ptr<World>> start(const std::string& program = "/proc/self/exe");

}  // namespace obscura::mpi
