//! The login of a listener: SaslHandshake and SaslAuthenticate of Kafka's protocol, and in them SCRAM-SHA-512 (RFC 5802).
//! The broker has one, too, but takes users from nobody who has not logged in.

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA512, digest},
    hmac::{self, HMAC_SHA512},
    pbkdf2::{self, PBKDF2_HMAC_SHA512},
};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use rand::RngExt as _;
use std::num::NonZeroU32;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

pub(crate) const MECHANISM: &str = "SCRAM-SHA-512";
const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).expect("not zero");

/// Who may log in.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) name: &'static str,
    pub(crate) password: &'static str,
}

/// Lets a client in that proves to be that user; none: it is told why, and to be hung up on.
pub(crate) async fn login(
    client: &mut (impl AsyncRead + AsyncWrite + Unpin),
    broker: &mut (impl AsyncRead + AsyncWrite + Unpin),
    user: &User,
) -> Option<()> {
    let mut server = Scram::of(user);
    loop {
        let request = frame(client).await?;
        let (kind, mut body) = Body::of_request(&request)?;
        let answer = match kind {
            18 => {
                // What the broker can do may be asked before.
                send(broker, &request).await?;
                send(client, &frame(broker).await?).await?;
                continue;
            }
            17 => {
                let known = body.text()? == MECHANISM;
                let code: i16 = if known { 0 } else { 33 };
                let mut answer = code.to_be_bytes().to_vec();
                answer.extend(1_i32.to_be_bytes());
                put_text(&mut answer, MECHANISM);
                answer
            }
            36 => {
                let (code, why, bytes) = match server.step(body.bytes()?) {
                    Some(bytes) => (0_i16, "", bytes),
                    None => (58, "the name or the password is wrong", String::new()),
                };
                let mut answer = code.to_be_bytes().to_vec();
                put_text(&mut answer, why);
                answer.extend(i32::try_from(bytes.len()).ok()?.to_be_bytes());
                answer.extend(bytes.as_bytes());
                answer.extend(0_i64.to_be_bytes()); // it need not log in again
                answer
            }
            _ => return None, // it does not want to
        };
        let whole = [&request[4..8], &answer].concat();
        send(client, &whole).await?;
        match server.done {
            Some(true) => return Some(()),
            Some(false) => return None,
            None => {}
        }
    }
}

async fn frame(from: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let size = from.read_i32().await.ok()?;
    let mut frame = vec![0; usize::try_from(size).ok().filter(|s| (8..1 << 20).contains(s))?];
    from.read_exact(&mut frame).await.ok()?;
    Some(frame)
}

async fn send(to: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> Option<()> {
    let size = i32::try_from(frame.len()).ok()?.to_be_bytes();
    to.write_all(&[&size, frame].concat()).await.ok()?;
    to.flush().await.ok()
}

fn put_text(to: &mut Vec<u8>, text: &str) {
    to.extend(i16::try_from(text.len()).expect("short").to_be_bytes());
    to.extend(text.as_bytes());
}

/// What is left to read of a request.
struct Body<'r>(&'r [u8]);

impl<'r> Body<'r> {
    /// The kind of a request, and what follows kind, version, correlation and the client's name.
    fn of_request(request: &'r [u8]) -> Option<(i16, Self)> {
        let kind = i16::from_be_bytes([*request.first()?, *request.get(1)?]);
        let mut body = Self(request.get(8..)?);
        body.text()?;
        Some((kind, body))
    }

    fn take(&mut self, count: usize) -> Option<&'r [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn text(&mut self) -> Option<&'r str> {
        let size = i16::from_be_bytes(self.take(2)?.try_into().ok()?);
        std::str::from_utf8(self.take(usize::try_from(size).ok()?)?).ok()
    }

    fn bytes(&mut self) -> Option<&'r str> {
        let size = i32::from_be_bytes(self.take(4)?.try_into().ok()?);
        std::str::from_utf8(self.take(usize::try_from(size).ok()?)?).ok()
    }
}

/// The server's side of one login.
struct Scram {
    user: User,
    /// What both have said so far, as it is signed.
    said: Option<String>,
    nonce: String,
    salt: [u8; 16],
    /// How it ended.
    done: Option<bool>,
}

impl Scram {
    fn of(user: &User) -> Self {
        let nonce = BASE64_STANDARD.encode(rand::rng().random::<[u8; 18]>());
        Self { user: user.clone(), said: None, nonce, salt: rand::rng().random(), done: None }
    }

    /// The answer to what the client says; none: it is refused.
    fn step(&mut self, client: &str) -> Option<String> {
        let answer = match self.said.take() {
            None => self.first(client),
            Some(said) => self.last(client, &said).inspect(|_| self.done = Some(true)),
        };
        if answer.is_none() {
            self.done = Some(false);
        }
        answer
    }

    /// "n,,n=NAME,r=NONCE" → "r=NONCES,s=SALT,i=ITERATIONS"
    fn first(&mut self, client: &str) -> Option<String> {
        let bare = client.strip_prefix("n,,")?;
        let (name, nonce) = bare.strip_prefix("n=")?.split_once(",r=")?;
        self.nonce.insert_str(0, nonce);
        let salt = BASE64_STANDARD.encode(self.salt);
        let answer = format!("r={},s={salt},i={ITERATIONS}", self.nonce);
        self.said = Some(format!("{bare},{answer}"));
        (name == self.user.name).then_some(answer)
    }

    /// "c=biws,r=NONCES,p=PROOF" → "v=PROOF"
    fn last(&self, client: &str, said: &str) -> Option<String> {
        let (signed, proof) = client.split_once(",p=")?;
        if signed != format!("c=biws,r={}", self.nonce) {
            return None;
        }
        let said = format!("{said},{signed}");
        let mut salted = [0; 64];
        pbkdf2::derive(
            PBKDF2_HMAC_SHA512,
            ITERATIONS,
            &self.salt,
            self.user.password.as_bytes(),
            &mut salted,
        );
        let sign = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(HMAC_SHA512, key), text);
        let key = sign(&salted, b"Client Key");
        let signature = sign(digest(&SHA512, key.as_ref()).as_ref(), said.as_bytes());
        let expected: Vec<u8> = key.as_ref().iter().zip(signature.as_ref()).map(|(k, s)| k ^ s).collect();
        verify_slices_are_equal(&expected, &BASE64_STANDARD.decode(proof).ok()?).ok()?;
        let server = sign(sign(&salted, b"Server Key").as_ref(), said.as_bytes());
        Some(format!("v={}", BASE64_STANDARD.encode(server)))
    }
}
