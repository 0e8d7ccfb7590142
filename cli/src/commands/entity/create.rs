//! `tfx NOUN create`.

use super::{Fields, Noun, Spec, ask_for_missing, failed, view};
use crate::{context::Context, exit::Failure, input};
use clap::Args;
use serde_json::Value;
use std::path::PathBuf;
use tfx_api::{ApiError, Client, entities::SHOWN_ONLY};
use tfx_domain::entity::Kind;

/// Flags of every create.
#[derive(Debug, Args)]
pub(crate) struct Create<N: Noun> {
    #[command(flatten)]
    pub(crate) fields: N::Fields,
    #[command(flatten)]
    pub(crate) whole: Whole,
    /// If the slug is taken, show who has it and succeed.
    #[arg(long)]
    pub(crate) if_not_exists: bool,
}

/// The whole spec, beside the flags of its fields.
#[derive(Debug, Args)]
pub(crate) struct Whole {
    /// Read the fields from YAML or JSON; - is standard input. Flags win.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Set any field by its path (caps.timezone=UTC); the value is JSON or text.
    #[arg(long, value_name = "PATH=VALUE", value_parser = input::setting)]
    pub(crate) set: Vec<(String, Value)>,
}

impl Whole {
    /// The file, then the flags, then `--set`.
    pub(crate) fn spec(&self, fields: &impl Fields) -> Result<Spec, Failure> {
        let mut spec = match &self.file {
            Some(path) => input::fields(path)?,
            None => Spec::new(),
        };
        for name in SHOWN_ONLY {
            spec.remove(name);
        }
        fields.put(&mut spec)?;
        for (path, value) in &self.set {
            input::put(&mut spec, path, value.clone());
        }
        Ok(spec)
    }
}

impl<N: Noun> Create<N> {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let mut spec = self.whole.spec(&self.fields)?;
        let client = context.client()?;
        ask_for_missing(N::KIND, N::NEEDS, &mut spec)?;
        let (entity, created) = create(&client, N::KIND, spec, self.if_not_exists).await?;
        view::show(context, N::KIND, &entity)?;
        if created {
            for line in N::next(&entity) {
                context.out.note(line);
            }
        } else {
            let status = entity["status"].as_str().unwrap_or_default();
            context.out.note(format!("it exists already and is {status}; nothing was changed"));
        }
        Ok(())
    }
}

/// Creates an entity, or gives the one that has the slug, and tells whether it is new.
///
/// # Errors
/// As the API answers.
pub(crate) async fn create(
    client: &Client,
    kind: Kind,
    spec: Spec,
    if_not_exists: bool,
) -> Result<(Value, bool), Failure> {
    match client.create(kind, &Value::Object(spec)).await {
        Ok(entity) => Ok((entity, true)),
        Err(ApiError::Problem(p)) if if_not_exists && p.code == "slug_taken" && p.existing.is_some() => {
            let id = p.existing.as_deref().unwrap_or_default();
            let entity = client.get(kind, id).await.map_err(|e| failed(kind, id, e))?;
            Ok((entity, false))
        }
        Err(e) => Err(failed(kind, "", e)),
    }
}
