//! Threads for the talk with servers of others. However much of it they make (a handshake, a flood of heads), it takes time of
//! these threads and of the processor, never the turn of a click or of a postback that comes in. They are no lower in rank
//! than others: on a busy machine a good server would seem to be too slow.

use crate::{Answer, Failure, Outbound, Request, Unanswered};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    runtime::{Builder, Runtime},
    task::AbortHandle,
    time::timeout,
};

/// Threads. A connection that always has something to read keeps one for moments at a time; the system shares the
/// processor among the rest, whose time-outs go on.
const THREADS: usize = 4;
/// How much later than it may last a request is broken off, if its own end has not come by then.
const SLACK: Duration = Duration::from_millis(500);

/// The threads; they end when this is dropped, and with them what runs there.
pub struct Apart(Option<Runtime>);

/// Breaks off what was begun, when nobody waits for it any more.
struct BreakOff(AbortHandle);

impl Apart {
    /// Starts them.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(name: &str) -> io::Result<Self> {
        let mut threads = Builder::new_multi_thread();
        threads.worker_threads(THREADS).thread_name(name).enable_all();
        Ok(Self(Some(threads.build()?)))
    }

    /// Sends a request once, from there. It ends when its time is over, whatever the other side does; none: it broke off in
    /// this program.
    pub async fn send(
        &self,
        outbound: &Arc<Outbound>,
        request: Request,
    ) -> Option<Result<Answer, Unanswered>> {
        let latency = request.timeout;
        let most = request.wait.saturating_add(latency).saturating_add(SLACK);
        let outbound = Arc::clone(outbound);
        timeout(most, self.run(async move { outbound.send(request).await }))
            .await
            .unwrap_or(Some(Err(Unanswered { failure: Failure::TimedOut, latency })))
    }

    /// Runs it there; none: it broke off.
    pub async fn run<T: Send + 'static>(&self, what: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let task = self.0.as_ref()?.spawn(what);
        let _break_off = BreakOff(task.abort_handle());
        task.await.ok()
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        // Waits for nobody: it may be dropped where waiting is not allowed.
        if let Some(threads) = self.0.take() {
            threads.shutdown_background();
        }
    }
}

impl Drop for BreakOff {
    fn drop(&mut self) {
        self.0.abort();
    }
}
