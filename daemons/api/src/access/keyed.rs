//! Keyed hashes of secrets that the store keeps instead of them: HMAC-SHA256 with a key of the installation. Whoever reads
//! a backup of accounts without that key can try nothing against them.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::fmt::Write as _;
use subtle::ConstantTimeEq;
use tfx_ports::{
    StoreError, entropy,
    keys::{Keys, TOKENS},
};
use tokio::sync::OnceCell;

/// The key, asked of the store when it is needed first: a start does not wait for it.
#[derive(Default)]
pub(crate) struct Keyed(OnceCell<String>);

impl Keyed {
    /// The hash of a secret, in hexadecimal digits. `what` keeps hashes of different things apart.
    ///
    /// # Errors
    /// The store's, until the key is known.
    pub(crate) async fn digest(
        &self,
        keys: &dyn Keys,
        what: &str,
        secret: &str,
    ) -> Result<String, StoreError> {
        let agree = || async { keys.agree(TOKENS, &entropy::secret()).await };
        let key = self.0.get_or_try_init(agree).await?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes())
            .map_err(|e| StoreError::broken("use the key of tokens", e))?;
        for part in [what.as_bytes(), b"\0", secret.as_bytes()] {
            mac.update(part);
        }
        let mut text = String::with_capacity(64);
        for byte in mac.finalize().into_bytes() {
            let _ = write!(text, "{byte:02x}");
        }
        Ok(text)
    }
}

/// Whether two hashes are the same, in a time that tells nothing of them.
pub(crate) fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}
