//! A thread that does what is asynchronous for callers that wait, wherever they are: archives are written and read by threads
//! that block.

use std::{io, pin::Pin, sync::mpsc, thread};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The thread; it ends with this.
pub(super) struct Lane(UnboundedSender<Work>);

impl Lane {
    pub(super) fn begin() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (send, mut receive) = unbounded_channel::<Work>();
        thread::Builder::new().name("bucket".to_owned()).spawn(move || {
            runtime.block_on(async {
                while let Some(work) = receive.recv().await {
                    tokio::spawn(work);
                }
            });
        })?;
        Ok(Self(send))
    }

    /// Has work begun; its result comes later.
    pub(super) fn begun<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> io::Result<mpsc::Receiver<T>> {
        let (tell, told) = mpsc::sync_channel(1);
        let work: Work = Box::pin(async move {
            // Whoever asked may be gone.
            let _ = tell.send(work.await);
        });
        self.0.send(work).map_err(|_| io::Error::other("the thread of the bucket has ended"))?;
        Ok(told)
    }

    /// Has work done, and waits for it.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> io::Result<T> {
        self.begun(work)?.recv().map_err(io::Error::other)
    }
}
