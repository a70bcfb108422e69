// SPDX-License-Identifier: Apache-2.0
#include "api/polynomials.h"

#include <utility>

#include "calibrate/ranges_file.h"

namespace obscura::api {

Result<calibrate::Chooser> make_chooser(const nn::Graph& graph, const TrainingData& training,
                                        const Normalization& normalization, const RangeOptions& ranges,
                                        calibrate::Report report, calibrate::Measured what, int most_levels) {
  const bool measured = !ranges.file.empty();
  if (measured && ranges.images) {
    return error(Code::wrong_params, "--calibration-images: the ranges of {} are measured already", ranges.file);
  }
  OBSCURA_TRY(const std::vector<float> images,
              calibration_images(graph, training, normalization, ranges.images,
                                 measured ? calibrate::kSensitivityImages : calibrate::kRangeImages));
  std::optional<calibrate::Calibration> calibration;
  if (measured) {
    OBSCURA_TRY(calibration, calibrate::read_ranges_file(ranges.file, graph));
  }
  return calibrate::Chooser::make(graph, images, ranges.margin, std::move(calibration), std::move(report), what,
                                  most_levels);
}

Result<calibrate::Choice> choose(calibrate::Chooser& chooser, const PolynomialChoice& how) {
  if (how.alpha) return chooser.alike(*how.alpha);
  if (how.depth) return chooser.layerwise({calibrate::Budget::Of::depth, *how.depth});
  if (how.products) return chooser.layerwise({calibrate::Budget::Of::products, *how.products});
  return chooser.automatic(how.max_loss);
}

}  // namespace obscura::api
