//! Long work behind an answer, on a task of its own: a fault in it ends that work alone, and whoever waits for it learns so.

use std::future::Future;
use tokio::task::JoinSet;
use tracing::Instrument as _;

/// Runs it to its end, or until nobody waits for that any more.
///
/// # Errors
/// Why there is none: it panicked, or was dropped.
pub(crate) async fn run<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, &'static str> {
    const DROPPED: &str = "was dropped before its end, as api-service was stopped";
    // Dropped, it ends what it runs.
    let mut one = JoinSet::new();
    one.spawn(work.in_current_span());
    let ended = one.join_next().await.ok_or(DROPPED)?;
    ended.map_err(|error| match error.is_panic() {
        true => "broke off by a fault of api-service, which its log tells as a panic",
        false => DROPPED,
    })
}

#[cfg(test)]
mod tests {
    use super::run;

    #[tokio::test]
    async fn a_panic_is_told_to_whoever_waits() {
        assert_eq!(run(async { 7 }).await, Ok(7));
        let why =
            run(async { assert!(std::env::args().count() == 0, "a fault") }).await.expect_err("a panic");
        assert!(why.contains("panic"), "{why}");
    }

    #[tokio::test]
    async fn it_ends_with_whoever_waits_for_it() {
        let (holds, dropped) = tokio::sync::oneshot::channel::<()>();
        let work = async move {
            let _holds = holds;
            std::future::pending::<()>().await;
        };
        let waits = tokio::spawn(run(work));
        tokio::task::yield_now().await;
        waits.abort();
        assert!(dropped.await.is_err(), "what it held is let go of");
    }
}
