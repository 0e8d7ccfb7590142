//! The postback-service binary: data folder, listener, stores. Everything else is the library.

use std::{process::ExitCode, sync::Arc};
use tfx_service::{bind, program};
use tfx_settings::vars::{POSTBACK_SERVICE_ADDR, Program};
use tfx_wiring::{DataDir, FolderLock};

const ABOUT: &str = "Takes postbacks of affiliate networks and records conversions";

#[global_allocator]
static ALLOCATOR: tfx_service::memory::Allocator = tfx_service::memory::Allocator;

fn main() -> ExitCode {
    program("postback-service", ABOUT, Program::Postback, |settings, shutdown| async move {
        let data_dir = Arc::new(DataDir::open(&settings.data_dir, FolderLock::Shared)?);
        let listener = bind(POSTBACK_SERVICE_ADDR.name, &settings.addresses.postback).await?;
        let stores = tfx_wiring::open(&settings, &data_dir).await?;
        tfx_postback::run(settings, data_dir, stores, listener, shutdown).await
    })
}
