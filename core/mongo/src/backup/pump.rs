//! Hands bytes to a thread that writes them, so that the database is read meanwhile. Nothing that was not said to be whole
//! is ended.

use std::io::{self, ErrorKind};
use tfx_ports::backup::ArchiveSink;
use tokio::{
    sync::mpsc::{Sender, channel},
    task::{JoinHandle, spawn_blocking},
};

/// Chunks that wait for the device.
const WAITING: usize = 2;

enum Step {
    Bytes(Vec<u8>),
    End,
}

/// The way to a sink.
pub(super) struct Pump {
    steps: Sender<Step>,
    writer: JoinHandle<io::Result<()>>,
}

impl Pump {
    pub(super) fn to(mut sink: Box<dyn ArchiveSink>) -> Self {
        let (steps, mut next) = channel(WAITING);
        let writer = spawn_blocking(move || {
            while let Some(step) = next.blocking_recv() {
                match step {
                    Step::Bytes(bytes) => sink.write_all(&bytes)?,
                    Step::End => return sink.end(),
                }
            }
            Err(io::Error::new(ErrorKind::Interrupted, "it was given up"))
        });
        Self { steps, writer }
    }

    /// Writes more.
    pub(super) async fn bytes(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        match self.steps.send(Step::Bytes(bytes)).await {
            Ok(()) => Ok(()),
            Err(_) => ended(&mut self.writer).await,
        }
    }

    /// All was written.
    pub(super) async fn end(mut self) -> io::Result<()> {
        // One that has ended before says why below.
        let _ = self.steps.send(Step::End).await;
        ended(&mut self.writer).await
    }
}

async fn ended(writer: &mut JoinHandle<io::Result<()>>) -> io::Result<()> {
    match writer.await {
        Ok(done) => done,
        Err(e) => Err(io::Error::other(e)),
    }
}
