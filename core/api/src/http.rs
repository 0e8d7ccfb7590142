//! HTTP clients that can be made where the system knows no authorities: a bare Debian, without `ca-certificates`.

use reqwest::{Client, ClientBuilder, Result};

/// The client that is described. Where the system has no authorities it is made without: `http://` works as ever, and a
/// request to `https://` fails, since nobody is known who could have signed the certificate.
///
/// # Errors
/// What is wrong with the description.
pub fn client(described: impl Fn() -> ClientBuilder) -> Result<Client> {
    described().build().or_else(|wrong| described().tls_certs_only([]).build().map_err(|_| wrong))
}
