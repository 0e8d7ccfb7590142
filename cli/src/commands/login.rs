//! `tfx login`, `tfx logout`, `tfx whoami`.

use crate::{
    context::Context,
    credentials::{self, Credentials},
    exit::{Failure, Kind},
    output::{Column, text},
    prompt,
};
use clap::Args;
use serde_json::Value;
use std::io::Read as _;
use tfx_api::{
    ApiError, Client,
    logins::{CodeProof, CodeRequest},
};

/// The most that is read as a token.
const MAX_TOKEN: u64 = 8_192;

/// Log in by a code that comes by mail, or with a token.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx login ann@example.com\n  \
    tfx login --with-token < ci.token")]
pub(crate) struct Login {
    /// Your mail address.
    email: Option<String>,
    /// Keep a token that is read from standard input.
    #[arg(long, conflicts_with = "email")]
    with_token: bool,
}

/// End the session of this profile, and forget it.
#[derive(Debug, Args)]
pub(crate) struct Logout {}

/// Show who you are to api-service, and what you may do.
#[derive(Debug, Args)]
pub(crate) struct Whoami {}

impl Login {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let api = context.api_url()?;
        let token = if self.with_token { given_token()? } else { self.by_code(context, &api).await? };
        let client = Client::new(&api, Some(&token))?;
        let me = client.whoami().await.map_err(|e| match e.status() {
            Some(401) if self.with_token => unknown(&api),
            _ => e.into(),
        })?;
        // A file that holds no login is written anew.
        let before = credentials::kept(&context.source, context.profile()).ok().flatten();
        let path = credentials::write(&context.source, context.profile(), &Credentials { api, token })?;
        if let Some(before) = before {
            // It may be over, or of an api-service that is gone: the new login stands all the same.
            if let Err(e) = end(&before).await {
                context.out.note(format!("warning: the login before was not ended at {}: {e}", before.api));
            }
        }
        let item = serde_json::to_value(&me).map_err(Failure::failed)?;
        context.out.item(&item, &columns(), "name")?;
        let how = if me.role.is_none() {
            "tfx logout forgets it, tfx token revoke ends it"
        } else {
            "tfx logout ends it"
        };
        context.out.note(format!("kept in {} (0600); {how}", path.display()));
        if context.source.get("TFX_TOKEN").is_some() || context.source.get("TFX_TOKEN_FILE").is_some() {
            context.out.note(
                "warning: TFX_TOKEN or TFX_TOKEN_FILE is set and goes before it: nothing uses this login",
            );
        }
        Ok(())
    }

    async fn by_code(&self, context: &Context, api: &str) -> Result<String, Failure> {
        let asks = prompt::possible();
        let email = match &self.email {
            Some(email) => email.clone(),
            None if asks => prompt::text("Mail address", None, prompt::anything)?,
            None => {
                return Err(Failure::usage("a mail address is needed")
                    .hint("tfx login ADDRESS, or tfx login --with-token < FILE"));
            }
        };
        let client = Client::new(api, None)?;
        let answer = client.ask_code(&CodeRequest { email: email.clone() }).await?;
        let code = match answer.code {
            Some(code) => {
                context.out.note("AUTH_DEV_RETURN_OTP: the code came with the answer");
                code
            }
            None if asks => {
                context.out.note("a code is on its way, if this address may have one now");
                prompt::text("Code", None, prompt::anything)?
            }
            None => {
                return Err(Failure::usage("the code has to be typed, and there is no terminal")
                    .hint("programs use tokens: tfx token create, tfx login --with-token"));
            }
        };
        Ok(client.prove_code(&CodeProof { email, code }).await?.token)
    }
}

/// Nothing is kept of a token that opens nothing, and what was kept before stays.
fn unknown(api: &str) -> Failure {
    let message =
        format!("the token opens nothing at {api}: it is none of there, was revoked or has expired");
    Failure::new(Kind::Denied, message).hint("nothing was kept; 'tfx token create' makes one")
}

fn given_token() -> Result<String, Failure> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(MAX_TOKEN).read_to_string(&mut text);
    read.map_err(|e| Failure::usage(format!("the token cannot be read from standard input: {e}")))?;
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Failure::usage("standard input holds no token").hint("tfx login --with-token < FILE"));
    }
    Ok(token.to_owned())
}

impl Logout {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        // A file that holds no login is only removed.
        let kept = credentials::kept(&context.source, context.profile()).ok().flatten();
        let ended = match &kept {
            Some(kept) => end(kept).await.map_err(|e| {
                let hint = credentials::path(&context.source, context.profile()).map(|path| {
                    format!("the login is still kept; to forget it all the same: rm {}", path.display())
                });
                Failure::from(e).hint(hint.unwrap_or_default())
            })?,
            None => false,
        };
        let was = credentials::remove(&context.source, context.profile())?;
        context.out.note(match (was, ended) {
            (true, true) => "logged out",
            (true, false) => {
                "forgotten; it was no session that could be ended: tfx token revoke ends a token"
            }
            (false, _) => "there was no login in this profile",
        });
        Ok(())
    }
}

/// Ends a session where it was begun; false: it is none, or over.
async fn end(kept: &Credentials) -> Result<bool, ApiError> {
    match Client::new(&kept.api, Some(&kept.token))?.logout().await {
        Ok(_) => Ok(true),
        Err(e) if matches!(e.status(), Some(401 | 403 | 409)) => Ok(false),
        Err(e) => Err(e),
    }
}

impl Whoami {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let me = context.client()?.whoami().await?;
        let item = serde_json::to_value(&me).map_err(Failure::failed)?;
        context.out.item(&item, &columns(), "name")
    }
}

fn columns() -> [Column; 5] {
    let scopes =
        |row: &Value| row["scopes"].as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(" ");
    [
        Column::text("name", "name"),
        Column::text("role", "role"),
        Column::made("scopes", "scopes", scopes),
        Column::time("until", "expires_at"),
        Column::id("token", "token"),
    ]
}
