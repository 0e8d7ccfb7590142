//! `tfx network rotate-secret`.

use super::{
    super::{
        campaign::print_url,
        entity::{Reference, not_saved},
    },
    Network,
    postback_url::SECRET,
};
use crate::{
    context::Context,
    exit::Failure,
    input,
    output::{Column, text},
    when,
};
use clap::Args;
use std::path::PathBuf;
use tfx_api::entities::SecretRotation;
use tfx_domain::entity::{Kind, Secret};

/// Which network's, and how long the present one works.
#[derive(Debug, Args)]
pub(crate) struct RotateSecret {
    #[command(flatten)]
    network: Reference<Network>,
    /// How long the present secret works beside the new one; 0s ends it at once.
    #[arg(long, value_name = "LENGTH", default_value = "24h", value_parser = when::span)]
    grace: u64,
    /// Read the new secret from a file; - is standard input [default: one is made].
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Replace the key with which the network signs, not the secret in its URL: read the new one from a file; - is standard
    /// input.
    #[arg(long, value_name = "FILE", conflicts_with = "secret_file")]
    signing_key_file: Option<PathBuf>,
    /// Also while the secret before the present one works, which ends it.
    #[arg(long)]
    force: bool,
    /// Only if it is at this version.
    #[arg(long, value_name = "VERSION", value_parser = input::number::<u64>)]
    if_match: Option<u64>,
}

impl RotateSecret {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let reference = &self.network.reference;
        let secret = self.secret_file.as_deref().map(input::text).transpose()?;
        let key = self.signing_key_file.as_deref().map(input::text).transpose()?;
        let is_key = key.is_some();
        let rotation = SecretRotation {
            grace_s: self.grace,
            postback_secret: secret.map(|secret| Secret(secret.trim().to_owned())),
            signing_key: key.map(|key| Secret(key.trim().to_owned())),
        };
        let client = context.client()?;
        let changed = client.rotate_secret(reference, &rotation, self.force, self.if_match).await;
        let changed = changed.map_err(|e| not_saved(Kind::Network, reference, e))?;
        let slug = text(&changed["slug"]);
        if is_key {
            let until = text(&changed["former_signing_key_until"]);
            let fields = [
                Column::text("network", "slug"),
                Column::text("version", "version"),
                Column::time("the key before works until", "former_signing_key_until"),
            ];
            context.out.item(&changed, &fields, "slug")?;
            if until.is_empty() {
                context.out.note("the key before works no more");
            }
            return Ok(());
        }
        let link = client.postback_url(&slug, None).await.map_err(|e| {
            Failure::failed(format!("{slug} has another secret now, but its URL cannot be told: {e}"))
                .hint(format!("tfx network postback-url {slug} prints it"))
        })?;
        print_url(context, &link.url)?;
        let until = text(&changed["former_secret_until"]);
        let former = if until.is_empty() {
            "the secret before works no more".to_owned()
        } else {
            let until = when::shown(&until);
            format!(
                "the secret before works until {until}; 'tfx postback lint {slug}' tells whether it still comes"
            )
        };
        let note = link.note.map(|note| format!("{note}; ")).unwrap_or_default();
        context.out.note(format!("{note}{SECRET}"));
        context.out.note(former);
        Ok(())
    }
}
