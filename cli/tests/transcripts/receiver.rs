//! A traffic source's server, as far as a postback needs one: paths that end with a status are answered with it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
};

/// Listens until the test is over.
pub(crate) struct Receiver {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || answer(stream, &kept));
            }
        });
        Self { address, asked }
    }

    /// Where it is.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// What it was asked, head and body, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Answers the requests of a connection, one after the other.
fn answer(stream: TcpStream, kept: &Mutex<Vec<String>>) {
    let mut writer = stream.try_clone().expect("a stream");
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while reader.read_line(&mut head).unwrap_or(0) > 2 && !head.ends_with("\r\n\r\n") {}
        if !head.ends_with("\r\n\r\n") {
            return;
        }
        let length =
            head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let path = head.split(' ').nth(1).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        let status: u16 = path.rsplit('/').next().and_then(|last| last.parse().ok()).unwrap_or(200);
        let said = if status == 200 { "taken" } else { "not taken" };
        kept.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(head.clone() + &String::from_utf8_lossy(&body));
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{said}", said.len());
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
