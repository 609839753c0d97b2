#include "attention/sparse_attention.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <limits>
#include <stdexcept>
#include <vector>

#include "attention/block_attention.h"
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

/// What a layer computes, or what its backward pass starts from.
struct Union {
  at::Tensor out;  // [batch, n, heads, value_width]
  at::Tensor lse;  // [batch, n, heads]
};

/// Whether the kernel for `x` has windows of its own: plain code and CUDA in float32 have none.
bool has_windows(const at::Tensor& x, Kernels kernels) {
  return kernels == Kernels::kFused && (x.is_cpu() || x.scalar_type() != at::kFloat);
}

/// One pass over the calls of a layer. The forward and backward pass differ in what they do with a
/// call; where its queries and keys lie is the same.
class LayerPass {
 public:
  LayerPass(const at::Tensor& packed, const LayerPattern& pattern, const HeadShape& head,
            Kernels kernels)
      : x_(packed, head),
        shape_{packed.size(0), packed.size(1), packed.size(2)},
        pattern_(pattern),
        head_(head),
        kernels_(kernels),
        windows_(has_windows(packed, kernels)) {}

  Union forward() const {
    const auto type = x_.query.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    const auto options = x_.query.options().dtype(type);
    Union result{at::empty(x_.value.sizes(), options),
                 at::empty({shape_.batch, shape_.n, shape_.heads}, options)};
    for (const HeadGroup& group : pattern_.groups) {
      bool started = false;
      const auto add = [&](const Slice& query, const BandedOutput& piece) {
        const at::Tensor out = select(result.out, query);
        const at::Tensor lse = select_lse(result.lse, query);
        if (started) {
          merge_into(out, lse, piece.out, piece.lse);
          return;
        }
        started = true;
        if (covers(out, group)) {
          out.copy_(piece.out);
          lse.copy_(piece.lse);
          return;
        }
        forget(result, group);
        merge_into(out, lse, piece.out, piece.lse);
      };
      for (const Piece& piece : group.pieces) {
        std::visit([&](const auto& its) { forward_piece(its, group, add); }, piece);
      }
      if (!started) forget(result, group);
    }
    result.out = result.out.to(x_.query.scalar_type());
    return result;
  }

  /// The gradient of `packed`.
  at::Tensor backward(const at::Tensor& d_out, const Union& result) const {
    at::Tensor d_packed =
        at::empty({shape_.batch, shape_.n, shape_.heads, head_.packed_width()}, x_.query.options());
    // A query without any key has lse = -inf; +inf makes its exp(s - lse) vanish.
    const Union whole{result.out, result.lse.masked_fill(result.lse.eq(-kInfinity), kInfinity)};
    for (const HeadGroup& group : pattern_.groups) {
      GroupGradient gradient(*this, d_packed, group);
      for (const Piece& piece : group.pieces) {
        std::visit([&](const auto& its) { backward_piece(its, group, d_out, whole, gradient); },
                   piece);
      }
      gradient.start_at_zero();
    }
    return d_packed;
  }

 private:
  /// The gradients of a group's queries, keys and values: the first share is written, the later
  /// ones are added.
  class GroupGradient {
   public:
    GroupGradient(const LayerPass& pass, const at::Tensor& d_packed, const HeadGroup& group)
        : pass_(pass), d_packed_(d_packed), d_x_(d_packed, pass.head_), group_(group) {}

    void add(const Slice& query, const Slice& key, const BandedGradients& share) {
      const bool covered = pass_.covers(share.d_query, group_) && pass_.covers(share.d_key, group_);
      if (!covered) start_at_zero();
      const auto add_to = [this](const at::Tensor& into, const at::Tensor& part) {
        started_ ? into.add_(part) : into.copy_(part);
      };
      add_to(select(d_x_.query, query), share.d_query);
      add_to(select(d_x_.key, key), share.d_key);
      add_to(select(d_x_.value, key), share.d_value);
      started_ = true;
    }

    void start_at_zero() {
      if (!started_) heads_of(d_packed_, group_).zero_();
      started_ = true;
    }

    /// Views of all heads, for shares that are added in other ways.
    const Packed& views() const { return d_x_; }

   private:
    const LayerPass& pass_;
    at::Tensor d_packed_;
    Packed d_x_;
    const HeadGroup& group_;
    bool started_ = false;
  };

  template <typename Add>
  void forward_piece(const Band& band, const HeadGroup& group, const Add& add) const {
    for (const BandedCall& call : calls(band, group)) {
      add(call.query, banded_forward(select(x_.query, call.query), select(x_.key, call.key),
                                     select(x_.value, call.key), call.mask, head_.scale, kernels_));
    }
  }

  template <typename Add>
  void forward_piece(const Shared& shared, const HeadGroup& group, const Add& add) const {
    const SharedList list(x_.key, x_.value, shared, group);
    for (const SharedCall& call : list.calls()) {
      add(call.query, banded_forward(select(x_.query, call.query), list.key(call), list.value(call),
                                     {}, head_.scale, kernels_));
    }
  }

  template <typename Add>
  void forward_piece(const Blocks& blocks, const HeadGroup& group, const Add& add) const {
    add(all_positions(group),
        blocks_forward(heads_of(x_.query, group), heads_of(x_.key, group),
                       heads_of(x_.value, group), *blocks.table, group.first_head, head_.scale));
  }

  void backward_piece(const Band& band, const HeadGroup& group, const at::Tensor& d_out,
                      const Union& whole, GroupGradient& gradient) const {
    for (const BandedCall& call : calls(band, group)) {
      gradient.add(call.query, call.key,
                   backward_call(d_out, whole, call.query, select(x_.key, call.key),
                                 select(x_.value, call.key), call.mask));
    }
  }

  void backward_piece(const Shared& shared, const HeadGroup& group, const at::Tensor& d_out,
                      const Union& whole, GroupGradient& gradient) const {
    gradient.start_at_zero();
    SharedList list(x_.key, x_.value, shared, group);
    for (const SharedCall& call : list.calls()) {
      const BandedGradients share =
          backward_call(d_out, whole, call.query, list.key(call), list.value(call), {});
      select(gradient.views().query, call.query).add_(share.d_query);
      list.add_gradients(call, share);
    }
    list.scatter_gradients(gradient.views().key, gradient.views().value);
  }

  void backward_piece(const Blocks& blocks, const HeadGroup& group, const at::Tensor& d_out,
                      const Union& whole, GroupGradient& gradient) const {
    const Slice positions = all_positions(group);
    gradient.add(
        positions, positions,
        blocks_backward(heads_of(d_out, group), heads_of(x_.query, group), heads_of(x_.key, group),
                        heads_of(x_.value, group), heads_of(whole.out, group),
                        heads_of(whole.lse, group), *blocks.table, group.first_head, head_.scale));
  }

  BandedGradients backward_call(const at::Tensor& d_out, const Union& whole, const Slice& query,
                                const at::Tensor& key, const at::Tensor& value,
                                BandMask mask) const {
    return banded_backward(select(d_out, query), select(x_.query, query), key, value,
                           select(whole.out, query), select_lse(whole.lse, query), mask,
                           head_.scale, kernels_);
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

  /// The group's heads as they are without any key.
  static void forget(const Union& result, const HeadGroup& group) {
    heads_of(result.out, group).zero_();
    heads_of(result.lse, group).fill_(-kInfinity);
  }

  /// Whether a part [.., width] has every position of the group's heads.
  bool covers(const at::Tensor& part, const HeadGroup& group) const {
    return part.numel() == shape_.batch * shape_.n * group.heads * part.size(3);
  }

  std::vector<BandedCall> calls(const Band& band, const HeadGroup& group) const {
    return banded_calls(band, shape_, {group.first_head, group.heads}, windows_);
  }

  static at::Tensor select_lse(const at::Tensor& lse, const Slice& slice) {
    return select(lse.unsqueeze(3), slice).squeeze(3);
  }

  Packed x_;
  SequenceShape shape_;
  const LayerPattern& pattern_;
  HeadShape head_;
  Kernels kernels_;
  bool windows_;
};

/// What the backward pass needs to know beside tensors.
struct Layout : torch::CustomClassHolder {
  Layout(const LayerPattern& its_pattern, const HeadShape& its_shape, Kernels its_kernels)
      : pattern(its_pattern), shape(its_shape), kernels(its_kernels) {}
  const LayerPattern& pattern;
  HeadShape shape;
  Kernels kernels;
};

class SparseAttention : public torch::autograd::Function<SparseAttention> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& packed,
                            const LayerPattern* pattern, const HeadShape& shape, Kernels kernels) {
    const Union result = LayerPass(packed, *pattern, shape, kernels).forward();
    context->save_for_backward({packed, result.out, result.lse});
    context->saved_data["layout"] =
        c10::IValue::make_capsule(c10::make_intrusive<Layout>(*pattern, shape, kernels));
    return result.out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& d_out) {
    const auto saved = context->get_saved_variables();
    const auto capsule = context->saved_data["layout"].toCapsule();
    const auto& layout = static_cast<const Layout&>(*capsule);
    const LayerPass pass(saved[0], layout.pattern, layout.shape, layout.kernels);
    return {pass.backward(d_out[0].contiguous(), {saved[1], saved[2]}), {}, {}, {}};
  }
};

void check(const at::Tensor& packed, const LayerPattern& pattern, const HeadShape& shape) {
  if (packed.dim() != 4 || packed.size(2) != pattern.heads() ||
      packed.size(3) != shape.packed_width() || !packed.is_contiguous()) {
    throw std::logic_error("sparse_attention: packed must be a dense [batch, n, " +
                           std::to_string(pattern.heads()) + ", " +
                           std::to_string(shape.packed_width()) + "]");
  }
  if (packed.is_cuda() && shape.query_width != shape.value_width) {
    throw std::logic_error("sparse_attention: on CUDA queries and values must have one width");
  }
}

}  // namespace

at::Tensor sparse_attention(const at::Tensor& packed, const LayerPattern& pattern,
                            const HeadShape& shape, Kernels kernels) {
  check(packed, pattern, shape);
  return SparseAttention::apply(packed, &pattern, shape, kernels);
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
