// SPDX-License-Identifier: Apache-2.0
/// Clients' keys that are loaded, with the plan that they are for: the least recently used go first where all together
/// would take more than a limit. Those of one model share its encoded weights.
#pragma once

#include <filesystem>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "server/server.h"

namespace obscura::worker {

class Sessions {
 public:
  explicit Sessions(std::uint64_t memory) : memory_(memory) {}
  using Session = std::shared_ptr<const server::ClientSession>;
  /// The session of a model and a file of keys, loaded where it is not.
  /// errors  those of server::make_session; infeasible: it would take more than the limit by itself
  /// threads concurrent; one loads at a time
  Result<Session> get(const std::string& model, const wire::NamedPlan& plan, const std::string& key,
                      const std::filesystem::path& file);
  /// Lets go of a key's sessions; those at work end first.
  void forget(const std::string& key);

 private:
  std::uint64_t taken() const;
  struct Entry {
    std::string model, key;
    Session session;
  };
  std::uint64_t memory_;
  std::shared_ptr<ckks::Resources> resources_ = ckks::Resources::make();
  std::mutex mutex_;
  std::list<Entry> entries_;  ///< the most recently used first
};

}  // namespace obscura::worker
