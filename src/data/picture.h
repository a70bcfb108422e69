// SPDX-License-Identifier: Apache-2.0
/// Pictures as PNG and JPEG files hold them, on their way to images of a network.
#pragma once

#include "data/dataset.h"

namespace obscura::data {

/// Largest height and width that is read.
inline constexpr std::size_t kMaxSide = 4096;
/// Files of one picture above this size are refused before they are decoded.
inline constexpr std::uint64_t kMaxPictureBytes = 64ULL << 20;

/// The samples of a file as they are stored, pixel after pixel.
struct Picture {
  std::size_t height = 0;
  std::size_t width = 0;
  std::size_t channels = 1;     ///< 1: grey; 3: red, green, blue
  std::uint16_t largest = 255;  ///< the sample that is white: 255, or 65535
  std::vector<std::uint16_t> samples;
};

/// What may be done to a picture that is unlike what a network takes.
struct Fitting {
  bool resize = false;   ///< else another size is refused
  bool recolour = true;  ///< else colour for a grey network is refused, and grey for one of colour
  /// Options of the command line by which a user asks for either; they stand in the refusals.
  std::string resize_option = {}, recolour_option = {};
};

/// To be asked before a picture is decoded. A network on a vector takes every picture of as many pixels.
/// errors: another size, naming both, unless it may be resized (for a vector no size is known); a network that takes
/// neither 1 nor 3 channels.
Result<void> check_picture(const std::string& name, std::size_t height, std::size_t width, const ImageShape& wanted,
                           const Fitting& fitting = {});

/// One image of the wanted shape, which check_picture found fit: bytes, or floats where the picture has 16 bits. Colour
/// becomes grey by 0.299 R + 0.587 G + 0.114 B where one channel is wanted, grey is repeated where three are.
Dataset to_image(const Picture& picture, const std::string& name, const ImageShape& wanted);

/// The same of a picture of any size, which is resized where it has another; Dataset::changed says what was done.
/// errors: colour where grey is wanted, or the reverse, and it may not be changed
Result<Dataset> fit_picture(Picture picture, const std::string& name, const ImageShape& wanted, const Fitting& fitting);

}  // namespace obscura::data
