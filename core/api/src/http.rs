//! HTTP clients that can be made where the system knows no authorities: a bare Debian, without `ca-certificates`; and bodies
//! that have an end.

use reqwest::{Client, ClientBuilder, Response, Result};

/// The client that is described. Where the system has no authorities it is made without: `http://` works as ever, and a
/// request to `https://` fails, since nobody is known who could have signed the certificate.
///
/// # Errors
/// What is wrong with the description.
pub fn client(described: impl Fn() -> ClientBuilder) -> Result<Client> {
    described().build().or_else(|wrong| described().tls_certs_only([]).build().map_err(|_| wrong))
}

/// The body of an answer; none: it has more than `most` bytes, and the rest is not read.
///
/// # Errors
/// It breaks off.
pub async fn body(mut response: Response, most: usize) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if chunk.len() > most - bytes.len() {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}
