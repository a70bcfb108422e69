// SPDX-License-Identifier: Apache-2.0
#include "api/settings.h"

#include <algorithm>
#include <cmath>

#include "api/shape.h"
#include "base/normalise.h"

namespace obscura::api {
namespace {

/// One number a channel, from the file where `own` has none. Whether it took them.
/// errors: the file's are other than one a channel, not finite, or (where it must not be) not above 0.
Result<bool> take(std::vector<double>& own, const std::vector<double>& file, const char* key, const char* option,
                  bool above_zero, const nn::Graph& graph, const std::string& network, Caller caller) {
  if (!own.empty() || file.empty()) return false;
  const auto channels = static_cast<std::size_t>(graph.values[graph.input].shape.front());
  if (file.size() != channels) {
    return error(Code::wrong_params,
                 "{}: its metadata '{}' has {}, but its images have {}; one for each is allowed: give {}, which "
                 "goes before the file's",
                 network, key, plural(file.size(), "number"), plural(channels, "channel"), option_name(caller, option));
  }
  for (const double value : file) {
    if (std::isfinite(value) && (value > 0 || !above_zero)) continue;
    return error(Code::wrong_params, "{}: its metadata '{}' has the number {}; finite{} is allowed: give {}", network,
                 key, value, above_zero ? " and above 0" : "", option_name(caller, option));
  }
  own = file;
  return true;
}

/// errors: class names of the file that the network has no outputs for.
Result<void> check_class_names(const nn::Graph& graph, const std::string& network, Caller caller) {
  const std::size_t names = graph.metadata.class_names.size();
  const std::size_t outputs = outputs_of(graph);
  if (names == 0 || names == outputs || (names == 2 && outputs == 1)) return {};
  return error(Code::wrong_params,
               "{}: its metadata 'obscura.classes' has {}, but it has {}; one for each is allowed: give {}, "
               "which goes before the file's",
               network, plural(names, "name"), plural(outputs, "output"), option_name(caller, "class-names"));
}

void note(Settings& settings, bool taken, const char* what) {
  if (taken) settings.from_file.emplace_back(what);
}

}  // namespace

Result<void> check_normalization(const Normalization& normalization, std::size_t channels, Caller caller) {
  const auto check = [&](const std::string& name, const std::vector<double>& values,
                         bool zero_allowed) -> Result<void> {
    if (!values.empty() && values.size() != channels) {
      return error(Code::wrong_params, "{}: {} numbers given, but the images have {} channels", name, values.size(),
                   channels);
    }
    for (const double value : values) {
      if (!std::isfinite(value) || (!zero_allowed && value <= 0)) {
        return error(Code::wrong_params, "{}: {} is not allowed here (a finite number{})", name, value,
                     zero_allowed ? "" : " above 0");
      }
    }
    return {};
  };
  if (normalization.bgr && channels != 3) {
    return error(Code::wrong_params, "--bgr: the images have {} channels; only three have an order", channels);
  }
  OBSCURA_TRY_VOID(check(option_name(caller, "mean"), normalization.mean, true));
  OBSCURA_TRY_VOID(check(option_name(caller, "std"), normalization.std, false));
  const auto fault = base::fault_of(normalization.standardise.value_or(base::Standardisation{}));
  if (fault) return error(Code::wrong_params, "{}: {}", option_name(caller, "standardise"), *fault);
  return {};
}

Result<void> refuse_bgr(const Normalization& normalization) {
  if (!normalization.bgr) return {};
  return error(Code::unsupported,
               "--bgr: a plan takes red, green, blue; swap the input channels of the network's first convolution, and "
               "give --mean and --std in the order red, green, blue");
}

std::vector<float> normalise(std::span<const float> images, const data::ImageShape& shape,
                             const Normalization& normalization) {
  const base::Normaliser normaliser{shape.channels, shape.height * shape.width, normalization.mean, normalization.std,
                                    normalization.standardise.value_or(base::Standardisation{})};
  if (!normalization.bgr) return base::normalise(images, normaliser);
  std::vector<float> turned(images.begin(), images.end());
  const auto plane = static_cast<std::ptrdiff_t>(normaliser.plane);
  for (auto red = turned.begin(); red != turned.end(); red += 3 * plane) {
    std::swap_ranges(red, red + plane, red + 2 * plane);
  }
  return base::normalise(turned, normaliser);
}

Result<void> take_normalization(Settings& settings, const nn::Graph& graph, const std::string& network) {
  Normalization& own = settings.normalization;
  const nn::Metadata& file = graph.metadata;
  OBSCURA_TRY(const bool mean,
              take(own.mean, file.mean, "obscura.mean", "mean", false, graph, network, settings.caller));
  OBSCURA_TRY(const bool std,
              take(own.std, file.std, "obscura.deviation", "std", true, graph, network, settings.caller));
  note(settings, mean, "mean");
  note(settings, std, "std");
  note(settings, !own.standardise && file.standardise, "standardise");
  if (!own.standardise) own.standardise = file.standardise;
  return check_normalization(own, static_cast<std::size_t>(graph.values[graph.input].shape.front()), settings.caller);
}

Result<void> take_metadata(Settings& settings, const nn::Graph& graph, const std::string& network) {
  OBSCURA_TRY_VOID(take_normalization(settings, graph, network));
  const nn::Metadata& file = graph.metadata;
  if (settings.class_names.empty()) {
    OBSCURA_TRY_VOID(check_class_names(graph, network, settings.caller));
    settings.class_names = file.class_names;
    note(settings, !file.class_names.empty(), "class_names");
  }
  note(settings, !settings.headroom && file.headroom_bits, "headroom");
  if (!settings.headroom) settings.headroom = file.headroom_bits;
  note(settings, !settings.max_error && file.max_error, "max_error");
  if (!settings.max_error) settings.max_error = file.max_error;
  return {};
}

void apply(const Settings& settings, compile::Options& options) {
  options.mean = settings.normalization.mean;
  options.std = settings.normalization.std;
  options.standardise = settings.normalization.standardise.value_or(base::Standardisation{});
  options.class_names = settings.class_names;
  options.headroom_bits = settings.headroom;
  options.max_error_std = settings.max_error.value_or(0);
  options.answer = settings.answer;
}

}  // namespace obscura::api
