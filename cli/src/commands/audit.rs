//! `tfx audit`: who changed what, when.

use super::entity::{failed, view};
use crate::{
    context::Context,
    exit::Failure,
    output::{Column, text},
    pages::{Paging, View},
    when,
};
use clap::Args;
use serde_json::Value;
use tfx_api::audit::AuditQuery;
use tfx_domain::entity::Kind;

/// List changes, newest first.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Only of one thing: an id of the table, an address, or KIND and slug such as campaign/summer, stream/summer/main or rate/EUR/USD.
    #[arg(value_name = "THING")]
    entity: Option<String>,
    #[command(flatten)]
    paging: Paging,
}

impl Audit {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let named = self.entity.as_deref().and_then(|text| text.split_once('/'));
        let id = match named {
            None => self.entity.as_deref().map(id).transpose()?,
            Some(("rate", pair)) => Some(pair.to_uppercase()),
            Some((noun, reference)) => {
                let kind = Kind::ALL.into_iter().find(|k| k.noun() == noun).ok_or_else(|| {
                    let nouns = Kind::ALL.map(Kind::noun).join(", ");
                    Failure::usage(format!("'{noun}' is no kind of entity; they are {nouns}"))
                })?;
                let entity = client.get(kind, reference).await.map_err(|e| failed(kind, reference, e))?;
                context.out.note(format!("changes of the {kind} {}", view::name(kind)(&entity)));
                Some(text(&entity["id"]))
            }
        };
        let columns = vec![
            Column::time("at", "at"),
            Column::made("who", "actor", who),
            Column::text("did", "action"),
            Column::text("kind", "kind").whole(),
            Column::label("what", "id").whole().of_weight(1),
            Column::number("version", "version"),
            Column::made("changes", "changes", changes).of_weight(1),
            Column::text("from", "from"),
        ];
        let view = View { columns, name: |row| text(&row["id"]) };
        self.paging
            .print(context, view, async |limit, cursor| {
                client.audit(&AuditQuery { id: id.clone(), limit, cursor }).await
            })
            .await
    }
}

/// What ids of other things begin with that stand in the log.
const OTHERS: [&str; 3] = ["tok", "usr", "ses"];

/// An id by itself, or the address that codes were tried for; a slug alone does not say of which kind.
fn id(text: &str) -> Result<String, Failure> {
    let known = text.split_once('_').is_some_and(|(prefix, _)| {
        OTHERS.contains(&prefix) || Kind::ALL.iter().any(|kind| kind.prefix() == prefix)
    });
    if known || text.contains('@') {
        return Ok(text.to_owned());
    }
    Err(Failure::usage(format!("'{text}' is no id")).hint(format!("say its kind: tfx audit campaign/{text}")))
}

/// Who it was, with what he is: a token does not look like a person or the administrator's token.
fn who(row: &Value) -> String {
    let name = text(&row["actor"]);
    if text(&row["token"]).starts_with("tok_") { format!("token {name}") } else { name }
}

/// `name: Summer → Autumn; cost: → {…}`; of what was created, nothing: all of it is new. Of a token it is told what it may do.
fn changes(row: &Value) -> String {
    if row["kind"] == "token" && row["action"] == "create" {
        let scopes = row["changes"]["scopes"][1].as_array().into_iter().flatten().map(text);
        let end = text(&row["changes"]["expires_at"][1]);
        let end =
            if end.is_empty() { "without an end".to_owned() } else { format!("until {}", when::shown(&end)) };
        return format!("may {}; {end}", scopes.collect::<Vec<_>>().join(" "));
    }
    let changed = row["changes"].as_object().filter(|_| row["action"] != "create");
    let one =
        |(name, change): (&String, &Value)| format!("{name}: {} → {}", text(&change[0]), text(&change[1]));
    changed.into_iter().flatten().map(one).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changes_read_from_before_to_after() {
        let row = json!({"changes": {"name": ["Summer", "Autumn"], "weight": [1, 2]}});
        assert_eq!(changes(&row), "name: Summer → Autumn; weight: 1 → 2");
        assert_eq!(
            changes(&json!({"action": "create", "changes": {"name": [null, "Summer"], "slug": [null, "s"]}})),
            ""
        );
        let token = json!({"action": "create", "kind": "token", "changes":
            {"name": [null, "ci"], "scopes": [null, ["read", "tokens"]], "expires_at": [null, null]}});
        assert_eq!(changes(&token), "may read tokens; without an end");
    }

    #[test]
    fn a_token_does_not_look_like_somebody_else() {
        assert_eq!(who(&json!({"actor": "boss", "token": "tok_1"})), "token boss");
        assert_eq!(who(&json!({"actor": "boss@example.com", "token": "ses_1"})), "boss@example.com");
        assert_eq!(who(&json!({"actor": "admin token"})), "admin token");
    }

    #[test]
    fn ids_that_the_table_shows_are_asked_for() {
        for shown in ["cmp_1", "tok_1", "usr_1", "ses_1", "ann@example.com"] {
            assert_eq!(id(shown).ok().as_deref(), Some(shown));
        }
        assert!(id("summer").is_err() && id("xyz_1").is_err());
    }
}
