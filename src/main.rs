//! weir's entry point: the allocator, and the way into [`weir::cli`].

use std::process::ExitCode;

/// A proxy allocates and frees on every request, on many threads, in sizes that repeat: mimalloc's heaps per thread take no
/// lock for that and keep memory in use close to what is needed. musl's own allocator, in static builds, takes one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    weir::cli::main()
}
