//! The traffic-service binary: data folder, listener, stores. Everything else is the library.

use std::{process::ExitCode, sync::Arc};
use tfx_service::{bind, program};
use tfx_settings::vars::{Program, TRAFFIC_SERVICE_ADDR};
use tfx_wiring::{DataDir, FolderLock};

const ABOUT: &str = "Takes clicks on tracking links, decides where each goes, redirects";

#[global_allocator]
static ALLOCATOR: tfx_service::memory::Allocator = tfx_service::memory::Allocator;

fn main() -> ExitCode {
    program("traffic-service", ABOUT, Program::Traffic, |settings, shutdown| async move {
        let data_dir = Arc::new(DataDir::open(&settings.data_dir, FolderLock::Shared)?);
        let listener = bind(TRAFFIC_SERVICE_ADDR.name, &settings.addresses.traffic).await?;
        let stores = tfx_wiring::open_without_secrets(&settings, &data_dir).await?;
        tfx_traffic::run(settings, data_dir, stores, listener, shutdown).await
    })
}
