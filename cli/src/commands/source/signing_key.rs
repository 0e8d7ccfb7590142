//! `tfx source signing-key`.

use super::{
    super::entity::{Reference, failed},
    Source,
};
use crate::{
    context::Context,
    exit::Failure,
    output::{Column, Format},
};
use clap::Args;
use tfx_domain::entity::Kind;

/// Which source's.
#[derive(Debug, Args)]
pub(crate) struct SigningKey {
    #[command(flatten)]
    source: Reference<Source>,
}

impl SigningKey {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let reference = &self.source.reference;
        let found = context.client()?.signing_key(reference).await;
        let found = found.map_err(|e| failed(Kind::Source, reference, e))?;
        let out = context.out;
        match out.format {
            Format::Table | Format::Name => out.lines([&found.key])?,
            _ => {
                let item = serde_json::to_value(&found).map_err(Failure::failed)?;
                out.item(&item, &[Column::text("key", "key")], "key")?;
            }
        }
        out.note("the key is for the source only: whoever has it can sign in our name");
        Ok(())
    }
}
