//! Configuration in files: a folder of YAML, read with the place of every value and written so that the same configuration is
//! the same bytes. No server is asked here: what is compared and saved is api-service's (`tfx plan`, `tfx apply`).

mod folder;
mod places;
mod read;
mod secrets;
mod vars;
mod write;
#[cfg(test)]
mod write_tests;
mod yaml;

pub(crate) use folder::{HEADER, entities as files, is_export, is_written_here};
pub(crate) use read::{Set, entities_of, read, variables};
pub(crate) use secrets::masked_fields;
pub(crate) use vars::Vars;
pub(crate) use write::{flow, ordered, text};
