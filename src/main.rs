//! The program; everything it does is in the library.

fn main() -> std::process::ExitCode {
    kubectl_chaos::cli::main()
}
