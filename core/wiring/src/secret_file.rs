//! Secrets of one line, each in a file of its own, made once.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::Path,
};
use tfx_ports::{entropy, files};

/// A secret.
#[derive(Debug)]
pub(crate) struct SecretFile {
    /// What it is.
    pub(crate) text: String,
    /// It was made just now.
    pub(crate) now: bool,
    /// In place of an empty file.
    pub(crate) anew: bool,
}

/// What a file holds.
pub(crate) enum Held {
    /// A whole secret.
    Secret(String),
    /// Nothing that anybody could have been told: what a file holds whose bytes the loss of power took.
    Nothing,
    /// Something else.
    Other,
}

/// Reads the secret, or makes it; processes that do so at once agree on one. The inner error says what is wrong with the
/// file; an empty one is replaced.
pub(crate) fn read_or_make(path: &Path, shortest: usize) -> io::Result<Result<SecretFile, &'static str>> {
    // Twice: the one who was first may have made it meanwhile.
    for _ in 0..2 {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => {
                let text = entropy::secret();
                if files::make(path, line(&text).as_bytes())? {
                    return Ok(Ok(SecretFile { text, now: true, anew: false }));
                }
                continue;
            }
            Err(e) => return Err(e),
        };
        match held(&mut file, shortest)? {
            Held::Secret(text) => return Ok(Ok(SecretFile { text, now: false, anew: false })),
            Held::Other => return Ok(Err("holds no whole secret")),
            Held::Nothing => {}
        }
        // Of those who meet it one replaces it; the others find what it made.
        file.lock()?;
        let empty = match held(&mut File::open(path)?, shortest)? {
            Held::Secret(text) => return Ok(Ok(SecretFile { text, now: false, anew: false })),
            Held::Nothing => true,
            Held::Other => false,
        };
        if empty {
            let text = entropy::secret();
            files::replace(path, line(&text).as_bytes())?;
            return Ok(Ok(SecretFile { text, now: true, anew: true }));
        }
    }
    Ok(Err("holds no whole secret"))
}

/// What the file holds; none if there is none.
pub(crate) fn read(path: &Path, shortest: usize) -> io::Result<Option<Held>> {
    match File::open(path) {
        Ok(mut file) => held(&mut file, shortest).map(Some),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Writes the secret, in place of the one before.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    files::replace(path, line(text).as_bytes())
}

fn line(text: &str) -> String {
    format!("{text}\n")
}

fn held(file: &mut File, shortest: usize) -> io::Result<Held> {
    let mut bytes = Vec::new();
    file.take(4096).read_to_end(&mut bytes)?;
    if bytes.iter().all(|b| b.is_ascii_whitespace() || *b == 0) {
        return Ok(Held::Nothing);
    }
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    let whole = text.len() >= shortest && !text.contains(char::is_control);
    Ok(if whole { Held::Secret(text) } else { Held::Other })
}
