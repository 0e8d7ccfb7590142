//! `tfx user` and `tfx session`: people and their logins.

use crate::{
    context::Context,
    exit::Failure,
    input,
    output::{Column, text},
    pages::{Paging, View},
    prompt,
};
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::Value;
use tfx_api::{ApiError, Client, logins::Role, tokens::TokenState};

/// What is done with people.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// List people, and whether they may log in.
    List(List),
    /// Let somebody in whose address is verified.
    Approve(Approve),
    /// Give somebody another role.
    Role(RoleOf),
    /// Let somebody in no more; within a second his sessions open nothing.
    Revoke(Revoke),
}

/// What is done with sessions.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// List logins that go on or ended lately.
    List(List),
    /// End a session: within a second it opens nothing on any instance.
    Revoke(Revoke),
}

/// Which part of the list.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    paging: Paging,
}

/// Who, and as what.
#[derive(Debug, Args)]
pub(crate) struct Approve {
    /// His mail address or id.
    user: String,
    /// What he is to be: admin, editor or viewer.
    #[arg(long, default_value = "viewer")]
    role: Role,
    /// Only if it is at this version.
    #[arg(long, value_name = "VERSION", value_parser = input::number::<u64>)]
    if_match: Option<u64>,
}

/// Who, and what he is to be.
#[derive(Debug, Args)]
pub(crate) struct RoleOf {
    /// His mail address or id.
    user: String,
    /// admin, editor or viewer.
    role: Role,
    /// Only if it is at this version.
    #[arg(long, value_name = "VERSION", value_parser = input::number::<u64>)]
    if_match: Option<u64>,
}

/// Who or which.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The address or id of a user; the id of a session.
    reference: String,
    /// Only if it is at this version.
    #[arg(long, value_name = "VERSION", value_parser = input::number::<u64>)]
    if_match: Option<u64>,
}

fn user_columns() -> [Column; 6] {
    [
        Column::text("address", "email"),
        Column::text("role", "role"),
        Column::text("state", "state"),
        Column::time("last login", "last_login_at"),
        Column::time("since", "created_at"),
        Column::id("id", "id"),
    ]
}

fn session_columns() -> [Column; 6] {
    [
        Column::id("id", "id"),
        Column::text("address", "email"),
        Column::text("from", "from"),
        Column::time("began", "created_at"),
        Column::time("until", "expires_at"),
        Column::time("ended", "revoked_at"),
    ]
}

fn shown(
    context: &Context,
    answer: Result<impl Serialize, ApiError>,
    columns: &[Column],
    missing: &str,
) -> Result<(), Failure> {
    let done = answer.map_err(|e| Failure::from(e).hint_if_missing(missing))?;
    let item: Value = serde_json::to_value(done).map_err(Failure::failed)?;
    context.out.item(&item, columns, "id")
}

fn sure(context: &Context, question: &str) -> Result<bool, Failure> {
    if context.yes || !prompt::possible() || prompt::confirm(question, false)? {
        return Ok(true);
    }
    context.out.note("nothing was changed");
    Ok(false)
}

/// Tokens that somebody made are programs' own: they stay, and are told.
async fn tokens_stay(context: &Context, client: &Client, user: &str) -> Result<(), Failure> {
    let mut cursor = None;
    loop {
        let page = client.tokens(Some(1_000), cursor.as_ref()).await?;
        for token in page.items.iter().filter(|t| t.created_by == user && t.state == TokenState::Active) {
            let name = &token.name;
            context.out.note(format!(
                "warning: {user} made the token {name}, which still opens: tfx token revoke {name}"
            ));
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(()),
        }
    }
}

impl UserCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let answer = match self {
            Self::List(List { paging }) => {
                let view = View { columns: user_columns().into(), name: |row| text(&row["email"]) };
                let fetch = async |limit, cursor: Option<String>| client.users(limit, cursor.as_ref()).await;
                return paging.print(context, view, fetch).await;
            }
            Self::Approve(Approve { user, role, if_match }) => {
                client.approve_user(&user, role, if_match).await
            }
            Self::Role(RoleOf { user, role, if_match }) => client.user_role(&user, role, if_match).await,
            Self::Revoke(Revoke { reference, if_match }) => {
                if !sure(context, &format!("Let {reference} in no more?"))? {
                    return Ok(());
                }
                let answer = client.revoke_user(&reference, if_match).await;
                let user = answer.as_ref().ok().map(|user| user.email.clone());
                shown(context, answer, &user_columns(), "tfx user list")?;
                return match user {
                    Some(user) => tokens_stay(context, &client, &user).await,
                    None => Ok(()),
                };
            }
        };
        shown(context, answer, &user_columns(), "tfx user list")
    }
}

impl SessionCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        match self {
            Self::List(List { paging }) => {
                let view = View { columns: session_columns().into(), name: |row| text(&row["id"]) };
                let fetch =
                    async |limit, cursor: Option<String>| client.sessions(limit, cursor.as_ref()).await;
                paging.print(context, view, fetch).await
            }
            Self::Revoke(Revoke { reference, if_match }) => {
                if !sure(context, &format!("End the session {reference}?"))? {
                    return Ok(());
                }
                let ended = client.revoke_session(&reference, if_match).await;
                shown(context, ended, &session_columns(), "tfx session list")
            }
        }
    }
}
