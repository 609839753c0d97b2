// Memory of large tensors on the CPU, kept for the next ones.
#pragma once

namespace sparse_transformer {

/// From now on LibTorch's memory for large tensors on the CPU is kept when they end, in huge pages
/// where the system has them. A training step asks for the same sizes as the one before, and pages
/// fresh from the system cost it some 8% of its time. What is kept is given back before a
/// sixteenth or 64 MiB more, whichever is more, is asked of the system than was ever in use. For
/// the whole process, before other threads are made.
void keep_freed_memory();

/// Gives the system back what is kept; nothing where freed memory is not kept.
void give_back_kept_memory();

}  // namespace sparse_transformer
