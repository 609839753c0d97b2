// What the lanes of a warp do together: exchange, vote, and tensor cores.
#include <array>
#include <bit>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "tests/cuda/ptx/block.h"
#include "tests/cuda/ptx/decode.h"
#include "tests/cuda/ptx/fault.h"
#include "tests/cuda/ptx/memory_access.h"
#include "tests/cuda/ptx/warp.h"

namespace ptx {
namespace {

using Run = std::function<void(Warp&, Mask)>;

/// Of instructions whose result is undefined in a part of a warp.
void expect_whole_warp(Mask lanes) {
  if (lanes != kAllLanes) throw LaneFault{std::countr_zero(lanes), "a whole warp is needed"};
}

/// shfl.sync.bfly.b32 d|p, a, bits, 31, members: a of the lane whose number differs in `bits`; p is
/// whether there is such a lane.
Run exchange(const Statement& statement, Names& names, Instruction& instruction) {
  expect_operands(statement, 5);
  const std::vector<std::string> targets = split(statement.operands[0], '|');
  const Slot to = names.target(targets.at(0));
  const Slot exists = targets.size() > 1 ? names.target(targets[1]) : Slot{};
  const Slot from = names.source(statement.operands[1], 4);
  const Slot bits = names.source(statement.operands[2], 4);
  const Slot clamp = names.source(statement.operands[3], 4);
  instruction.members = names.source(statement.operands[4], 4);
  return [=](Warp& warp, Mask lanes) {
    std::array<std::uint32_t, kLanes> all;
    std::memcpy(all.data(), warp.lanes<std::uint32_t>(from), sizeof(all));
    for_each_lane(lanes, [&](int lane) {
      if (warp.lanes<std::uint32_t>(clamp)[lane] != 31) throw LaneFault{lane, "part of a warp"};
      const std::uint32_t other =
          static_cast<std::uint32_t>(lane) ^ warp.lanes<std::uint32_t>(bits)[lane];
      if (other >= kLanes || (lanes >> other & 1) == 0) {
        throw LaneFault{lane, "exchange with a lane that does not take part"};
      }
      warp.lanes<std::uint32_t>(to)[lane] = all[other];
      if (exists.exists()) warp.lanes<std::uint8_t>(exists)[lane] = 1;
    });
  };
}

/// vote.sync.ballot.b32 d, p, members: a bit for each lane, whether p holds there.
Run ballot(const Statement& statement, Names& names, Instruction& instruction) {
  expect_operands(statement, 3);
  const Slot to = names.target(statement.operands[0]);
  const Slot p = names.source(statement.operands[1], 1);
  instruction.members = names.source(statement.operands[2], 4);
  return [=](Warp& warp, Mask lanes) {
    Mask votes = 0;
    for_each_lane(lanes, [&](int lane) {
      if (warp.lanes<std::uint8_t>(p)[lane] != 0) votes |= Mask{1} << lane;
    });
    for_each_lane(lanes, [&](int lane) { warp.lanes<std::uint32_t>(to)[lane] = votes; });
  };
}

using Matrix8 = std::array<std::array<std::uint16_t, 8>, 8>;

/// ldmatrix.sync.aligned.m8n8.x4[.trans].shared.b16 {d0, d1, d2, d3}, [row]: lane i has the address
/// of row i % 8 of matrix i / 8. Lane t gets of each matrix the elements (t / 4, 2·(t % 4)) and the
/// next of that row; transposed, those of that column.
Run load_matrices(const Statement& statement, Names& names, bool is_transposed) {
  expect_operands(statement, 2);
  std::array<Slot, 4> to;
  const std::vector<std::string> targets = vector_operands(statement.operands[0]);
  if (targets.size() != to.size()) throw Unsupported("another number of matrices");
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = names.target(targets[i]);
  const Address address = names.address(statement.operands[1]);
  return [=](Warp& warp, Mask lanes) {
    expect_whole_warp(lanes);
    std::array<Matrix8, 4> matrices;
    Addresses addresses;
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      addresses[lane] = warp.number(address.base, static_cast<int>(lane)) +
                        static_cast<std::uint64_t>(address.offset);
      try {
        warp.block().shared().read(addresses[lane], 16, warp.thread(static_cast<int>(lane)),
                                   matrices[lane / 8][lane % 8].data());
      } catch (LaneFault& fault) {
        fault.lane = static_cast<int>(lane);
        throw;
      }
    }
    const SharedPasses passes = count_passes(addresses, lanes, 16);
    warp.block().counters().shared_passes += passes.all;
    warp.block().counters().bank_conflicts += passes.all - passes.ideal;
    for (std::size_t t = 0; t < kLanes; ++t) {
      for (std::size_t m = 0; m < to.size(); ++m) {
        const std::size_t row = t / 4, column = 2 * (t % 4);
        const std::uint16_t low =
            is_transposed ? matrices[m][column][row] : matrices[m][row][column];
        const std::uint16_t high =
            is_transposed ? matrices[m][column + 1][row] : matrices[m][row][column + 1];
        warp.lanes<std::uint32_t>(to[m])[t] = low | static_cast<std::uint32_t>(high) << 16;
      }
    }
  };
}

template <std::size_t kCount>
std::array<Slot, kCount> slots(const std::string& text, Names& names) {
  const std::vector<std::string> parts = vector_operands(text);
  if (parts.size() != kCount) throw Unsupported("another number of registers");
  std::array<Slot, kCount> result;
  for (std::size_t i = 0; i < kCount; ++i) result[i] = names.source(parts[i], 4);
  return result;
}

/// mma.sync.aligned.m16n8k16.row.col.f32.TYPE.TYPE.f32 d, a, b, c: d = a·b + c with a [16, 16], b
/// [16, 8]. Fragments as in the PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point
/// type", with groupID = t / 4 and threadID_in_group = t % 4. Sums are formed in float64 and
/// rounded once, where a GPU keeps a little more than float32.
Run multiply_add(const Statement& statement, Names& names, float (*widen)(std::uint16_t)) {
  expect_operands(statement, 4);
  const std::array<Slot, 4> d = slots<4>(statement.operands[0], names);
  const std::array<Slot, 4> a = slots<4>(statement.operands[1], names);
  const std::array<Slot, 2> b = slots<2>(statement.operands[2], names);
  const std::array<Slot, 4> c = slots<4>(statement.operands[3], names);
  return [=](Warp& warp, Mask lanes) {
    expect_whole_warp(lanes);
    float whole_a[16][16], whole_b[8][16];  // b by columns
    const auto half = [&](Slot slot, std::size_t t, std::size_t i) {
      return widen(static_cast<std::uint16_t>(warp.lanes<std::uint32_t>(slot)[t] >> (16 * i)));
    };
    for (std::size_t t = 0; t < kLanes; ++t) {
      const std::size_t row = t / 4, column = 2 * (t % 4);
      for (std::size_t i = 0; i < 2; ++i) {
        whole_a[row][column + i] = half(a[0], t, i);
        whole_a[row + 8][column + i] = half(a[1], t, i);
        whole_a[row][column + 8 + i] = half(a[2], t, i);
        whole_a[row + 8][column + 8 + i] = half(a[3], t, i);
        whole_b[row][column + i] = half(b[0], t, i);
        whole_b[row][column + 8 + i] = half(b[1], t, i);
      }
    }
    for (std::size_t t = 0; t < kLanes; ++t) {
      float sums[4];  // d may be c, in another order
      for (std::size_t i = 0; i < 4; ++i) {
        const std::size_t row = t / 4 + i / 2 * 8, column = 2 * (t % 4) + i % 2;
        double sum = 0.0;
        for (std::size_t k = 0; k < 16; ++k) {
          sum += static_cast<double>(whole_a[row][k]) * whole_b[column][k];
        }
        sums[i] = static_cast<float>(warp.lanes<float>(c[i])[t] + sum);
      }
      for (std::size_t i = 0; i < 4; ++i) warp.lanes<float>(d[i])[t] = sums[i];
    }
  };
}

}  // namespace

bool decode_warp_operation(const Statement& statement, Names& names, Instruction& instruction) {
  const std::string opcode = statement.opcode();
  instruction.flow = Flow::kWarp;
  if (opcode == "shfl.sync.bfly.b32") {
    instruction.run = exchange(statement, names, instruction);
  } else if (opcode == "vote.sync.ballot.b32") {
    instruction.run = ballot(statement, names, instruction);
  } else if (opcode == "ldmatrix.sync.aligned.m8n8.x4.shared.b16") {
    instruction.run = load_matrices(statement, names, /*is_transposed=*/false);
  } else if (opcode == "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16") {
    instruction.run = load_matrices(statement, names, /*is_transposed=*/true);
  } else if (opcode == "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32") {
    instruction.run = multiply_add(statement, names, from_bfloat16);
    instruction.is_tensor_core = true;
  } else if (opcode == "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32") {
    instruction.run = multiply_add(statement, names, from_float16);
    instruction.is_tensor_core = true;
  } else if (opcode == "bar.sync") {
    if (statement.operands != std::vector<std::string>{"0"}) throw Unsupported("a named barrier");
    instruction.flow = Flow::kBlock;
  } else if (opcode == "nanosleep.u32") {
    instruction.flow = Flow::kYield;
  } else {
    instruction.flow = Flow::kNext;
    return false;
  }
  return true;
}

}  // namespace ptx
