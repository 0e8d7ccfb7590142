//! The terminal: taken whole while the screen lives, and given back as it was on every way out: a key, a signal, an error, a
//! panic.

use crate::exit::Failure;
use ratatui::{
    DefaultTerminal, Frame,
    crossterm::event::{self, KeyEvent},
};
use std::{io, pin::Pin, thread};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};

/// The terminal, while it is ours.
pub(super) struct Screen {
    terminal: DefaultTerminal,
    /// A key, or nothing but another size.
    keys: UnboundedReceiver<Option<KeyEvent>>,
}

impl Screen {
    /// Takes it. A panic gives it back before it says what it was.
    ///
    /// # Errors
    /// It cannot be taken.
    pub(super) fn enter() -> Result<Self, Failure> {
        let terminal = ratatui::try_init().map_err(|e| {
            Failure::failed(format!("the terminal cannot be used: {e}")).hint("--once prints one screen")
        })?;
        let (sender, keys) = unbounded_channel();
        // It waits for keys until the process ends.
        thread::spawn(move || {
            while let Ok(event) = event::read() {
                let told = match event {
                    event::Event::Key(key) => Some(key),
                    event::Event::Resize(..) => None,
                    _ => continue,
                };
                if sender.send(told).is_err() {
                    break;
                }
            }
        });
        Ok(Self { terminal, keys })
    }

    /// Draws it.
    ///
    /// # Errors
    /// It has gone.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(draw).map(|_| ())
    }

    /// The next key, or that the size changed; none: the terminal has gone.
    pub(super) async fn key(&mut self) -> Option<Option<KeyEvent>> {
        self.keys.recv().await
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Ends with the first signal that ends a program.
///
/// # Errors
/// Signals cannot be listened to.
pub(super) fn ended() -> io::Result<Pin<Box<dyn Future<Output = ()>>>> {
    let mut term = signal(SignalKind::terminate())?;
    let mut hup = signal(SignalKind::hangup())?;
    let mut int = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    Ok(Box::pin(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = hup.recv() => {}
            _ = int.recv() => {}
            _ = quit.recv() => {}
        }
    }))
}
