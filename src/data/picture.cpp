// SPDX-License-Identifier: Apache-2.0
#include "data/picture.h"

#include <fmt/format.h>

#include "data/resize.h"

namespace obscura::data {
namespace {

/// The picture as planes of `channels` channels, rounded to whole samples.
std::vector<std::uint16_t> to_planes(const Picture& picture, std::size_t channels) {
  const std::size_t area = picture.height * picture.width;
  const std::vector<std::uint16_t>& in = picture.samples;
  std::vector<std::uint16_t> out(channels * area);
  for (std::size_t i = 0; i < area; ++i) {
    if (channels == 1 && picture.channels == 3) {
      const std::uint32_t sum = 299U * in[3 * i] + 587U * in[3 * i + 1] + 114U * in[3 * i + 2];
      out[i] = static_cast<std::uint16_t>((sum + 500) / 1000);
      continue;
    }
    for (std::size_t c = 0; c < channels; ++c) {
      out[c * area + i] = picture.channels == 3 ? in[3 * i + c] : in[i];
    }
  }
  return out;
}

/// "; --resize resizes it", where there is such an option.
std::string way_out(const std::string& option, const char* does) {
  return option.empty() ? "" : fmt::format("; {} {}", option, does);
}

}  // namespace

Result<void> check_picture(const std::string& name, std::size_t height, std::size_t width, const ImageShape& wanted,
                           const Fitting& fitting) {
  if (wanted.channels != 1 && wanted.channels != 3) {
    return error(Code::unsupported,
                 "{}: a picture gives 1 or 3 channels, but the network takes {}; an array of numpy (.npy) can hold {}",
                 name, wanted.channels, to_string(wanted));
  }
  if (wanted.is_vector() && height * width == wanted.width) return {};
  if (height == wanted.height && width == wanted.width) return {};
  if (wanted.is_vector()) {
    return error(Code::unsupported,
                 "{}: a picture of {}x{} pixels (height x width); one of {} pixels in all is wanted{}", name, height,
                 width, wanted.width,
                 fitting.resize ? ", which leaves open what size to resize it to: resize it before" : "");
  }
  if (fitting.resize) return {};
  return error(Code::unsupported, "{}: a picture of {}x{} pixels (height x width); {}x{} is wanted{}", name, height,
               width, wanted.height, wanted.width, way_out(fitting.resize_option, "resizes it"));
}

Dataset to_image(const Picture& picture, const std::string& name, const ImageShape& wanted) {
  OBSCURA_CHECK(picture.height * picture.width == wanted.height * wanted.width, "{}x{} pixels for {}", picture.height,
                picture.width, to_string(wanted));
  Dataset out;
  out.name = name;
  out.channels = wanted.channels;
  out.height = wanted.height;
  out.width = wanted.width;
  out.available = 1;
  const std::vector<std::uint16_t> planes = to_planes(picture, wanted.channels);
  if (picture.largest == 255) {
    out.pixels.assign(planes.begin(), planes.end());
  } else {
    for (const std::uint16_t sample : planes) out.values.push_back(static_cast<float>(sample / 65535.0));
  }
  return out;
}

Result<Dataset> fit_picture(Picture picture, const std::string& name, const ImageShape& wanted,
                            const Fitting& fitting) {
  const bool other_colour = picture.channels != wanted.channels;
  const char* has = picture.channels == 3 ? "colour" : "grey";
  const char* takes = wanted.channels == 3 ? "colour" : "grey";
  if (other_colour && !fitting.recolour) {
    return error(Code::unsupported, "{}: a picture in {}, but the network takes {}{}", name, has, takes,
                 way_out(fitting.recolour_option, "converts it"));
  }
  std::string changed;
  if (!wanted.is_vector() && (picture.height != wanted.height || picture.width != wanted.width)) {
    changed = fmt::format("resized from {}x{} to {}x{}", picture.height, picture.width, wanted.height, wanted.width);
    picture = resize(picture, wanted.height, wanted.width);
  }
  if (other_colour) changed += fmt::format("{}converted from {} to {}", changed.empty() ? "" : ", ", has, takes);
  Dataset out = to_image(picture, name, wanted);
  out.changed = changed;
  return out;
}

}  // namespace obscura::data
