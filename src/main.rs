//! The program; everything it does is in the library.

/// musl's own allocator takes twice the time for what a run does.
#[cfg(target_env = "musl")]
#[global_allocator]
static MEMORY: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    kubectl_chaos::cli::main()
}
