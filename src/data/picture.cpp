// SPDX-License-Identifier: Apache-2.0
#include "data/picture.h"

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

}  // namespace

Result<void> check_picture(const std::string& name, std::size_t height, std::size_t width, const ImageShape& wanted) {
  if (wanted.channels != 1 && wanted.channels != 3) {
    return error(Code::unsupported,
                 "{}: a picture gives 1 or 3 channels, but the network takes {}; an array of numpy (.npy) can hold {}",
                 name, wanted.channels, to_string(wanted));
  }
  if (wanted.is_vector() && height * width == wanted.width) return {};
  if (height == wanted.height && width == wanted.width) return {};
  return error(Code::unsupported, "{}: a picture of {}x{} pixels (height x width); {} is wanted", name, height, width,
               wanted.is_vector() ? fmt::format("one of {} pixels in all", wanted.width)
                                  : fmt::format("{}x{}", wanted.height, wanted.width));
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

}  // namespace obscura::data
