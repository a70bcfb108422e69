// SPDX-License-Identifier: Apache-2.0
/// Plan -> text that a person reads and diffs.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <type_traits>

#include "base/bytes.h"
#include "base/random.h"
#include "plan/diagonals.h"

namespace obscura::plan {
namespace {

/// "2^31.42"; "0" for zero.
std::string power(double x) { return x > 0 ? fmt::format("2^{:.1f}", std::log2(x)) : "0"; }

std::string list(const std::vector<double>& values) {
  std::string text;
  for (const double v : values) text += fmt::format("{}{:.6g}", text.empty() ? "" : ", ", v);
  return text;
}

/// The first 8 hex digits of the BLAKE2b digest of a linear step's weights, blocks and bias.
std::string digest_of(const Linear& step) {
  base::Writer writer;
  for (const auto& matrix : step.map.matrices) {
    writer.u32(matrix.rows);
    writer.u32(matrix.cols);
    for (const std::int32_t w : matrix.data) writer.u32(static_cast<std::uint32_t>(w));
  }
  for (const auto& block : step.map.blocks) {
    writer.u32(block.matrix);
    for (const std::uint32_t i : block.inputs) writer.u32(i);
    for (const std::uint32_t o : block.outputs) writer.u32(o);
  }
  // Floats, so that the last bits of a double, which differ between mathematical libraries, do not show.
  for (const double b : step.bias) writer.f64(static_cast<double>(static_cast<float>(b)));
  const auto bytes = base::digest(writer.bytes());
  return fmt::format("{:02x}{:02x}{:02x}{:02x}", bytes[0], bytes[1], bytes[2], bytes[3]);
}

std::string describe(const Linear& step) {
  std::int32_t largest = 0;
  std::uint64_t stored = 0;
  for (const auto& matrix : step.map.matrices) {
    stored += matrix.data.size();
    for (const std::int32_t w : matrix.data) largest = std::max(largest, std::abs(w));
  }
  int bits = 0;
  while ((std::int64_t{1} << bits) <= largest) ++bits;
  return fmt::format(
      "linear {} <- {}: {} multiplications in {} blocks of {} matrices, {} weights of {} bits, "
      "weight scale {:.6g}, {}",
      step.map.outputs, step.input, step.map.multiplications(), step.map.blocks.size(), step.map.matrices.size(),
      stored, bits, step.weight_scale, digest_of(step));
}

std::string coefficients(const std::vector<double>& values) {
  if (values.size() == 1) return fmt::format("{:.6g}", values[0]);
  const auto [least, greatest] = std::minmax_element(values.begin(), values.end());
  return fmt::format("[{:.6g} .. {:.6g}]", *least, *greatest);
}

std::string describe(const Multiply& step) {
  return step.a == step.b ? fmt::format("square <- {}", step.a) : fmt::format("multiply <- {}, {}", step.a, step.b);
}
std::string describe(const Relinearize& step) {
  return fmt::format("relinearize <- {}: rescale by {} limb{}", step.input, step.rescale, step.rescale == 1 ? "" : "s");
}
std::string describe(const Rescale& step) { return fmt::format("rescale <- {}: by {}", step.input, step.limbs); }
std::string describe(const Combine& step) {
  std::string text = "combine <- ";
  for (std::size_t t = 0; t < step.terms.size(); ++t) {
    if (t > 0) text += fmt::format(" + {} * ", coefficients(step.terms[t].coefficients));
    text += fmt::format("{}", step.terms[t].input);
  }
  if (!step.constants.empty()) text += " + " + coefficients(step.constants);
  return text;
}

std::string describe(const Layout& layout, std::uint64_t slots) {
  std::string text = fmt::format("{}x{}x{}", layout.channels, layout.height, layout.width);
  if (layout.height > 1 || layout.width > 1)
    text += fmt::format(", rows {} and columns {} apart", layout.row, layout.column);
  if (layout.phases > 1) text += fmt::format(", {}x{} phases", layout.phases, layout.phases);
  const std::uint64_t copies = layout.copies(slots);
  if (copies > 1) text += fmt::format(", {} copies", copies);
  const auto& [images, stride] = layout.sharing;
  if (images > 1) text += fmt::format(", {} images", images);
  if (stride > 1) text += fmt::format(" {} apart", stride);
  const std::uint32_t count = layout.ciphertexts();
  return text + fmt::format(", {} ciphertext{}", count, count == 1 ? "" : "s");
}

std::string describe(const Transform& step, const ckks::TransformShape& shape) {
  std::size_t giants = 0;
  bool composed = false;
  for (const auto& group : shape.groups()) {
    giants += group.giant != 0 ? 1 : 0;
    composed |= group.turn != group.giant;
  }
  for (const ckks::Baby& baby : shape.babies()) composed |= baby.turn != baby.step;
  const std::string keys = composed ? fmt::format(" by {} keys", shape.rotation_steps().size()) : "";
  Linear weights;
  weights.map = step.map;
  weights.bias = step.bias;
  std::string parts;
  const std::string pairs = step.split.pair == 0 ? "" : fmt::format(" in pairs {} apart", step.split.pair);
  if (!step.spread.empty()) parts = fmt::format(" in {} parts", std::uint64_t{1} << step.spread.size());
  return fmt::format(
      "transform <- {}: {} diagonals{}, {} baby and {} giant rotations{}, to {}{}; weight scale {:.6g}, plaintext "
      "scale "
      "{}, "
      "rescale by {}, {}",
      step.input, shape.plaintexts(), pairs, shape.babies().size(), giants, keys, describe(step.to, shape.slots()),
      parts, step.weight_scale, power(step.plain_scale), step.rescale, digest_of(weights));
}

std::string describe(const Fold& step) {
  std::string text = fmt::format("fold <- {}:", step.input);
  for (const Fold::Sum& sum : step.sums) text += fmt::format(" {} slots {} apart", sum.count, sum.step);
  return text;
}

std::string describe(const Polynomial& step) {
  std::string degrees;
  for (const Polynomial::Stage& stage : step.stages) {
    degrees +=
        fmt::format("{}{}", degrees.empty() ? "" : ", ", std::max<std::size_t>(1, stage.coefficients.size()) - 1);
  }
  base::Writer writer;
  for (const Polynomial::Stage& stage : step.stages) {
    for (const double c : stage.coefficients) writer.f64(static_cast<double>(static_cast<float>(c)));
  }
  const auto bytes = base::digest(writer.bytes());
  return fmt::format("{} <- {}: degree {}, {:02x}{:02x}{:02x}{:02x}", step.relu ? "relu" : "polynomial", step.input,
                     degrees, bytes[0], bytes[1], bytes[2], bytes[3]);
}

std::string describe(const Bootstrap& step) { return fmt::format("bootstrap <- {}", step.input); }

std::string primes(const std::vector<std::uint64_t>& values) {
  std::string text;
  for (const std::uint64_t p : values) text += fmt::format("{}{}", text.empty() ? "" : " ", p);
  return text;
}

std::string keys(const KeyRequest& request) {
  std::string text = request.relinearization ? "relinearization" : "";
  if (!request.rotations.empty()) {
    text += fmt::format("{}{} rotations", text.empty() ? "" : ", ", request.rotations.size());
  }
  if (request.conjugation > 0) text += fmt::format("{}conjugation", text.empty() ? "" : ", ");
  return text.empty() ? "none" : text;
}

std::string describe(const BootstrapSpec& spec) {
  const ckks::BootstrapLiteral& set = spec.literal;
  return fmt::format("2^{} slots, {} levels of {} bits, from scale {} to {}, garbage with a chance of 2^{:.0f}",
                     set.log2_slots, set.levels, set.level_bits, power(spec.input_scale), power(spec.output_scale),
                     ckks::log2_failure(set.weight, set.range, std::size_t{1} << set.log2_slots));
}

std::string header(const Plan& plan) {
  std::string text;
  auto out = std::back_inserter(text);
  const std::uint64_t slots = plan::slots(plan);
  fmt::format_to(out, "plan     {}\n", plan.name);
  fmt::format_to(out, "batch    {} image{}, {} at a time in {} slots\n", plan.batch, plan.batch == 1 ? "" : "s",
                 plan.images_at_once(), slots);
  fmt::format_to(out, "layout   {} -> {}\n", describe(plan.input.layout, slots), describe(plan.output.layout, slots));
  fmt::format_to(out, "ring     {}N = 2^{}, log2(QP) = {:.1f} of at most {:.0f}\n",
                 plan.params.ring == ckks::RingType::standard ? "" : "conjugate-invariant, ", plan.params.log2_degree,
                 ckks::log2_qp(plan.params), ckks::max_log2_qp(plan.params.log2_degree));
  fmt::format_to(out, "chain    {}\n", primes(plan.params.chain));
  fmt::format_to(out, "special  {}, digits of {} limb{}\n", primes(plan.params.special), plan.params.digit_limbs,
                 plan.params.digit_limbs == 1 ? "" : "s");
  fmt::format_to(out, "input    {}x{}x{}, mean {}, std {}{}: {} limbs, scale {}\n", plan.input.channels,
                 plan.input.height, plan.input.width, list(plan.input.mean), list(plan.input.std),
                 base::describe(plan.input.standardise), plan.input.limbs, power(plan.input.scale));
  fmt::format_to(
      out, "output   {} classes: {} limbs, scale {}, error {}, of that noise {}, {:.3g} times in the worst image\n",
      plan.output.classes, plan.output.limbs, power(plan.output.scale), power(plan.output.error_std),
      power(plan.output.noise_std), plan.output.noise_growth);
  const AnswerSpec& answer = plan.output.answer;
  fmt::format_to(out, "answer   {}", describe(answer, plan.output.classes));
  if (!answer.class_names.empty()) fmt::format_to(out, "; classes {}", describe_class_names(answer));
  fmt::format_to(out, "\nkeys     {}{}\n", keys(plan.keys), plan.bootstrap ? ", bootstrapping" : "");
  if (plan.bootstrap) fmt::format_to(out, "boot     {}\n", describe(*plan.bootstrap));
  return text;
}

}  // namespace

std::string to_text(const Plan& plan) {
  std::string text = header(plan);
  auto out = std::back_inserter(text);
  fmt::format_to(out, "\nvalue elements limbs parts    scale      max    error\n");
  const auto row = [&](std::size_t id, const ValueInfo& v, const std::string& what) {
    fmt::format_to(out, "{:5} {:8} {:5} {:5} {:>8} {:>8} {:>8}  {}\n", id, v.elements, v.limbs, v.parts, power(v.scale),
                   power(v.max_abs), power(v.error_std), what);
  };
  row(0, plan.value(0), "encrypted image");
  const TransformShapes shapes = transform_shapes(plan, diagonals_of(plan));
  for (std::size_t k = 0; k < plan.steps.size(); ++k) {
    const Step& step = plan.steps[k];
    const auto what = [&](const auto& operation) {
      if constexpr (std::is_same_v<std::decay_t<decltype(operation)>, Transform>) {
        return describe(operation, *shapes.by_step[k]);
      } else {
        return describe(operation);
      }
    };
    row(k + 1, step.output, std::visit(what, step.operation));
    if (step.seconds > 0) fmt::format_to(out, "{:53}  {:.1f} ms\n", "", 1e3 * step.seconds);
    if (!step.origin.empty()) fmt::format_to(out, "{:53}  of {}\n", "", step.origin);
  }
  fmt::format_to(out, "\nreasons\n");
  for (const auto& reason : plan.reasons) fmt::format_to(out, "- {}\n", reason);
  fmt::format_to(out, "\nwork     {:.2f} core-seconds for {} images (predicted)\n", plan.predicted_seconds,
                 plan.images_at_once());
  const auto megabytes = [](std::uint64_t bytes) { return static_cast<double>(bytes) / 1e6; };
  fmt::format_to(out, "memory   {:.0f} MB at the peak (predicted), {:.0f} of them of values and steps at work",
                 megabytes(plan.predicted_bytes), megabytes(plan.value_bytes));
  if (plan.kept_bytes > 0) fmt::format_to(out, ", {:.0f} of encoded diagonals", megabytes(plan.kept_bytes));
  fmt::format_to(out, "\n");
  return text;
}

}  // namespace obscura::plan
