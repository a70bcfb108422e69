// SPDX-License-Identifier: Apache-2.0
#include "cli/save.h"

#include <fmt/format.h>

#include "base/files.h"
#include "cli/answers.h"
#include "cli/support.h"
#include "data/npy.h"

namespace obscura::cli {
namespace {

std::string ending_of(const std::string& path) { return std::filesystem::path(path).extension().string(); }

/// By RFC 4180.
std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

/// "probability_cat": one a class, or of a binary answer that of label 1.
std::string csv_head(const plan::AnswerSpec& spec, std::size_t classes, bool files) {
  const bool values = spec.kind == plan::AnswerKind::values;
  std::string out = files ? "image,file" : "image";
  if (!values) out += ",label,name";
  const auto add = [&](const char* what, std::size_t count) {
    for (std::uint32_t k = 0; k < count; ++k) {
      const std::uint32_t label = spec.kind == plan::AnswerKind::binary ? 1 : k;
      out += "," + csv_cell(fmt::format("{}_{}", what, client::name_of(spec, label)));
    }
  };
  add(values ? "answer" : "probability", spec.function == plan::AnswerFunction::argmax && values ? 1 : classes);
  add("logit", classes);
  return out + "\n";
}

std::string csv_line(const plan::AnswerSpec& spec, std::span<const float> row) {
  std::string out;
  if (spec.kind != plan::AnswerKind::values) {
    std::vector<std::string> names;
    const std::vector<std::uint32_t> labels = client::labels(spec, row);
    names.reserve(labels.size());
    for (const std::uint32_t label : labels) names.push_back(client::name_of(spec, label));
    out += fmt::format(",{},{}", fmt::join(labels, ";"), csv_cell(fmt::format("{}", fmt::join(names, ";"))));
    for (const double share : client::probabilities(spec, row)) out += fmt::format(",{:.6g}", share);
  } else {
    for (const double value : client::apply_function(spec.function, row)) out += fmt::format(",{:.9g}", value);
  }
  for (const float logit : row) out += fmt::format(",{}", logit);
  return out + "\n";
}

std::string to_csv(const plan::AnswerSpec& spec, const client::Logits& logits, const std::vector<std::string>& files) {
  std::string out = csv_head(spec, logits.classes, !files.empty());
  for (std::size_t i = 0; i < logits.images; ++i) {
    out += std::to_string(i);
    if (!files.empty()) out += "," + csv_cell(files[i]);
    out += csv_line(spec, row_of(logits, i));
  }
  return out;
}

}  // namespace

Result<void> check_save(const std::string& path) {
  if (path.empty()) return {};
  const std::string ending = ending_of(path);
  if (ending != ".csv" && ending != ".json" && ending != ".npy") {
    return error(Code::wrong_params, "--save {}: a name that ends in .csv, .json or .npy is wanted", path);
  }
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code ignored;
  if (!folder.empty() && !std::filesystem::is_directory(folder, ignored)) {
    return error(Code::io, "--save {}: {} is not a folder; make it before", path, folder.string());
  }
  return refuse_existing(path);
}

Result<void> save_answers(const std::string& path, const plan::AnswerSpec& spec, const client::Logits& logits,
                          const std::vector<std::string>& files, const Answer& answer) {
  constexpr base::OutputFile::Options kOwner{.overwrite = false, .secret = true};
  const std::string ending = ending_of(path);
  if (ending == ".npy")
    return base::write_file(path, data::write_npy(logits.values, logits.images, logits.classes), kOwner);
  const std::string text = ending == ".csv" ? to_csv(spec, logits, files) : json_text(answer.json, 2) + "\n";
  return base::write_file(path, base::as_bytes(text), kOwner);
}

}  // namespace obscura::cli
