//! One connection as the listener watches it: what it is doing, since when, and the socket that notes it.

use crate::budget::{Budget, Share};
use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Instant,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// A request's head is to come, or has begun to.
    Head,
    /// The body is to come.
    Body,
    /// All of the request is here.
    Working,
    /// The handler is done, the answer with the system unless a write waits; the next request may come.
    Idle,
    /// It is being cut.
    Cut,
}

impl Phase {
    const ALL: [Self; 5] = [Self::Head, Self::Body, Self::Working, Self::Idle, Self::Cut];
    const BITS: u32 = 3;

    fn pack(self, since: u64) -> u64 {
        since << Self::BITS | self as u64
    }

    fn unpack(packed: u64) -> (Self, u64) {
        let which = usize::try_from(packed & ((1 << Self::BITS) - 1)).unwrap_or_default();
        (Self::ALL.get(which).copied().unwrap_or(Self::Cut), packed >> Self::BITS)
    }
}

/// The time of a service, in milliseconds since it began; never 0, which stands for never.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX >> Phase::BITS) + 1
    }
}

/// What a connection is doing.
#[derive(Debug)]
pub(crate) struct Line {
    clock: Clock,
    /// The phase, and since when.
    state: AtomicU64,
    /// Since when a write has been waiting; 0: none is.
    blocked: AtomicU64,
    /// Since when the other end sends no more although its request is not answered yet; 0: it may send.
    half_closed: AtomicU64,
    /// To be woken when that may be told.
    waits: Mutex<Option<Waker>>,
    /// A body that has not come whole by now does not come: its end is told.
    end_told: AtomicBool,
    /// What its head takes.
    head: Share,
}

impl Line {
    pub(crate) fn new(clock: Clock, budget: &Arc<Budget>) -> Self {
        Self {
            clock,
            state: AtomicU64::new(Phase::Head.pack(clock.now())),
            blocked: AtomicU64::new(0),
            half_closed: AtomicU64::new(0),
            waits: Mutex::default(),
            end_told: AtomicBool::new(false),
            head: Share::of(budget),
        }
    }

    /// What it is doing, and since when.
    pub(crate) fn phase(&self) -> (Phase, u64) {
        Phase::unpack(self.state.load(Relaxed))
    }

    /// Since when the other end has not read what was written to it.
    pub(crate) fn blocked(&self) -> Option<u64> {
        Some(self.blocked.load(Relaxed)).filter(|since| *since > 0)
    }

    /// Since when the other end has sent no more.
    pub(crate) fn half_closed(&self) -> Option<u64> {
        Some(self.half_closed.load(Relaxed)).filter(|since| *since > 0)
    }

    /// The head is here.
    pub(crate) fn begin(&self, has_body: bool) {
        self.head.clear();
        self.enter(if has_body { Phase::Body } else { Phase::Working });
    }

    /// The body is here.
    pub(crate) fn received_all(&self) {
        self.enter(Phase::Working);
    }

    /// The handler is done.
    pub(crate) fn answered(&self) {
        self.enter(Phase::Idle);
        self.wake();
    }

    /// Claims a connection to cut it, if it is still in the phase that was seen.
    pub(crate) fn claim(&self, phase: Phase, since: u64) -> bool {
        let cut = Phase::Cut.pack(since);
        self.state.compare_exchange(phase.pack(since), cut, Relaxed, Relaxed).is_ok()
    }

    fn enter(&self, phase: Phase) {
        self.state.store(phase.pack(self.clock.now()), Relaxed);
    }

    /// Bytes came.
    fn received(&self, bytes: usize) -> io::Result<()> {
        let seen = self.state.load(Relaxed);
        let (phase, _) = Phase::unpack(seen);
        match phase {
            Phase::Idle => {
                let head = Phase::Head.pack(self.clock.now());
                if self.state.compare_exchange(seen, head, Relaxed, Relaxed).is_err() {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
            }
            Phase::Head => {}
            Phase::Body | Phase::Working | Phase::Cut => return Ok(()),
        }
        if self.head.take(bytes) { Ok(()) } else { Err(io::ErrorKind::OutOfMemory.into()) }
    }

    /// The other end sends no more; true if that is to be kept from the request whose answer it waits for.
    fn ended(&self, waker: &Waker) -> bool {
        let waits = match self.phase().0 {
            Phase::Working => true,
            // It may have come whole, and is not read yet.
            Phase::Body => !self.end_told.load(Relaxed),
            Phase::Idle => self.blocked().is_some(),
            Phase::Head | Phase::Cut => false,
        };
        if waits {
            *self.waits.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
            if self.half_closed().is_none() {
                self.half_closed.store(self.clock.now(), Relaxed);
            }
        }
        waits
    }

    /// What has come of the body is all there is.
    pub(crate) fn tell_end(&self) {
        self.end_told.store(true, Relaxed);
        self.wake();
    }

    fn wake(&self) {
        if self.half_closed().is_some()
            && let Some(waker) = self.waits.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            waker.wake();
        }
    }

    fn wrote<T>(&self, polled: Poll<T>) -> Poll<T> {
        if polled.is_ready() {
            self.blocked.store(0, Relaxed);
            self.wake();
        } else if self.blocked().is_none() {
            self.blocked.store(self.clock.now(), Relaxed);
        }
        polled
    }
}

/// The socket of a line. A client that sends no more while it waits for its answer is not taken for one that left.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) socket: TcpStream,
    pub(crate) line: Arc<Line>,
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        match Pin::new(&mut this.socket).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => match buf.filled().len() - before {
                0 if this.line.ended(cx.waker()) => Poll::Pending,
                0 => Poll::Ready(Ok(())),
                bytes => Poll::Ready(this.line.received(bytes)),
            },
            other => other,
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.line.wrote(Pin::new(&mut this.socket).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.line.wrote(Pin::new(&mut this.socket).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_follow_what_happens_and_a_claim_holds() {
        let line = Line::new(Clock::start(), &Budget::new(0));
        let ended = || line.ended(Waker::noop());
        assert_eq!(line.phase().0, Phase::Head, "a new connection owes a head");
        assert!(!ended());
        line.begin(true);
        assert!(ended(), "the body may be here, and not be read yet");
        line.tell_end();
        assert!(!ended(), "a body that ends early is an error");
        line.received_all();
        assert!(ended() && line.half_closed().is_some());
        line.answered();
        assert!(!ended(), "it is answered");
        assert!(line.wrote(Poll::<()>::Pending).is_pending() && ended(), "the answer is not there yet");
        assert!(line.wrote(Poll::Ready(())).is_ready() && !ended());
        let (phase, since) = line.phase();
        assert_eq!(phase, Phase::Idle);
        assert!(line.received(10).is_ok() && !line.claim(phase, since), "a request has begun");
        line.answered();
        let (phase, since) = line.phase();
        assert!(line.claim(phase, since) && line.received(10).is_ok());
        assert_eq!(line.phase().0, Phase::Cut, "what comes too late changes nothing");
    }
}
