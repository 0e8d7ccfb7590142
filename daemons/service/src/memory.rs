//! What the programs take memory with, and when they give it back to the system.
//!
//! The allocator returns pages only while a thread asks it to: without that, a process that was busy once and is idle
//! now would keep all that it ever took ([decision 0031](../../../docs/decisions/0031-memory-is-given-back.md)).

use std::{
    cell::Cell,
    io,
    time::{Duration, Instant},
};
use tokio::runtime::{Builder, Runtime};

/// The allocator of the programs, which each of them installs for itself. A click makes some fifty allocations on one
/// thread and ends them on others; this one is made for that. Figures: `docs/benchmarks.md`.
pub use mimalloc::MiMalloc as Allocator;

/// How often one thread gives back at most. The allocator itself waits a second before it lets a page go.
const EVERY: Duration = Duration::from_millis(500);

thread_local! {
    static LAST: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The runtime of a program: its threads give memory back when they have nothing to do.
///
/// # Errors
/// The system's, if it has no thread left.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().on_thread_park(when_due).build()
}

/// Timers, such as the sweep of every listener, wake a thread twice a second even where nothing else happens.
fn when_due() {
    let now = Instant::now();
    LAST.with(|last| {
        if last.get().is_none_or(|last| now.saturating_duration_since(last) >= EVERY) {
            last.set(Some(now));
            give_back();
        }
    });
}

#[expect(unsafe_code, reason = "the allocator's own function has no other way in")]
fn give_back() {
    // SAFETY: it may be called by any thread at any time; it looks at what is free alone.
    unsafe { libmimalloc_sys::mi_collect(false) };
}

/// What the allocator calls how long it waits before it lets a page go, milliseconds; its crate has no name for it.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// Gives back at once what is free from now on: for a program that handles much once, where a page more counts and a
/// microsecond does not.
#[expect(unsafe_code, reason = "the allocator's own function has no other way in")]
pub fn give_back_at_once() {
    // SAFETY: it may be called at any time, and sets a number that the allocator reads each time.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, 0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "the allocator's own function has no other way in")]
    fn the_allocator_calls_it_so() {
        // SAFETY: it only reads.
        let get = || unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        assert_eq!(get(), 1_000, "its default: another option stands in this place now");
        give_back_at_once();
        assert_eq!(get(), 0);
    }
}
