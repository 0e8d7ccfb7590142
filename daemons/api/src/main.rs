//! The api-service binary: data folder, listener, stores, the first token. Everything else is the library.

use std::{
    io::{IsTerminal as _, Write as _, stderr},
    process::ExitCode,
    sync::Arc,
};
use tfx_service::{bind, program};
use tfx_settings::vars::{API_SERVICE_ADDR, Program};
use tfx_wiring::{DataDir, FolderLock};

const ABOUT: &str = "REST over configuration, reports and operations";

#[global_allocator]
static ALLOCATOR: tfx_service::memory::Allocator = tfx_service::memory::Allocator;

fn main() -> ExitCode {
    program("api-service", ABOUT, Program::Api, |settings, shutdown| async move {
        let data_dir = Arc::new(DataDir::open(&settings.data_dir, FolderLock::Shared)?);
        let listener = bind(API_SERVICE_ADDR.name, &settings.addresses.api).await?;
        let stores = tfx_wiring::open(&settings, &data_dir).await?;
        let (token, made_now) = data_dir.admin_token()?;
        if made_now {
            let file = data_dir.admin_token_file();
            // A log has no place for a token: what is no terminal is told the file alone.
            let shown = if stderr().is_terminal() { format!(": {}", token.expose()) } else { String::new() };
            // Nobody is left to tell when stderr is gone.
            let _ = writeln!(
                stderr(),
                "api-service: the administrator's token was made and is kept in {} (0600){shown}",
                file.display()
            );
        }
        tfx_api_service::run(settings, data_dir, stores, listener, shutdown).await
    })
}
