// SPDX-License-Identifier: Apache-2.0
#include "eval/onednn.h"

#include <algorithm>
#include <oneapi/dnnl/dnnl.hpp>

#include "eval/step.h"

// libgomp's, spelt out: clang has no omp.h of its own in Debian's package.
extern "C" {
void omp_set_num_threads(int threads);
int omp_get_max_threads();
}

namespace obscura::eval {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

memory::desc describe(const Layout& layout, std::size_t images) {
  const auto dim = [](std::size_t size) { return static_cast<memory::dim>(size); };
  const Tag tag = layout.block == 16 ? Tag::nChw16c : layout.block == 8 ? Tag::nChw8c : Tag::nchw;
  return {{dim(images), dim(layout.channels), dim(layout.height), dim(layout.width)}, memory::data_type::f32, tag};
}

memory::desc free_layout(const memory::desc& desc) { return {desc.dims(), memory::data_type::f32, Tag::any}; }

std::size_t rounded_up(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

/// A convolution or a product with a matrix, between values in the layouts of this folder.
class Product : public Step {
 public:
  template <class Primitive>
  Product(Primitive primitive, const typename Primitive::primitive_desc& chosen, memory weights, memory bias,
          const memory::desc& from, const memory::desc& to)
      : primitive_(std::move(primitive)),
        from_(from),
        to_(to),
        source_(chosen.src_desc()),
        result_(chosen.dst_desc()),
        scratchpad_(chosen.scratchpad_desc()),
        weights_(std::move(weights)),
        bias_(std::move(bias)) {
    if (source_ != from_)
      reorder_in_ = dnnl::reorder(dnnl::reorder::primitive_desc(engine(), from_, engine(), source_));
    if (result_ != to_) reorder_out_ = dnnl::reorder(dnnl::reorder::primitive_desc(engine(), result_, engine(), to_));
  }

  std::size_t scratch_bytes() const override {
    return place_of_result() + (result_ != to_ ? rounded_up(result_.get_size()) : 0) +
           rounded_up(scratchpad_.get_size());
  }

  void run(const Call& call) const override {
    dnnl::stream stream(engine());
    memory source(from_, engine(), const_cast<float*>(call.in[0]));
    memory result(to_, engine(), call.out);
    std::byte* rest = call.scratch + place_of_result();
    if (source_ != from_) {
      memory reordered(source_, engine(), call.scratch);
      reorder_in_.execute(stream, source, reordered);
      source = reordered;
    }
    const memory wanted = result;
    if (result_ != to_) {
      result = memory(result_, engine(), rest);
      rest += rounded_up(result_.get_size());
    }
    primitive_.execute(stream, {{DNNL_ARG_SRC, source},
                                {DNNL_ARG_WEIGHTS, weights_},
                                {DNNL_ARG_BIAS, bias_},
                                {DNNL_ARG_DST, result},
                                {DNNL_ARG_SCRATCHPAD, memory(scratchpad_, engine(), rest)}});
    if (result_ != to_) {
      memory out = wanted;
      reorder_out_.execute(stream, result, out);
    }
    stream.wait();
  }

 private:
  std::size_t place_of_result() const { return source_ != from_ ? rounded_up(source_.get_size()) : 0; }

  dnnl::primitive primitive_;
  dnnl::reorder reorder_in_;
  dnnl::reorder reorder_out_;
  memory::desc from_;
  memory::desc to_;
  memory::desc source_;
  memory::desc result_;
  memory::desc scratchpad_;
  memory weights_;
  memory bias_;
};

/// A memory of our own with these floats in it, in layout `wanted`.
memory packed(const memory::desc& given, const std::vector<float>& data, const memory::desc& wanted) {
  memory plain(given, engine());
  std::copy(data.begin(), data.end(), static_cast<float*>(plain.get_data_handle()));
  if (given == wanted) return plain;
  memory out(wanted, engine());
  dnnl::stream stream(engine());
  dnnl::reorder(plain, out).execute(stream, plain, out);
  stream.wait();
  return out;
}

/// Scratch memory comes from the call, so that many threads may run one primitive.
dnnl::primitive_attr scratch_from_call() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

dnnl::convolution_forward::primitive_desc choose_convolution(const nn::Attributes& a, const memory::desc& source,
                                                             const memory::desc& weights, const memory::desc& bias,
                                                             const memory::desc& result) {
  const dnnl::convolution_forward::desc desc(dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
                                             free_layout(source), free_layout(weights), bias, free_layout(result),
                                             {a.strides[0], a.strides[1]}, {a.dilations[0] - 1, a.dilations[1] - 1},
                                             {a.pads[0], a.pads[1]}, {a.pads[2], a.pads[3]});
  return {desc, scratch_from_call(), engine()};
}

}  // namespace

OneThread::OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
OneThread::~OneThread() { omp_set_num_threads(before_); }

std::size_t native_block() {
  const memory::desc image = describe({64, 16, 16, 1}, 1);
  const memory::desc weights({64, 64, 3, 3}, memory::data_type::f32, Tag::oihw);
  const memory::desc bias({64}, memory::data_type::f32, Tag::x);
  nn::Attributes attributes;
  attributes.kernel = {3, 3};
  attributes.pads = {1, 1, 1, 1};
  const memory::desc chosen = choose_convolution(attributes, image, weights, bias, image).dst_desc();
  for (const std::size_t block : {16, 8}) {
    if (chosen == describe({64, 16, 16, block}, 1)) return block;
  }
  return 1;
}

StepPtr make_convolution(const nn::Attributes& attributes, const nn::Shape& weight_shape,
                         const std::vector<float>& weights, const std::vector<float>& bias, const Layout& from,
                         const Layout& to, std::size_t images) {
  const std::int64_t groups = attributes.groups;
  const bool grouped = groups > 1;
  memory::dims dims(weight_shape.begin(), weight_shape.end());
  if (grouped) {
    dims[0] /= groups;
    dims.insert(dims.begin(), groups);
  }
  const memory::desc plain(dims, memory::data_type::f32, grouped ? Tag::goihw : Tag::oihw);
  const memory::desc bias_desc({static_cast<memory::dim>(bias.size())}, memory::data_type::f32, Tag::x);
  const memory::desc source = describe(from, images);
  const memory::desc result = describe(to, images);
  const auto chosen = choose_convolution(attributes, source, plain, bias_desc, result);
  return std::make_unique<Product>(dnnl::convolution_forward(chosen), chosen,
                                   packed(plain, weights, chosen.weights_desc()), packed(bias_desc, bias, bias_desc),
                                   source, result);
}

StepPtr make_dense(const std::vector<float>& weights, const std::vector<float>& bias, std::size_t images) {
  const auto outputs = static_cast<memory::dim>(bias.size());
  const auto inputs = static_cast<memory::dim>(weights.size()) / outputs;
  const memory::desc plain({outputs, inputs}, memory::data_type::f32, Tag::oi);
  const memory::desc bias_desc({outputs}, memory::data_type::f32, Tag::x);
  const memory::desc source({static_cast<memory::dim>(images), inputs}, memory::data_type::f32, Tag::nc);
  const memory::desc result({static_cast<memory::dim>(images), outputs}, memory::data_type::f32, Tag::nc);
  const dnnl::inner_product_forward::desc desc(dnnl::prop_kind::forward_inference, source, free_layout(plain),
                                               bias_desc, result);
  const dnnl::inner_product_forward::primitive_desc chosen(desc, scratch_from_call(), engine());
  return std::make_unique<Product>(dnnl::inner_product_forward(chosen), chosen,
                                   packed(plain, weights, chosen.weights_desc()), packed(bias_desc, bias, bias_desc),
                                   source, result);
}

}  // namespace obscura::eval
