#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/cudnn/Handle.h>
#include <c10/cuda/CUDAGuard.h>
#include <dlfcn.h>

#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

// The front end asks for functions of cuDNN and CUDA by name when it first needs them, so that the
// program links neither and starts on machines without a GPU.
#define NV_CUDNN_FRONTEND_USE_DYNAMIC_LOADING
#define CUDNN_FRONTEND_SKIP_JSON_LIB
#include <cudnn_frontend.h>

#include "attention/kernels/cudnn_attention.h"
#include "config/errors.h"

namespace cudnn_frontend {

/// Where the front end finds cuDNN's functions: in what is loaded, and that is LibTorch's cuDNN.
void* cudnn_dlhandle = RTLD_DEFAULT;

}  // namespace cudnn_frontend

namespace sparse_transformer {
namespace {

namespace fe = cudnn_frontend;
namespace graph = cudnn_frontend::graph;

enum Role : std::int64_t { kQuery, kKey, kValue, kOut, kLse, kDOut, kDQuery, kDKey, kDValue };

/// What a call reads and writes, as cuDNN sees it: [batch, heads, length, width], the last
/// dimension of lse 1.
using Operands = std::map<Role, at::Tensor>;

/// [batch, length, heads, width] ↔ [batch, heads, length, width].
at::Tensor by_head(const at::Tensor& x) { return x.transpose(1, 2); }

struct Attention {
  BandMask mask;
  double scale;
  bool repeatable;
};

void check(fe::error_t error) {
  if (error.is_bad()) throw WorldError("attention by cuDNN: " + error.get_message());
}

fe::DataType_t data_type(at::ScalarType type) {
  if (type == at::kHalf) return fe::DataType_t::HALF;
  return type == at::kBFloat16 ? fe::DataType_t::BFLOAT16 : fe::DataType_t::FLOAT;
}

/// One graph of cuDNN's that is ready to run. It holds code on the device that recorded CUDA graphs
/// refer to.
class Plan {
 public:
  Plan(const Operands& x, const Attention& attention) {
    graph_.set_intermediate_data_type(fe::DataType_t::FLOAT)
        .set_compute_data_type(fe::DataType_t::FLOAT);
    if (x.count(kDOut) == 0) {
      add_forward(x, attention);
    } else {
      add_backward(x, attention);
    }
    check(graph_.build(at::native::getCudnnHandle(), {fe::HeurMode_t::A}));
    check(graph_.get_workspace_size(workspace_));
  }

  /// With operands of the same layouts.
  void run(const Operands& x) const {
    std::unordered_map<std::int64_t, void*> memory;
    for (const auto& [role, tensor] : x) memory[role] = tensor.data_ptr();
    const at::Tensor workspace = at::empty({workspace_}, x.at(kQuery).options().dtype(at::kByte));
    check(graph_.execute(at::native::getCudnnHandle(), memory, workspace.data_ptr()));
  }

 private:
  using Node = std::shared_ptr<graph::Tensor_attributes>;

  void add_forward(const Operands& x, const Attention& attention) {
    auto attributes = graph::SDPA_attributes().set_generate_stats(true);
    set(attributes, attention);
    const auto [out, lse] =
        graph_.sdpa(input(x, kQuery), input(x, kKey), input(x, kValue), attributes);
    describe_output(x, kOut, out);
    describe_output(x, kLse, lse);
  }

  void add_backward(const Operands& x, const Attention& attention) {
    auto attributes =
        graph::SDPA_backward_attributes().set_deterministic_algorithm(attention.repeatable);
    set(attributes, attention);
    const auto [d_query, d_key, d_value] =
        graph_.sdpa_backward(input(x, kQuery), input(x, kKey), input(x, kValue), input(x, kOut),
                             input(x, kDOut), input(x, kLse), attributes);
    describe_output(x, kDQuery, d_query);
    describe_output(x, kDKey, d_key);
    describe_output(x, kDValue, d_value);
  }

  /// A band is aligned at the first query and key, as ours is. Its left bound counts the query's
  /// own position.
  template <typename Attributes>
  static void set(Attributes& attributes, const Attention& attention) {
    const BandMask mask = attention.mask;
    attributes.set_attn_scale(static_cast<float>(attention.scale));
    attributes.set_diagonal_alignment(fe::DiagonalAlignment_t::TOP_LEFT);
    if (mask.left != kUnbounded) {
      attributes.set_diagonal_band_left_bound(static_cast<int>(mask.left + 1));
    }
    if (mask.right != kUnbounded) {
      attributes.set_diagonal_band_right_bound(static_cast<int>(mask.right));
    }
  }

  static graph::Tensor_attributes& describe(const Operands& x, Role role,
                                            graph::Tensor_attributes& node) {
    const at::Tensor& tensor = x.at(role);
    return node.set_uid(role)
        .set_dim(tensor.sizes().vec())
        .set_stride(tensor.strides().vec())
        .set_data_type(data_type(tensor.scalar_type()));
  }

  Node input(const Operands& x, Role role) {
    graph::Tensor_attributes node;
    return graph_.tensor(describe(x, role, node));
  }

  static void describe_output(const Operands& x, Role role, const Node& node) {
    describe(x, role, *node).set_output(true);
  }

  graph::Graph graph_;
  std::int64_t workspace_ = 0;  // bytes
};

/// Plans by all that they depend on, for the whole process: building one takes tens of
/// milliseconds.
class Plans {
 public:
  const Plan& of(const Operands& x, const Attention& attention) {
    const std::scoped_lock lock(mutex_);
    return plans_.try_emplace(key(x, attention), x, attention).first->second;
  }

 private:
  using Key = std::pair<std::vector<std::int64_t>, double>;

  static Key key(const Operands& x, const Attention& attention) {
    const at::Tensor& query = x.at(kQuery);
    std::vector<std::int64_t> numbers = {
        query.get_device(), static_cast<std::int64_t>(query.scalar_type()), attention.mask.left,
        attention.mask.right, attention.repeatable ? 1 : 0};
    for (const auto& [role, tensor] : x) {
      numbers.push_back(role);
      numbers.insert(numbers.end(), tensor.sizes().begin(), tensor.sizes().end());
      numbers.insert(numbers.end(), tensor.strides().begin(), tensor.strides().end());
    }
    return {numbers, attention.scale};
  }

  std::mutex mutex_;
  std::map<Key, Plan> plans_;
};

/// On the current device.
void run(const Operands& x, const Attention& attention) {
  // Never destroyed: at the end of the process CUDA may be gone before it.
  static Plans& plans = *new Plans;
  plans.of(x, attention).run(x);
}

}  // namespace

bool banded_cudnn_serves(at::ScalarType type, std::int64_t query_width, std::int64_t value_width,
                         std::int64_t queries, std::int64_t keys, BandMask mask) {
  for (const std::int64_t width : {query_width, value_width}) {
    if (width % 8 != 0 || width > 128) return false;
  }
  const bool is_half = type == at::kHalf || type == at::kBFloat16;
  return is_half && keys > 1 && (mask.left == kUnbounded || queries <= keys);
}

BandedOutput banded_forward_cudnn(const at::Tensor& query, const at::Tensor& key,
                                  const at::Tensor& value, BandMask mask, double scale) {
  const c10::cuda::CUDAGuard device(query.device());
  const std::int64_t batch = query.size(0), queries = query.size(1), heads = query.size(2);
  const at::Tensor out = at::empty({batch, queries, heads, value.size(3)}, query.options());
  const at::Tensor lse = at::empty({batch, heads, queries, 1}, query.options().dtype(at::kFloat));
  run({{kQuery, by_head(query)},
       {kKey, by_head(key)},
       {kValue, by_head(value)},
       {kOut, by_head(out)},
       {kLse, lse}},
      {mask, scale, /*repeatable=*/true});
  return {out, by_head(lse.squeeze(3))};
}

BandedGradients banded_backward_cudnn(const at::Tensor& d_out, const at::Tensor& query,
                                      const at::Tensor& key, const at::Tensor& value,
                                      const at::Tensor& out, const at::Tensor& lse, BandMask mask,
                                      double scale) {
  const c10::cuda::CUDAGuard device(query.device());
  // A clone: contiguous() would leave the strides of dimensions of size 1, which cuDNN looks at.
  const at::Tensor dense_lse = by_head(lse).unsqueeze(3).clone(at::MemoryFormat::Contiguous);
  const auto gradient_of = [](const at::Tensor& x) { return at::empty(x.sizes(), x.options()); };
  const BandedGradients d{gradient_of(query), gradient_of(key), gradient_of(value)};
  run({{kQuery, by_head(query)},
       {kKey, by_head(key)},
       {kValue, by_head(value)},
       {kOut, by_head(out)},
       {kLse, dense_lse},
       {kDOut, by_head(d_out)},
       {kDQuery, by_head(d.d_query)},
       {kDKey, by_head(d.d_key)},
       {kDValue, by_head(d.d_value)}},
      {mask, scale, at::globalContext().deterministicAlgorithms()});
  return d;
}

}  // namespace sparse_transformer
