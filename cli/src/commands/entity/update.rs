//! `tfx NOUN update`.

use super::{Noun, Reference, create::Whole, not_saved, view};
use crate::{context::Context, exit::Failure, input};
use clap::Args;
use serde_json::Value;

/// Flags of every update. A list that is said (`--destination`, `--filter`, …) replaces the one that was there.
#[derive(Debug, Args)]
pub(crate) struct Update<N: Noun> {
    #[command(flatten)]
    reference: Reference<N>,
    #[command(flatten)]
    fields: N::Fields,
    #[command(flatten)]
    whole: Whole,
    /// Take a field away, by its path.
    #[arg(long, value_name = "PATH")]
    unset: Vec<String>,
    /// Only if it is at this version.
    #[arg(long, value_name = "VERSION")]
    if_match: Option<u64>,
}

impl<N: Noun> Update<N> {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (kind, reference) = (N::KIND, &self.reference.reference);
        let mut patch = self.whole.spec(&self.fields)?;
        for path in &self.unset {
            input::put(&mut patch, path, Value::Null);
        }
        if patch.is_empty() {
            return Err(Failure::usage("there is nothing to change").hint(format!(
                "tfx {kind} update --help lists the flags; tfx {kind} show {reference} what is there"
            )));
        }
        let changed = context.client()?.update(kind, reference, &Value::Object(patch), self.if_match).await;
        view::show(context, kind, &changed.map_err(|e| not_saved(kind, reference, e))?)
    }
}
