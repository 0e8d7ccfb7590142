//! The token of a session: a JWT, signed with one fixed algorithm. What it says is believed only together with what the
//! store says of its session and user.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use tfx_domain::access::Session;
use tfx_ports::{
    StoreError, entropy,
    keys::{Keys, SESSIONS},
};
use tfx_settings::Secret;
use tokio::sync::OnceCell;

const AUDIENCE: &str = "tfx-api";
/// How far clocks of instances may differ.
const LEEWAY_S: u64 = 5;

/// What a token says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) sub: String,
    pub(crate) jti: String,
    aud: String,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// Signs and checks.
pub(crate) struct Signer {
    /// The first signs.
    secrets: Vec<Secret>,
    /// Where none is set, that of the installation.
    own: OnceCell<Vec<Secret>>,
}

impl Signer {
    pub(crate) fn new(secrets: Vec<Secret>) -> Self {
        Self { secrets, own: OnceCell::new() }
    }

    async fn keys(&self, keys: &dyn Keys) -> Result<&[Secret], StoreError> {
        if !self.secrets.is_empty() {
            return Ok(&self.secrets);
        }
        let agree = || async {
            let made = format!("{}{}", entropy::secret(), entropy::secret());
            Ok::<_, StoreError>(vec![Secret::from(keys.agree(SESSIONS, &made).await?)])
        };
        self.own.get_or_try_init(agree).await.map(Vec::as_slice)
    }

    /// The token of a session.
    ///
    /// # Errors
    /// The store's, where the key is in it.
    pub(crate) async fn sign(&self, keys: &dyn Keys, session: &Session) -> Result<String, StoreError> {
        let claims = Claims {
            sub: session.user.clone(),
            jti: session.id.clone(),
            aud: AUDIENCE.to_owned(),
            iat: session.created_at.as_second(),
            nbf: session.created_at.as_second(),
            exp: session.expires_at.as_second(),
        };
        let all = self.keys(keys).await?;
        let secret = all.first().map(Secret::expose).unwrap_or_default();
        EncodingKey::from_secret(secret.as_bytes())
            .and_then(|key| encode(&Header::new(Algorithm::HS256), &claims, &key))
            .map_err(|e| StoreError::broken("sign the token of a session", e))
    }

    /// What a token says that is signed by us, for us, and in its time.
    ///
    /// # Errors
    /// The store's, where the key is in it.
    pub(crate) async fn read(&self, keys: &dyn Keys, text: &str) -> Result<Option<Claims>, StoreError> {
        let mut rules = Validation::new(Algorithm::HS256);
        rules.leeway = LEEWAY_S;
        rules.validate_nbf = true;
        rules.set_audience(&[AUDIENCE]);
        rules.set_required_spec_claims(&["exp", "nbf", "aud", "sub"]);
        let all = self.keys(keys).await?;
        let by = |secret: &Secret| {
            let key = DecodingKey::from_secret(secret.expose().as_bytes()).ok()?;
            decode::<Claims>(text, &key, &rules).ok()
        };
        Ok(all.iter().find_map(by).map(|token| token.claims))
    }
}
