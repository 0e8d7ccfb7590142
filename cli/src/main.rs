//! The tfx program: the allocator. Everything else is the library.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tfx_service::memory::Allocator = tfx_service::memory::Allocator;

fn main() -> ExitCode {
    tfx_cli::main()
}
