//! A server of a traffic source, on this machine: which messages came, and how often.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::sleep,
};

/// A server of a source.
#[derive(Debug, Clone, Default)]
pub struct Receiver {
    got: Arc<Mutex<BTreeMap<String, u64>>>,
    refuses: Arc<AtomicBool>,
    takes: Duration,
}

impl Receiver {
    /// One that takes its time for each answer.
    pub fn slow(takes: Duration) -> Self {
        Self { takes, ..Self::default() }
    }

    /// Listens from now on: its port.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(&self) -> io::Result<u16> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let all = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(all.clone().serve(stream));
            }
        });
        Ok(port)
    }

    /// Answers 503 from now on, or takes what comes again.
    pub fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, SeqCst);
    }

    /// How often each message was taken, by its `webhook-id`.
    pub fn got(&self) -> BTreeMap<String, u64> {
        self.got.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn serve(self, mut stream: TcpStream) {
        let (mut read, mut part) = (Vec::new(), [0; 2048]);
        loop {
            match stream.read(&mut part).await {
                Ok(0) | Err(_) => return,
                Ok(n) => read.extend_from_slice(&part[..n]),
            }
            let Some(text) = request(&read) else { continue };
            read.clear();
            let id = text.lines().find_map(|l| l.strip_prefix("webhook-id: ")).unwrap_or("no id").to_owned();
            let refuses = self.refuses.load(SeqCst);
            if !refuses {
                *self.got.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default() += 1;
            }
            sleep(self.takes).await;
            let status = if refuses { "503 no" } else { "200 OK" };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// The head of a request that is there with its whole body.
fn request(read: &[u8]) -> Option<String> {
    let end = read.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    let length = head
        .lines()
        .find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ")?.trim().parse().ok());
    (read.len() - end >= length.unwrap_or(0)).then_some(head)
}
