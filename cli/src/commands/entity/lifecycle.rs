//! `tfx NOUN pause` and `tfx NOUN resume`.

use super::{Noun, Reference, failed, view};
use crate::{context::Context, exit::Failure, input};
use clap::Args;
use tfx_api::entities::Verb;

/// Flags of both.
#[derive(Debug, Args)]
pub(crate) struct Change<N: Noun> {
    #[command(flatten)]
    reference: Reference<N>,
    /// Only if it is at this version.
    #[arg(long, value_name = "VERSION", value_parser = input::number::<u64>)]
    if_match: Option<u64>,
}

impl<N: Noun> Change<N> {
    pub(crate) async fn run(self, context: &Context, verb: Verb) -> Result<(), Failure> {
        let reference = &self.reference.reference;
        let changed = context.client()?.lifecycle(N::KIND, reference, verb, false, self.if_match).await;
        view::show(context, N::KIND, &changed.map_err(|e| failed(N::KIND, reference, e))?)
    }
}
