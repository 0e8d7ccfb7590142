//! `tfx alert arm`: from the dry run to the real thing, and back.

use super::{
    super::entity::{Reference, failed, not_saved, view},
    Alert,
};
use crate::{context::Context, exit::Failure};
use clap::Args;
use serde_json::json;
use tfx_domain::entity::Kind;

/// Which rule.
#[derive(Debug, Args)]
pub(crate) struct Arm {
    #[command(flatten)]
    alert: Reference<Alert>,
    /// Back to the dry run: what it has paused goes on when it is cleared.
    #[arg(long)]
    off: bool,
}

impl Arm {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (kind, reference) = (Kind::Alert, &self.alert.reference);
        let client = context.client()?;
        let now = client.get(kind, reference).await.map_err(|e| failed(kind, reference, e))?;
        if !self.off && now["action"].is_null() {
            let why = format!("the alert {reference} does nothing that could be armed");
            let hint = format!("tfx alert update {reference} --do pause-stream lets it pause one");
            return Err(Failure::usage(why).hint(hint));
        }
        // Only what was looked at is armed.
        let version = now["version"].as_u64();
        let changed = client.update(kind, reference, &json!({ "armed": !self.off }), version).await;
        let changed = changed.map_err(|e| not_saved(kind, reference, e))?;
        view::show(context, kind, &changed)?;
        context.out.warnings(&changed);
        Ok(())
    }
}
