//! `tfx audit`: who changed what, when.

use super::entity::{failed, view};
use crate::{
    context::Context,
    exit::Failure,
    output::{Column, text},
    pages::{Paging, View},
};
use clap::Args;
use serde_json::Value;
use tfx_api::audit::AuditQuery;
use tfx_domain::entity::Kind;

/// List changes, newest first.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Only of one entity: its id, or KIND and slug such as campaign/summer or stream/summer/main.
    #[arg(value_name = "ENTITY")]
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
            Column::text("who", "actor"),
            Column::text("did", "action"),
            Column::text("kind", "kind").whole(),
            Column::label("what", "id").whole().of_weight(1),
            Column::number("version", "version"),
            Column::made("changes", "changes", changes).of_weight(1),
        ];
        let view = View { columns, name: |row| text(&row["id"]) };
        self.paging
            .print(context, view, async |limit, cursor| {
                client.audit(&AuditQuery { id: id.clone(), limit, cursor }).await
            })
            .await
    }
}

/// An id by itself; a slug alone does not say of which kind.
fn id(text: &str) -> Result<String, Failure> {
    let known =
        text.split_once('_').is_some_and(|(prefix, _)| Kind::ALL.iter().any(|k| k.prefix() == prefix));
    if known {
        return Ok(text.to_owned());
    }
    Err(Failure::usage(format!("'{text}' is no id")).hint(format!("say its kind: tfx audit campaign/{text}")))
}

/// `name: Summer → Autumn; cost: → {…}`; of what was created, nothing: all of it is new.
fn changes(row: &Value) -> String {
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
    }
}
