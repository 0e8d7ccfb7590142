//! `tfx NOUN archive`: asks first on a terminal, wants `--yes` elsewhere.

use super::{Noun, Reference, failed, view};
use crate::{context::Context, exit::Failure, input, prompt};
use clap::Args;
use serde_json::Value;
use tfx_api::{
    Client,
    entities::{EntityQuery, Verb},
};
use tfx_domain::entity::Kind;

/// Flags of every archive.
#[derive(Debug, Args)]
pub(crate) struct Archive<N: Noun> {
    #[command(flatten)]
    reference: Reference<N>,
    /// Also when active entities still refer to it.
    #[arg(long)]
    force: bool,
    /// Only if it is at this version.
    #[arg(long, value_name = "VERSION", value_parser = input::number::<u64>)]
    if_match: Option<u64>,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

impl<N: Noun> Archive<N> {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (kind, reference) = (N::KIND, self.reference.reference.as_str());
        let asks = !context.yes && !self.dry_run;
        if asks && !prompt::possible() {
            return Err(Failure::usage(format!("archiving the {kind} {reference} needs a yes: give --yes"))
                .hint("--dry-run shows what would be archived"));
        }
        let client = context.client()?;
        if asks || self.dry_run {
            let entity = client.get(kind, reference).await.map_err(|e| failed(kind, reference, e))?;
            let what = what(&client, kind, &entity).await?;
            if self.dry_run {
                context.out.note(format!("would archive {what}; nothing was changed"));
                return view::show(context, kind, &entity);
            }
            if !prompt::confirm(&format!("Archive {what}?"), false)? {
                context.out.note("nothing was changed");
                return Ok(());
            }
        }
        let changed = client.lifecycle(kind, reference, Verb::Archive, self.force, self.if_match).await;
        view::show(context, kind, &changed.map_err(|e| failed(kind, reference, e))?)?;
        context.out.note(format!("tfx {kind} resume {reference} brings it back"));
        Ok(())
    }
}

/// The entity in words, with what goes with it.
async fn what(client: &Client, kind: Kind, entity: &Value) -> Result<String, Failure> {
    let named = format!("the {kind} {}", view::name(kind)(entity));
    let Some(inside) = Kind::ALL.into_iter().find(|k| k.parent() == Some(kind)) else { return Ok(named) };
    let id = entity["id"].as_str().map(str::to_owned);
    let page =
        client.list(inside, &EntityQuery { parent: id, limit: Some(1000), ..EntityQuery::default() }).await?;
    Ok(match (page.items.len(), page.next) {
        (0, _) => named,
        (1, _) => format!("{named} and its {inside}"),
        (n, None) => format!("{named} and its {n} {}", inside.plural()),
        (n, Some(_)) => format!("{named} and its more than {n} {}", inside.plural()),
    })
}
