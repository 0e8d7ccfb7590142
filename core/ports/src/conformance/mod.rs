//! The suite every adapter must pass, stamped onto it by its tests:
//!
//! ```ignore
//! tfx_ports::conformance!(config_store: fresh_config);
//! ```
//!
//! Each `fresh_…` is an async function that makes a new, empty store. The macro makes a module with one test per
//! case. A case changes only what it made itself, compares revisions with the one it found, and waits for
//! conditions, never for time.

pub mod config;

use std::{any::Any, sync::Arc};

/// Two handles on one new, empty store, as two processes would have them.
pub struct Pair<T: ?Sized> {
    /// One handle.
    pub one: Arc<T>,
    /// Another, opened by itself.
    pub two: Arc<T>,
    /// What has to live as long as the handles: a folder, a server.
    pub keep: Box<dyn Any + Send>,
}

/// Makes a module of tests that hold an adapter to the suite.
#[macro_export]
macro_rules! conformance {
    (config_store: $fresh:path) => {
        $crate::conformance!(@ config_store, config, $fresh:
            creates_are_found_again, an_unknown_entity_is_not_there, a_slug_is_taken_once_in_its_parent,
            an_update_needs_the_version_before_it, what_is_refused_leaves_no_trace,
            every_change_is_in_the_audit_log, lists_are_complete_while_they_grow, lists_are_filtered,
            a_cursor_of_another_list_is_refused, what_is_loaded_is_one_revision, a_waiter_wakes_on_a_change,
            a_waiter_gives_up_in_time, of_simultaneous_writers_one_wins);
    };
    (@ $name:ident, $module:ident, $fresh:path: $($case:ident),+) => {
        mod $name {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    $crate::conformance::$module::$case($fresh().await).await;
                }
            )+
        }
    };
}
