//! Who may in: tokens, logins, users and their sessions.

use super::{Client, transport::Call};
use crate::{
    error::ApiError,
    logins::{CodeAnswer, CodeProof, CodeRequest, LoginAnswer, Role, RoleRequest, Session, User},
    page::Page,
    service::Whoami,
    tokens::{MadeToken, NewToken, TokenRow},
};

impl Client {
    /// A page of API tokens, oldest first.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn tokens(
        &self,
        limit: Option<usize>,
        cursor: Option<&String>,
    ) -> Result<Page<TokenRow>, ApiError> {
        self.call(Call::get(&["tokens"]).page(limit, cursor)).await
    }

    /// Makes an API token; its text is in this answer and nowhere else.
    ///
    /// # Errors
    /// [`ApiError`]; `slug_taken` (409): another has the name; `forbidden` (403): it may do more than who makes it.
    pub async fn create_token(&self, token: &NewToken) -> Result<MadeToken, ApiError> {
        self.create_at(&["tokens"], token).await
    }

    /// Ends an API token by its name or id; with `if_match` only if it is at that version.
    ///
    /// # Errors
    /// [`ApiError`]; `version_mismatch` (412).
    pub async fn revoke_token(&self, reference: &str, if_match: Option<u64>) -> Result<TokenRow, ApiError> {
        self.call(Call { if_match, ..Call::post(&["tokens", reference, "revoke"]) }).await
    }

    /// Asks for a code to log in with; the answer is the same for everybody.
    ///
    /// # Errors
    /// [`ApiError`]; `no_logins` (409).
    pub async fn ask_code(&self, request: &CodeRequest) -> Result<CodeAnswer, ApiError> {
        self.post(&["auth", "otp"], request).await
    }

    /// Begins a session with a code that came.
    ///
    /// # Errors
    /// [`ApiError`]; `wrong_code` (401), `waiting_for_approval` and `revoked` (403).
    pub async fn prove_code(&self, proof: &CodeProof) -> Result<LoginAnswer, ApiError> {
        self.post(&["auth", "verify"], proof).await
    }

    /// Ends the session that this client shows.
    ///
    /// # Errors
    /// [`ApiError`]; `no_session` (409): it shows none.
    pub async fn logout(&self) -> Result<Session, ApiError> {
        self.call(Call::post(&["auth", "logout"])).await
    }

    /// A page of users, oldest first.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn users(&self, limit: Option<usize>, cursor: Option<&String>) -> Result<Page<User>, ApiError> {
        self.call(Call::get(&["users"]).page(limit, cursor)).await
    }

    /// Lets a user in, by his address or id.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn approve_user(
        &self,
        reference: &str,
        role: Role,
        if_match: Option<u64>,
    ) -> Result<User, ApiError> {
        self.give_role(reference, "approve", role, if_match).await
    }

    /// Gives a user another role.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn user_role(
        &self,
        reference: &str,
        role: Role,
        if_match: Option<u64>,
    ) -> Result<User, ApiError> {
        self.give_role(reference, "role", role, if_match).await
    }

    async fn give_role(
        &self,
        reference: &str,
        verb: &str,
        role: Role,
        if_match: Option<u64>,
    ) -> Result<User, ApiError> {
        let body = self.json(&RoleRequest { role })?;
        self.call(Call { body: Some(&body), if_match, ..Call::post(&["users", reference, verb]) }).await
    }

    /// Lets a user in no more.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn revoke_user(&self, reference: &str, if_match: Option<u64>) -> Result<User, ApiError> {
        self.call(Call { if_match, ..Call::post(&["users", reference, "revoke"]) }).await
    }

    /// A page of sessions, oldest first.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn sessions(
        &self,
        limit: Option<usize>,
        cursor: Option<&String>,
    ) -> Result<Page<Session>, ApiError> {
        self.call(Call::get(&["sessions"]).page(limit, cursor)).await
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn revoke_session(&self, id: &str, if_match: Option<u64>) -> Result<Session, ApiError> {
        self.call(Call { if_match, ..Call::post(&["sessions", id, "revoke"]) }).await
    }

    /// Whose token this is.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn whoami(&self) -> Result<Whoami, ApiError> {
        self.call(Call::get(&["whoami"])).await
    }
}
