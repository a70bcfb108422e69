// SPDX-License-Identifier: Apache-2.0
/// JPEG files, written by libjpeg.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <span>
// jpeglib.h wants stdio.h before it.
#include <jpeglib.h>

#include <algorithm>
#include <vector>

#include "base/bytes.h"

namespace obscura::data {

/// Of interleaved samples: 1 channel grey, 3 colour, 4 CMYK.
inline base::Bytes make_jpeg(std::vector<std::uint8_t> samples, int channels, std::size_t height, std::size_t width,
                             bool progressive = false) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* out = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &out, &size);
  info.image_height = static_cast<JDIMENSION>(height);
  info.image_width = static_cast<JDIMENSION>(width);
  info.input_components = channels;
  info.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 100, TRUE);
  if (progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  for (std::size_t y = 0; y < height; ++y) {
    JSAMPROW row = samples.data() + y * width * static_cast<std::size_t>(channels);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  const auto bytes = std::as_bytes(std::span(out, size));
  base::Bytes result(bytes.begin(), bytes.end());
  jpeg_destroy_compress(&info);
  std::free(out);
  return result;
}

}  // namespace obscura::data
