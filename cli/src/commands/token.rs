//! `tfx token`: API tokens for programs.

use crate::{
    complete,
    context::Context,
    exit::{Failure, Kind},
    input,
    output::{Column, Format, text},
    pages::{Paging, View},
    prompt, when,
};
use clap::{Args, Subcommand};
use serde_json::Value;
use tfx_api::tokens::{NewToken, Scope};
use tfx_domain::Timestamp;
use tfx_ops::clock;

/// What is done with API tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    Create(Create),
    /// List API tokens, oldest first, with their last use.
    List(List),
    /// End a token: within a second it opens nothing on any instance.
    Revoke(Revoke),
}

/// Make an API token; it is shown this once.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx token create ci --scope read,write:campaigns --expires 90d\n  \
    tfx token create bi --scope read,read:money --output name > bi.token")]
pub(crate) struct Create {
    /// What it is called.
    name: String,
    /// What it may do, several with commas; docs/api.md has the list.
    #[arg(long = "scope", value_name = "SCOPES", value_delimiter = ',', required = true, add = complete::scopes())]
    scopes: Vec<Scope>,
    /// When it ends by itself: 30d, 12h or never.
    #[arg(long, value_name = "TIME", default_value = "90d")]
    expires: Expires,
}

/// Which part of the list.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    paging: Paging,
}

/// Which token.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// Its name or id.
    token: String,
    /// Only if it is at this version.
    #[arg(long, value_name = "VERSION", value_parser = input::number::<u64>)]
    if_match: Option<u64>,
}

/// So many seconds from now, or never.
#[derive(Debug, Clone, Copy)]
struct Expires(Option<u64>);

impl std::str::FromStr for Expires {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self(None));
        }
        match when::span(text) {
            Ok(seconds) if seconds > 0 => Ok(Self(Some(seconds))),
            _ => Err("must be a time such as 90d or 12h, or never".to_owned()),
        }
    }
}

impl Expires {
    fn at(self, now: Timestamp) -> Result<Option<Timestamp>, Failure> {
        let Some(seconds) = self.0 else { return Ok(None) };
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        let at = now.as_second().checked_add(seconds).and_then(|at| Timestamp::from_second(at).ok());
        at.map(Some).ok_or_else(|| Failure::usage("--expires is outside of the calendar; say never"))
    }
}

impl TokenCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Create(c) => c.run(context).await,
            Self::List(c) => c.run(context).await,
            Self::Revoke(c) => c.run(context).await,
        }
    }
}

fn scopes(row: &Value) -> String {
    row["scopes"].as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(" ")
}

impl Create {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let expires_at = self.expires.at(clock::now())?;
        let wanted = NewToken { name: self.name, scopes: self.scopes, expires_at };
        let made = context.client()?.create_token(&wanted).await?;
        if made.token.is_none() {
            let message = "the token was made, but the answer that had its text was lost on the way";
            return Err(Failure::new(Kind::Failed, message)
                .hint(format!("end it with 'tfx token revoke {}', then make it again", made.row.id)));
        }
        let item = serde_json::to_value(made).map_err(Failure::failed)?;
        let columns = [
            Column::id("token", "token"),
            Column::text("name", "name"),
            Column::id("id", "id"),
            Column::made("scopes", "scopes", scopes),
            Column::time("expires", "expires_at"),
        ];
        context.out.item(&item, &columns, "token")?;
        context.out.note("the token is shown this once; TFX_TOKEN or TFX_TOKEN_FILE hand it to tfx");
        Ok(())
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let columns = vec![
            Column::text("name", "name"),
            Column::text("state", "state"),
            Column::made("scopes", "scopes", scopes),
            Column::time("last used", "last_used_at"),
            Column::text("from", "last_used_from"),
            Column::time("expires", "expires_at"),
            Column::text("made by", "created_by"),
            Column::id("id", "id"),
        ];
        let view = View { columns, name: |row| text(&row["id"]) };
        self.paging
            .print(context, view, async |limit, cursor| client.tokens(limit, cursor.as_ref()).await)
            .await
    }
}

impl Revoke {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        if !context.yes && prompt::possible() {
            let question = format!("End the token {} for good?", self.token);
            if !prompt::confirm(&question, false)? {
                context.out.note("nothing was changed");
                return Ok(());
            }
        }
        let row = context.client()?.revoke_token(&self.token, self.if_match).await;
        let row = row.map_err(|e| Failure::from(e).hint_if_missing("tfx token list"))?;
        let item = serde_json::to_value(row).map_err(Failure::failed)?;
        let columns =
            [Column::text("name", "name"), Column::id("id", "id"), Column::time("revoked", "revoked_at")];
        context.out.item(&item, &columns, "id")?;
        if context.out.format == Format::Table {
            context.out.note("within a second it opens nothing on any instance");
        }
        Ok(())
    }
}
