//! `tfx NOUN create`.

use super::{Fields, Noun, Ready, Spec, ask_for_missing, failed, not_saved, said, view};
use crate::{
    context::Context,
    exit::Failure,
    input::{self, Step},
    output::text,
};
use clap::Args;
use serde_json::Value;
use std::path::PathBuf;
use tfx_api::{
    ApiError, Client,
    bulk::{Bulk, BulkAction, BulkItem},
    entities::SHOWN_ONLY,
};
use tfx_domain::{entity::Kind, slug::Slug};

/// Flags of every create.
#[derive(Debug, Args)]
#[command(after_help = N::EXAMPLES)]
pub(crate) struct Create<N: Noun> {
    #[command(flatten)]
    pub(crate) ready: N::Ready,
    #[command(flatten)]
    pub(crate) fields: N::Fields,
    #[command(flatten)]
    pub(crate) input_spec: SpecInput,
    /// If the slug is taken, show who has it and succeed.
    #[arg(long)]
    pub(crate) if_not_exists: bool,
}

/// The whole spec, beside the flags of its fields.
#[derive(Debug, Args)]
pub(crate) struct SpecInput {
    /// Read the fields from YAML or JSON; - is standard input. Flags win.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Set any field by its path (caps.timezone=UTC); the value is JSON or text.
    #[arg(long, value_name = "PATH=VALUE", value_parser = input::setting)]
    pub(crate) set: Vec<(String, Value)>,
}

impl SpecInput {
    /// The file, then the flags, then `--set`.
    ///
    /// # Errors
    /// A file that cannot be read, a value that is not of its form.
    pub(crate) fn spec(&self, fields: &impl Fields) -> Result<Spec, Failure> {
        let mut spec = Spec::new();
        self.put(fields, &mut spec)?;
        Ok(spec)
    }

    /// The same over what is there.
    ///
    /// # Errors
    /// As [`Self::spec`].
    pub(super) fn put(&self, fields: &impl Fields, spec: &mut Spec) -> Result<(), Failure> {
        if let Some(path) = &self.file {
            spec.extend(bare(input::fields(path)?));
        }
        fields.put(spec)?;
        for (path, value) in &self.set {
            if !path.contains('[') {
                input::put(spec, path, value.clone());
            }
        }
        Ok(())
    }

    /// What `--set` says of single items of lists: path, steps and value.
    ///
    /// # Errors
    /// A path that is none.
    pub(super) fn items(&self) -> Result<Vec<(&str, Vec<Step>, Value)>, Failure> {
        let items = self.set.iter().filter(|(path, _)| path.contains('['));
        items
            .map(|(path, value)| {
                let steps = input::steps(path).map_err(Failure::usage)?;
                Ok((path.as_str(), steps, value.clone()))
            })
            .collect()
    }

    /// Puts what `--set` says of single items of lists that are in the spec.
    ///
    /// # Errors
    /// There is no such item.
    pub(super) fn put_items(&self, spec: &mut Spec) -> Result<(), Failure> {
        let there = Value::Object(spec.clone());
        for (path, steps, value) in self.items()? {
            input::put_item(spec, &there, path, &steps, Some(&value))?;
        }
        Ok(())
    }
}

impl<N: Noun> Create<N> {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        said::once(N::KIND, &self.input_spec, &self.fields)?;
        let mut spec = self.ready.begin()?;
        self.input_spec.put(&self.fields, &mut spec)?;
        self.input_spec.put_items(&mut spec)?;
        let along = self.ready.along(&mut spec);
        let client = context.client()?;
        ask_for_missing(N::KIND, N::NEEDS, &mut spec)?;
        has_slug(&spec)?;
        let (entity, created) = match along {
            Some(along) => both(&client, N::KIND, spec, along, self.if_not_exists).await?,
            None => create(&client, N::KIND, spec, self.if_not_exists).await?,
        };
        view::show(context, N::KIND, &entity)?;
        context.out.warnings(&entity);
        if created {
            let ready = self.ready.after(&client, &entity).await?;
            let next = if ready.is_empty() { N::next(&entity) } else { ready };
            next.iter().for_each(|line| context.out.note(line));
        } else {
            there_already(context, &entity);
        }
        Ok(())
    }
}

/// What was shown, as it can be sent back.
pub(super) fn bare(mut fields: Spec) -> Spec {
    for name in SHOWN_ONLY {
        fields.remove(name);
    }
    fields
}

/// Whether there is a slug or a name it can be made of.
fn has_slug(spec: &Spec) -> Result<(), Failure> {
    match spec.get("name") {
        Some(Value::String(name)) if !spec.contains_key("slug") && Slug::suggest(name).is_none() => {
            Err(Failure::usage(format!("no slug can be made of the name '{name}'"))
                .hint("--slug gives one: a-z, 0-9, - and _"))
        }
        _ => Ok(()),
    }
}

/// Says that `--if-not-exists` found one.
pub(super) fn there_already(context: &Context, entity: &Value) {
    let status = entity["status"].as_str().unwrap_or_default();
    context.out.note(format!("it exists already and is {status}; nothing was changed"));
}

/// Creates an entity and what belongs to it, both or none; or gives the one that has the slug.
async fn both(
    client: &Client,
    kind: Kind,
    spec: Spec,
    (inner, along): (Kind, Spec),
    if_not_exists: bool,
) -> Result<(Value, bool), Failure> {
    let slug = text(spec.get("slug").unwrap_or(&Value::Null));
    // What is there is told, or taken as it is, as everywhere.
    if let Ok(there) = client.get(kind, &slug).await
        && text(&there["slug"]) == slug
    {
        return create(client, kind, spec, if_not_exists).await;
    }
    let item = |kind, spec| BulkItem {
        action: BulkAction::Create,
        kind,
        reference: None,
        version: None,
        spec: Some(Value::Object(spec)),
        force: false,
        drop_old_slug: false,
    };
    let bulk = Bulk { items: vec![item(kind, spec), item(inner, along)] };
    let made = client.bulk(&bulk).await.map_err(|e| not_saved(kind, &slug, e))?;
    let id = made.items.first().map(|made| made.id.as_str()).unwrap_or_default();
    let entity = client.get(kind, id).await.map_err(|e| failed(kind, id, e))?;
    Ok((entity, true))
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
        Err(e) => Err(not_saved(kind, "", e)),
    }
}
