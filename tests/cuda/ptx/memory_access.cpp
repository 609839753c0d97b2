// ld, st, atom, cp.async and what orders them.
#include "tests/cuda/ptx/memory_access.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "tests/cuda/ptx/block.h"
#include "tests/cuda/ptx/decode.h"
#include "tests/cuda/ptx/fault.h"
#include "tests/cuda/ptx/warp.h"

namespace ptx {
namespace {

using Run = std::function<void(Warp&, Mask)>;

enum class Space : std::uint8_t { kGlobal, kShared, kLocal, kParameter };

/// A load or store as its opcode says: ld.global.cg.v4.u32.
struct Access {
  Space space = Space::kGlobal;
  std::uint32_t count = 1;  // of numbers
  Type type = {};
  std::uint32_t bytes() const { return count * static_cast<std::uint32_t>(type.bytes()); }
};

Access parse_access(const std::vector<std::string>& words) {
  static const std::map<std::string, Space> spaces = {{"global", Space::kGlobal},
                                                      {"shared", Space::kShared},
                                                      {"local", Space::kLocal},
                                                      {"param", Space::kParameter}};
  Access access;
  std::size_t i = 1;
  const auto next = [&] { return i < words.size() ? words[i] : std::string(); };
  const auto space = spaces.find(next());
  if (space == spaces.end()) throw Unsupported("unknown state space");
  access.space = space->second;
  ++i;
  // Caches change no result.
  if (access.space == Space::kGlobal && (next() == "cg" || next() == "nc" || next() == "wb")) ++i;
  if (next() == "v2" || next() == "v4") access.count = next() == "v2" ? 2 : 4, ++i;
  access.type = parse_type(next());
  if (i + 1 != words.size()) throw Unsupported("unknown modifier");
  return access;
}

Addresses addresses_of(Warp& warp, Mask lanes, const Address& address) {
  Addresses result = {};
  for_each_lane(lanes, [&](int lane) {
    result[static_cast<std::size_t>(lane)] =
        warp.number(address.base, lane) + static_cast<std::uint64_t>(address.offset);
  });
  return result;
}

/// Names the lane in what an access throws.
template <typename F>
void for_each_named_lane(Mask lanes, const F& f) {
  for_each_lane(lanes, [&](int lane) {
    try {
      f(lane);
    } catch (LaneFault& fault) {
      fault.lane = lane;
      throw;
    }
  });
}

void count_global(Warp& warp, const Addresses& addresses, Mask lanes, std::uint32_t bytes,
                  bool is_read) {
  Counters& counters = warp.block().counters();
  const int sectors = count_sectors(addresses, lanes);
  const std::int64_t moved = std::int64_t{std::popcount(lanes)} * bytes;
  (is_read ? counters.global_read_sectors : counters.global_written_sectors) += sectors;
  (is_read ? counters.global_read_bytes : counters.global_written_bytes) += moved;
}

void count_shared(Warp& warp, const Addresses& addresses, Mask lanes, std::uint32_t bytes) {
  const SharedPasses passes = count_passes(addresses, lanes, bytes);
  warp.block().counters().shared_passes += passes.all;
  warp.block().counters().bank_conflicts += passes.all - passes.ideal;
}

void count_access(Warp& warp, Space space, const Addresses& addresses, Mask lanes,
                  std::uint32_t bytes, bool is_read) {
  if (space == Space::kGlobal) count_global(warp, addresses, lanes, bytes, is_read);
  if (space == Space::kShared) count_shared(warp, addresses, lanes, bytes);
  if (space == Space::kLocal) ++warp.block().counters().local_accesses;
}

/// Of memory that is a thread's or a launch's own.
template <typename Bytes>
auto* own_bytes(Bytes& memory, std::uint64_t address, std::uint32_t bytes) {
  if (address % bytes != 0) throw LaneFault{-1, "misaligned address"};
  if (address >= memory.size() || bytes > memory.size() - address) {
    throw LaneFault{-1, "out of bounds"};
  }
  return memory.data() + address;
}

void read(Warp& warp, Space space, std::uint64_t address, std::uint32_t bytes, int lane,
          void* into) {
  Block& block = warp.block();
  const int thread = warp.thread(lane);
  switch (space) {
    case Space::kGlobal:
      return block.global().read(address, bytes, {&block.view(), thread}, into);
    case Space::kShared:
      return block.shared().read(address, bytes, thread, into);
    case Space::kLocal:
      std::memcpy(into, own_bytes(warp.local(lane), address, bytes), bytes);
      return;
    case Space::kParameter:
      std::memcpy(into, own_bytes(block.parameters(), address, bytes), bytes);
      return;
  }
}

void write(Warp& warp, Space space, std::uint64_t address, std::uint32_t bytes, int lane,
           const void* from) {
  Block& block = warp.block();
  const int thread = warp.thread(lane);
  if (space == Space::kGlobal) {
    block.global().write(address, bytes, {&block.view(), thread}, from);
    block.note_progress();
  } else if (space == Space::kShared) {
    block.shared().write(address, bytes, thread, from);
  } else {
    std::memcpy(own_bytes(warp.local(lane), address, bytes), from, bytes);
  }
}

/// The number of `type` at `from`, extended to a register's size.
std::uint64_t extended(Type type, const unsigned char* from) {
  return with_type(type, [&](auto t) {
    using T = decltype(t);
    T x;
    std::memcpy(&x, from, sizeof(x));
    if constexpr (std::is_floating_point_v<T>) {
      std::uint64_t bits = 0;
      std::memcpy(&bits, &x, sizeof(x));
      return bits;
    } else {
      return static_cast<std::uint64_t>(static_cast<std::int64_t>(x));
    }
  });
}

constexpr std::size_t kMostBytes = 32;

Run load(const Statement& statement, Names& names) {
  expect_operands(statement, 2);
  const Access access = parse_access(statement.words);
  const Address address = names.address(statement.operands[1]);
  std::vector<Slot> to;
  for (const std::string& part : vector_operands(statement.operands[0])) {
    to.push_back(names.target(part));
  }
  if (to.size() != access.count) throw Unsupported("another number of registers");
  return [=](Warp& warp, Mask lanes) {
    const Addresses addresses = addresses_of(warp, lanes, address);
    count_access(warp, access.space, addresses, lanes, access.bytes(), /*is_read=*/true);
    for_each_named_lane(lanes, [&](int lane) {
      unsigned char data[kMostBytes];
      read(warp, access.space, addresses[static_cast<std::size_t>(lane)], access.bytes(), lane,
           data);
      for (std::size_t i = 0; i < to.size(); ++i) {
        const std::size_t each = static_cast<std::size_t>(access.type.bytes());
        warp.set_number(to[i], lane, extended(access.type, data + i * each));
      }
    });
  };
}

Run store(const Statement& statement, Names& names) {
  expect_operands(statement, 2);
  const Access access = parse_access(statement.words);
  if (access.space == Space::kParameter) throw Unsupported("a store of parameters");
  const Address address = names.address(statement.operands[0]);
  std::vector<Slot> from;
  for (const std::string& part : vector_operands(statement.operands[1])) {
    // A small number may be in a larger register.
    const int bytes = std::max(access.type.bytes(), 2);
    from.push_back(part.starts_with('%') ? names.any_register(part) : names.source(part, bytes));
    if (from.back().bytes < static_cast<std::uint32_t>(access.type.bytes())) {
      throw Unsupported("a register of another size");
    }
  }
  if (from.size() != access.count) throw Unsupported("another number of registers");
  return [=](Warp& warp, Mask lanes) {
    const Addresses addresses = addresses_of(warp, lanes, address);
    count_access(warp, access.space, addresses, lanes, access.bytes(), /*is_read=*/false);
    for_each_named_lane(lanes, [&](int lane) {
      unsigned char data[kMostBytes];
      for (std::size_t i = 0; i < from.size(); ++i) {
        const std::uint64_t x = warp.number(from[i], lane);
        const std::size_t each = static_cast<std::size_t>(access.type.bytes());
        std::memcpy(data + i * each, &x, each);
      }
      write(warp, access.space, addresses[static_cast<std::size_t>(lane)], access.bytes(), lane,
            data);
    });
  };
}

/// atom.global.add.u32 d, [a], b: d becomes what the number was.
Run atomic_add(const Statement& statement, Names& names) {
  expect_operands(statement, 3);
  const Slot to = names.target(statement.operands[0]);
  const Address address = names.address(statement.operands[1]);
  const Slot from = names.source(statement.operands[2], 4);
  return [=](Warp& warp, Mask lanes) {
    const Addresses addresses = addresses_of(warp, lanes, address);
    count_global(warp, addresses, lanes, 4, /*is_read=*/false);
    for_each_named_lane(lanes, [&](int lane) {
      Block& block = warp.block();
      std::uint32_t* const number = block.global().atomic_number(
          addresses[static_cast<std::size_t>(lane)], block.view(), warp.thread(lane));
      warp.set_number(to, lane, *number);
      *number += warp.lanes<std::uint32_t>(from)[lane];
      block.note_progress();
    });
  };
}

/// ld.acquire.gpu.global.s32 d, [a]
Run acquire(const Statement& statement, Names& names) {
  expect_operands(statement, 2);
  const Slot to = names.target(statement.operands[0]);
  const Address address = names.address(statement.operands[1]);
  return [=](Warp& warp, Mask lanes) {
    const Addresses addresses = addresses_of(warp, lanes, address);
    count_global(warp, addresses, lanes, 4, /*is_read=*/true);
    for_each_named_lane(lanes, [&](int lane) {
      Block& block = warp.block();
      warp.set_number(to, lane,
                      block.global().acquire_number(addresses[static_cast<std::size_t>(lane)],
                                                    block.view(), warp.thread(lane)));
    });
  };
}

/// cp.async.cg.shared.global [to], [from], 16, size: the bytes beyond `size` become zeros.
Run begin_copy(const Statement& statement, Names& names) {
  expect_operands(statement, 4);
  const Address to = names.address(statement.operands[0]);
  const Address from = names.address(statement.operands[1]);
  const auto bytes = static_cast<std::uint32_t>(std::stoul(statement.operands[2]));
  const Slot size = names.source(statement.operands[3], 4);
  if (bytes != 4 && bytes != 8 && bytes != 16) throw Unsupported("another size");
  return [=](Warp& warp, Mask lanes) {
    const Addresses targets = addresses_of(warp, lanes, to);
    const Addresses sources = addresses_of(warp, lanes, from);
    Mask reading = 0;
    for_each_named_lane(lanes, [&](int lane) {
      const auto i = static_cast<std::size_t>(lane);
      const std::uint32_t present = warp.lanes<std::uint32_t>(size)[lane];
      Copy copy = {targets[i], bytes, {}};
      if (present != 0 && present != bytes) throw LaneFault{-1, "a copy of a part"};
      if (present != 0) {
        read(warp, Space::kGlobal, sources[i], bytes, lane, copy.data.data());
        reading |= Mask{1} << lane;
      }
      warp.block().shared().begin_copy(copy.address, bytes, warp.thread(lane));
      warp.copies(lane).add(copy);
    });
    count_global(warp, sources, reading, bytes, /*is_read=*/true);
    count_shared(warp, targets, lanes, bytes);
  };
}

void wait_for_copies(Warp& warp, Mask lanes, std::size_t groups) {
  for_each_lane(lanes, [&](int lane) {
    for (const Copy& copy : warp.copies(lane).take_all_but(groups)) {
      warp.block().shared().finish_copy(copy.address, copy.bytes, warp.thread(lane),
                                        copy.data.data());
    }
  });
}

}  // namespace

int count_sectors(const Addresses& addresses, Mask lanes) {
  constexpr std::uint64_t kSector = 32;
  std::array<std::uint64_t, kLanes> sectors;
  std::size_t count = 0;
  // An aligned access of at most 32 bytes is within one sector.
  static_assert(kMostBytes <= kSector);
  for_each_lane(lanes, [&](int lane) {
    sectors[count++] = addresses[static_cast<std::size_t>(lane)] / kSector;
  });
  std::sort(sectors.begin(), sectors.begin() + count);
  return static_cast<int>(std::unique(sectors.begin(), sectors.begin() + count) - sectors.begin());
}

SharedPasses count_passes(const Addresses& addresses, Mask lanes, std::uint32_t bytes) {
  constexpr std::uint64_t kBank = 4, kBanks = 32;
  const std::uint32_t words = std::max<std::uint32_t>(bytes / kBank, 1);
  const int group = kLanes / static_cast<int>(words);  // lanes that are taken together
  SharedPasses passes;
  for (int first = 0; first < kLanes; first += group) {
    std::array<std::vector<std::uint64_t>, kBanks> wanted;  // different words of each bank
    std::size_t most = 0;
    for (int lane = first; lane < first + group; ++lane) {
      if ((lanes >> lane & 1) == 0) continue;
      for (std::uint32_t w = 0; w < words; ++w) {
        const std::uint64_t word = addresses[static_cast<std::size_t>(lane)] / kBank + w;
        std::vector<std::uint64_t>& bank = wanted[word % kBanks];
        if (std::find(bank.begin(), bank.end(), word) == bank.end()) bank.push_back(word);
        most = std::max(most, bank.size());
      }
    }
    passes.all += static_cast<int>(most);
    passes.ideal += most > 0 ? 1 : 0;
  }
  return passes;
}

bool decode_memory_access(const Statement& statement, Names& names, Instruction& instruction) {
  const std::string opcode = statement.opcode();
  const std::string& name = statement.words[0];
  if (opcode == "ld.acquire.gpu.global.s32") {
    instruction.run = acquire(statement, names);
    instruction.flow = Flow::kYield;
  } else if (name == "ld") {
    instruction.run = load(statement, names);
  } else if (name == "st") {
    instruction.run = store(statement, names);
  } else if (opcode == "atom.global.add.u32") {
    instruction.run = atomic_add(statement, names);
  } else if (opcode == "cp.async.cg.shared.global" || opcode == "cp.async.ca.shared.global") {
    instruction.run = begin_copy(statement, names);
  } else if (opcode == "cp.async.commit_group") {
    instruction.run = [](Warp& warp, Mask lanes) {
      for_each_lane(lanes, [&](int lane) { warp.copies(lane).commit(); });
    };
  } else if (opcode == "cp.async.wait_group") {
    expect_operands(statement, 1);
    const std::size_t groups = std::stoul(statement.operands[0]);
    instruction.run = [groups](Warp& warp, Mask lanes) { wait_for_copies(warp, lanes, groups); };
  } else if (opcode == "membar.gl") {
    instruction.run = [](Warp& warp, Mask lanes) {
      for_each_lane(lanes, [&](int lane) { warp.block().view().fence(warp.thread(lane)); });
    };
  } else {
    return false;
  }
  return true;
}

}  // namespace ptx
