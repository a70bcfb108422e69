// SPDX-License-Identifier: Apache-2.0
/// What client.cpp and server.cpp have in common: the harness' folders, and how a stage ends. The harness starts each
/// stage in the suite's folder with the number of a size.
#pragma once

#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>

#include "obscura/result.h"

namespace stages {

/// io/SIZE and datasets/SIZE of the suite, with Obscura's files in the folders that the harness measures.
struct Places {
  std::filesystem::path plan, offer, keys, secret, pixels, images, answer, labels;
};

inline Places places(const std::string& number) {
  static constexpr const char* kNames[] = {"single", "small", "medium", "large"};
  if (number.size() != 1 || number[0] < '0' || number[0] > '3') {
    throw std::invalid_argument("size " + number + ": 0 (single) to 3 (large) are allowed");
  }
  const std::string name = kNames[number[0] - '0'];
  const std::filesystem::path plans = "submission/plans", io = std::filesystem::path("io") / name;
  return {plans / (name + ".plan"),
          plans / (name + ".offer"),
          io / "public_keys" / "eval.keys",
          io / "secret_key" / "secret.key",
          std::filesystem::path("datasets") / name / "intermediate" / "test_pixels.txt",
          io / "ciphertexts_upload" / "images.enc",
          io / "ciphertexts_download" / "answer.enc",
          io / "encrypted_model_predictions.txt"};
}

template <class T>
T value_of(obscura::Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.error().message);
  return std::move(result).value();
}

inline void value_of(const obscura::Result<void>& result) {
  if (!result.ok()) throw std::runtime_error(result.error().message);
}

/// run(stage), whose name is the program's; 1 and a sentence where it throws.
template <class Run>
int run_stage(const char* program, Run run) {
  const std::string stage = std::filesystem::path(program).filename().string();
  try {
    run(stage);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", stage.c_str(), error.what());
    return 1;
  }
}

}  // namespace stages
