//! A thread for the talk with servers of others. However much of it they make (a handshake, a flood of heads), it takes
//! time of this thread and of the processor, never the turn of a click or of a postback that comes in.

use std::{io, thread};
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// The thread; it ends when this is dropped, and with it what runs there.
pub struct Apart {
    handle: Handle,
    _until: oneshot::Sender<()>,
}

impl Apart {
    /// Starts it.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(name: &str) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (until, over) = oneshot::channel::<()>();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Nothing is sent: it ends when the other side is dropped.
            let _ = runtime.block_on(over);
        })?;
        Ok(Self { handle, _until: until })
    }

    /// Runs it there; none: the thread has ended.
    pub async fn run<T: Send + 'static>(&self, what: impl Future<Output = T> + Send + 'static) -> Option<T> {
        self.handle.spawn(what).await.ok()
    }
}
