#include "attention/sparse_attention.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <vector>

#include "attention/block_attention.h"
#include "attention/kernels/union_cuda.h"
#include "attention/merge.h"
#include "attention/shared_list.h"
#include "attention/slice.h"

namespace sparse_transformer {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Packed {
  Packed(const at::Tensor& packed, const HeadShape& shape)
      : query(packed.narrow(3, 0, shape.query_width)),
        key(packed.narrow(3, shape.query_width, shape.query_width)),
        value(packed.narrow(3, 2 * shape.query_width, shape.value_width)) {}
  at::Tensor query, key, value;  // [batch, n, heads, width], views
};

/// What a layer computes, or what its backward pass starts from: out [batch, n, heads, value_width]
/// and lse [batch, n, heads].
using Union = BandedOutput;

/// Whether the kernel for `x` has windows of its own: plain code and CUDA in float32 have none.
bool has_windows(const at::Tensor& x, Kernels kernels) {
  return kernels == Kernels::kFused && (x.is_cpu() || x.scalar_type() != at::kFloat);
}

/// A call is a dozen launches on CUDA, and as many operations of plain code.
Staircase staircase_for(const at::Tensor& x, Kernels kernels) {
  return kernels == Kernels::kFused && x.is_cpu() ? Staircase::kSteps : Staircase::kRectangles;
}

/// In which sums are formed.
at::ScalarType sum_type(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

/// As the kernels take it: the CPU's know bfloat16 where they are fused, and no float16.
at::Tensor in_kernel_type(const at::Tensor& x, Kernels kernels) {
  if (!x.is_cpu() || (kernels == Kernels::kFused && x.scalar_type() == at::kBFloat16)) return x;
  return x.to(sum_type(x));
}

/// In which gradients are collected.
at::ScalarType gradient_type(const at::Tensor& x) {
  return x.is_cpu() ? sum_type(x) : x.scalar_type();
}

/// One pass over the calls of a layer. The forward and backward pass differ in what they do with a
/// call; where its queries and keys lie is the same.
class LayerPass {
 public:
  LayerPass(const at::Tensor& packed, const LayerPattern& pattern, const HeadShape& head,
            Kernels kernels)
      : type_(packed.scalar_type()),
        x_(in_kernel_type(packed, kernels), head),
        shape_{packed.size(0), packed.size(1), packed.size(2)},
        pattern_(pattern),
        head_(head),
        kernels_(kernels),
        windows_(has_windows(packed, kernels)),
        staircase_(staircase_for(packed, kernels)) {}

  Union forward() const {
    const auto options = x_.query.options().dtype(sum_type(x_.query));
    const Union sum{at::empty(x_.value.sizes(), options),
                    at::empty({shape_.batch, shape_.n, shape_.heads}, options)};
    for (const HeadGroup& group : pattern_.groups) {
      GroupSum group_sum(*this, sum, group);
      for (const Piece& piece : group.pieces) {
        std::visit([&](const auto& its) { forward_piece(its, group, group_sum); }, piece);
      }
      group_sum.begin_empty();
    }
    return {sum.out.to(type_), sum.lse};
  }

  /// The gradient of `packed`.
  at::Tensor backward(const at::Tensor& d_out, const Union& result) const {
    const at::Tensor d_packed =
        at::empty({shape_.batch, shape_.n, shape_.heads, head_.packed_width()},
                  x_.query.options().dtype(gradient_type(x_.query)));
    // A query without any key has lse = -inf; +inf makes its exp(s - lse) vanish.
    const Union whole{in_kernel_type(result.out, kernels_),
                      result.lse.masked_fill(result.lse.eq(-kInfinity), kInfinity)};
    const at::Tensor d_rows = in_kernel_type(d_out, kernels_);
    for (const HeadGroup& group : pattern_.groups) {
      GroupGradient gradient(*this, d_packed, group);
      for (const Piece& piece : group.pieces) {
        std::visit([&](const auto& its) { backward_piece(its, group, d_rows, whole, gradient); },
                   piece);
      }
      gradient.begin_at_zero();
    }
    return d_packed.to(type_);
  }

 private:
  /// The attention of a group's heads to the keys so far.
  class GroupSum {
   public:
    GroupSum(const LayerPass& pass, const Union& sum, const HeadGroup& group)
        : pass_(pass), sum_(sum), group_(group) {}

    BandedOutput of(const Slice& query) const {
      return {select(sum_.out, query), select_lse(sum_.lse, query)};
    }

    /// What keys for these queries are to the sum. To be asked once before they are added.
    Share next(const Slice& query) {
      if (!is_begun_ && pass_.covers(query, group_)) {
        is_begun_ = true;
        return Share::kFirst;
      }
      begin_empty();
      return Share::kFurther;
    }

    /// The heads as they are without any key, unless there are some.
    void begin_empty() {
      if (is_begun_) return;
      heads_of(sum_.out, group_).zero_();
      heads_of(sum_.lse, group_).fill_(-kInfinity);
      is_begun_ = true;
    }

   private:
    const LayerPass& pass_;
    const Union& sum_;
    const HeadGroup& group_;
    bool is_begun_ = false;
  };

  /// The gradients of a group's queries, keys and values.
  class GroupGradient {
   public:
    GroupGradient(const LayerPass& pass, const at::Tensor& d_packed, const HeadGroup& group)
        : pass_(pass), d_packed_(d_packed), d_x_(d_packed, pass.head_), group_(group) {}

    BandedGradients of(const Slice& query, const Slice& key) const {
      return {select(d_x_.query, query), select(d_x_.key, key), select(d_x_.value, key)};
    }

    /// What gradients of these are to the sum. To be asked once before they are added.
    Share next(const Slice& query, const Slice& key) {
      if (!is_begun_ && pass_.covers(query, group_) && pass_.covers(key, group_)) {
        is_begun_ = true;
        return Share::kFirst;
      }
      begin_at_zero();
      return Share::kFurther;
    }

    void begin_at_zero() {
      if (!is_begun_) heads_of(d_packed_, group_).zero_();
      is_begun_ = true;
    }

    /// Views of all heads, for shares that are added in other ways.
    const Packed& views() const { return d_x_; }

   private:
    const LayerPass& pass_;
    at::Tensor d_packed_;
    Packed d_x_;
    const HeadGroup& group_;
    bool is_begun_ = false;
  };

  void forward_piece(const Band& band, const HeadGroup& group, GroupSum& sum) const {
    for (const BandedCall& call : calls(band, group)) {
      add_banded(select(x_.query, call.query), select(x_.key, call.key), select(x_.value, call.key),
                 call.mask, head_.scale, sum.of(call.query), sum.next(call.query), kernels_);
    }
  }

  void forward_piece(const Shared& shared, const HeadGroup& group, GroupSum& sum) const {
    const SharedList list(x_.key, x_.value, shared, group, staircase_);
    for (const SharedCall& call : list.calls()) {
      add_banded(select(x_.query, call.query), list.key(call), list.value(call), {}, head_.scale,
                 sum.of(call.query), sum.next(call.query), kernels_);
    }
  }

  void forward_piece(const Blocks& blocks, const HeadGroup& group, GroupSum& sum) const {
    const Slice positions = all_positions(group);
    const BandedOutput piece =
        blocks_forward(heads_of(x_.query, group), heads_of(x_.key, group),
                       heads_of(x_.value, group), blocks, group.first_head, head_.scale);
    add_share(sum.of(positions), piece, sum.next(positions));
  }

  void backward_piece(const Band& band, const HeadGroup& group, const at::Tensor& d_out,
                      const Union& whole, GroupGradient& gradient) const {
    for (const BandedCall& call : calls(band, group)) {
      add_gradients(d_out, whole, call.query, select(x_.key, call.key), select(x_.value, call.key),
                    call.mask, gradient.of(call.query, call.key),
                    gradient.next(call.query, call.key));
    }
  }

  void backward_piece(const Shared& shared, const HeadGroup& group, const at::Tensor& d_out,
                      const Union& whole, GroupGradient& gradient) const {
    gradient.begin_at_zero();
    SharedList list(x_.key, x_.value, shared, group, staircase_);
    for (const SharedCall& call : list.calls()) {
      const BandedGradients sum = {select(gradient.views().query, call.query), list.d_key(call),
                                   list.d_value(call)};
      add_gradients(d_out, whole, call.query, list.key(call), list.value(call), {}, sum,
                    Share::kFurther);
    }
    list.scatter_gradients(gradient.views().key, gradient.views().value);
  }

  void backward_piece(const Blocks& blocks, const HeadGroup& group, const at::Tensor& d_out,
                      const Union& whole, GroupGradient& gradient) const {
    const Slice positions = all_positions(group);
    const BandedGradients share =
        blocks_backward(heads_of(d_out, group), heads_of(x_.query, group), heads_of(x_.key, group),
                        heads_of(x_.value, group), heads_of(whole.out, group),
                        heads_of(whole.lse, group), blocks, group.first_head, head_.scale);
    add_share(gradient.of(positions, positions), share, gradient.next(positions, positions));
  }

  void add_gradients(const at::Tensor& d_out, const Union& whole, const Slice& query,
                     const at::Tensor& key, const at::Tensor& value, BandMask mask,
                     const BandedGradients& sum, Share share) const {
    add_banded_gradients(select(d_out, query), select(x_.query, query), key, value,
                         select(whole.out, query), select_lse(whole.lse, query), mask, head_.scale,
                         sum, share, kernels_);
  }

  Slice all_positions(const HeadGroup& group) const {
    return {.length = shape_.n,
            .first_head = group.first_head,
            .heads = group.heads,
            .first_sequence = 0,
            .sequences = shape_.batch};
  }

  static at::Tensor heads_of(const at::Tensor& x, const HeadGroup& group) {
    return x.narrow(2, group.first_head, group.heads);
  }

  /// Whether these are all positions of the group's heads.
  bool covers(const Slice& slice, const HeadGroup& group) const {
    return slice.positions() * slice.heads == shape_.batch * shape_.n * group.heads;
  }

  std::vector<BandedCall> calls(const Band& band, const HeadGroup& group) const {
    return banded_calls(band, shape_, {group.first_head, group.heads}, windows_);
  }

  static at::Tensor select_lse(const at::Tensor& lse, const Slice& slice) {
    return select(lse.unsqueeze(3), slice).squeeze(3);
  }

  at::ScalarType type_;
  Packed x_;
  SequenceShape shape_;
  const LayerPattern& pattern_;
  HeadShape head_;
  Kernels kernels_;
  bool windows_;
  Staircase staircase_;
};

/// A layer as both passes know it.
class Layer : public torch::CustomClassHolder {
 public:
  Layer(const LayerPattern& pattern, const HeadShape& shape, Kernels kernels, KernelKind kernel)
      : pattern_(pattern), shape_(shape), kernels_(kernels), kernel_(kernel) {}

  Union forward(const at::Tensor& packed) const {
    if (is_fused_union(packed)) return union_forward_cuda(packed, pattern_, shape_);
    return LayerPass(packed, pattern_, shape_, kernels_).forward();
  }

  at::Tensor backward(const at::Tensor& d_out, const at::Tensor& packed,
                      const Union& result) const {
    if (is_fused_union(packed)) {
      return union_backward_cuda(d_out, packed, result, pattern_, shape_);
    }
    return LayerPass(packed, pattern_, shape_, kernels_).backward(d_out, result);
  }

 private:
  bool is_fused_union(const at::Tensor& packed) const {
    return kernels_ == Kernels::kFused && kernel_ == KernelKind::kOwn &&
           union_cuda_serves(packed, pattern_, shape_);
  }

  const LayerPattern& pattern_;
  HeadShape shape_;
  Kernels kernels_;
  KernelKind kernel_;
};

class SparseAttention : public torch::autograd::Function<SparseAttention> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& packed,
                            const LayerPattern* pattern, const HeadShape& shape, Kernels kernels,
                            KernelKind kernel) {
    const auto layer = c10::make_intrusive<Layer>(*pattern, shape, kernels, kernel);
    const Union result = layer->forward(packed);
    context->save_for_backward({packed, result.out, result.lse});
    context->saved_data["layer"] = c10::IValue::make_capsule(layer);
    return result.out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& d_out) {
    const auto saved = context->get_saved_variables();
    const auto capsule = context->saved_data["layer"].toCapsule();
    const auto& layer = static_cast<const Layer&>(*capsule);
    return {layer.backward(d_out[0].contiguous(), saved[0], {saved[1], saved[2]}), {}, {}, {}, {}};
  }
};

void check(const at::Tensor& packed, const LayerPattern& pattern, const HeadShape& shape) {
  if (packed.dim() != 4 || packed.size(2) != pattern.heads() ||
      packed.size(3) != shape.packed_width() || !packed.is_contiguous()) {
    throw std::logic_error("sparse_attention: packed must be a dense [batch, n, " +
                           std::to_string(pattern.heads()) + ", " +
                           std::to_string(shape.packed_width()) + "]");
  }
}

}  // namespace

at::Tensor sparse_attention(const at::Tensor& packed, const LayerPattern& pattern,
                            const HeadShape& shape, Kernels kernels, KernelKind kernel) {
  check(packed, pattern, shape);
  return SparseAttention::apply(packed, &pattern, shape, kernels, kernel);
}

at::Tensor attention_mask(const LayerPattern& pattern, std::int64_t n, std::int64_t head) {
  at::Tensor mask = at::zeros({n, n}, at::kBool);
  auto sees = mask.accessor<bool, 2>();
  for (std::int64_t t = 0; t < n; ++t) {
    for (const Piece& piece : pattern.group_of(head).pieces) {
      for_each_key(piece, t, head, [&](std::int64_t key) { sees[t][key] = true; });
    }
  }
  return mask;
}

at::Tensor sparse_attention_reference(const at::Tensor& packed, const LayerPattern& pattern,
                                      const HeadShape& shape) {
  const Packed x(packed, shape);
  std::vector<at::Tensor> masks;
  masks.reserve(static_cast<std::size_t>(pattern.heads()));
  for (std::int64_t head = 0; head < pattern.heads(); ++head) {
    masks.push_back(attention_mask(pattern, packed.size(1), head));
  }
  const at::Tensor hidden = at::stack(masks).to(packed.device()).logical_not();  // [heads, n, n]
  const at::Tensor scores = at::einsum("bihw,bjhw->bhij", {x.query, x.key}) * shape.scale;
  // A large number rather than -inf: a row without any key must give weights that the mask then
  // makes 0, not NaN. Float16 knows none beyond 65,504.
  const double none = packed.scalar_type() == at::kHalf ? -65504.0 : -1e30;
  const at::Tensor weights = scores.masked_fill(hidden, none).softmax(-1).masked_fill(hidden, 0.0);
  return at::einsum("bhij,bjhw->bihw", {weights, x.value});
}

}  // namespace sparse_transformer
