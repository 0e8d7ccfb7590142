//! `tfx NOUN clone`: another like it, with what stands in it.

use super::{
    Noun, Reference, Spec,
    create::{SpecInput, bare, create, there_already},
    failed, said, view,
};
use crate::{
    context::Context,
    exit::Failure,
    output::{label, text},
};
use clap::Args;
use serde_json::{Value, json};
use tfx_api::{
    Client,
    entities::{EntityQuery, is_amount_alone},
};
use tfx_domain::{
    entity::{Kind, Status},
    problem::Problems,
};

/// The longest slug.
const SLUG: usize = 64;

/// Flags of every clone.
#[derive(Debug, Args)]
pub(crate) struct Clone<N: Noun> {
    #[command(flatten)]
    reference: Reference<N>,
    #[command(flatten)]
    fields: N::Fields,
    #[command(flatten)]
    input_spec: SpecInput,
    /// If the slug is taken, show who has it and succeed.
    #[arg(long)]
    if_not_exists: bool,
}

impl<N: Noun> Clone<N> {
    /// What is wrong with what it says.
    pub(super) fn problems(&self) -> Problems {
        said::problems(N::KIND, &self.input_spec, &self.fields)
    }

    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (kind, reference) = (N::KIND, self.reference.reference.as_str());
        said::once(kind, &self.input_spec, &self.fields)?;
        let said = self.input_spec.spec(&self.fields)?;
        let client = context.client()?;
        let original = client.get(kind, reference).await.map_err(|e| failed(kind, reference, e))?;
        let mut spec = copied(kind, &original);
        self.input_spec.put(&self.fields, &mut spec)?;
        self.input_spec.put_items(&mut spec)?;
        named(kind, &original, &said, &mut spec);
        priced(kind, &original, &said, &mut spec);
        let (copy, created) = create(&client, kind, spec, self.if_not_exists).await?;
        if !created {
            view::show(context, kind, &copy)?;
            there_already(context, &copy);
            return Ok(());
        }
        let along = inside(&client, kind, &original, &copy).await.map_err(|failure| {
            let name = view::name(kind)(&copy);
            failure
                .hint(format!("{name} is there, but not complete: tfx {kind} archive {name}, then try again"))
        })?;
        view::show(context, kind, &copy)?;
        context.out.note(format!("a copy of {}{along}", view::name(kind)(&original)));
        let is_signed = |source: &Value| source["has_postback_signing_key"] == true;
        if is_signed(&original) && !is_signed(&copy) {
            let name = view::name(kind)(&copy);
            context.out.note(format!(
                "what {name} is told is not signed, since a key is never copied: tfx source update {name} --sign makes one"
            ));
        }
        Ok(())
    }
}

/// The spec of another like it. A stream goes behind the others; what was put away comes back.
fn copied(kind: Kind, original: &Value) -> Spec {
    let mut spec = bare(original.as_object().cloned().unwrap_or_default());
    // Old links go on leading to the original.
    spec.remove("aliases");
    if kind == Kind::Stream {
        spec.remove("position");
    }
    // It begins with a dry run of its own.
    spec.remove("armed");
    if original["status"] == json!(Status::Archived) {
        spec.remove("status");
    }
    spec
}

/// Gives the copy a name of its own: what was said, else the original's with `copy` behind it. In another campaign or
/// network it may keep its own.
fn named(kind: Kind, original: &Value, said: &Spec, spec: &mut Spec) {
    if kind.parent().is_some_and(|parent| is_another(parent.noun(), original, said)) {
        return;
    }
    match (said.contains_key("slug"), said.contains_key("name")) {
        (false, true) => {
            spec.remove("slug");
        }
        (false, false) => {
            let base: String = text(&original["slug"]).chars().take(SLUG - "-copy".len()).collect();
            spec.insert("slug".to_owned(), json!(format!("{base}-copy")));
        }
        (true, _) => {}
    }
    if !said.contains_key("name") {
        spec.insert("name".to_owned(), json!(format!("{} (copy)", text(&original["name"]))));
    }
}

/// A new amount without a currency is of the new network or source, if that is another.
fn priced(kind: Kind, original: &Value, said: &Spec, spec: &mut Spec) {
    let Some((money, whose)) = kind.money() else { return };
    if said.get(money).is_some_and(is_amount_alone)
        && is_another(whose, original, said)
        && let Some(Value::Object(money)) = spec.get_mut(money)
    {
        money.remove("currency");
    }
}

/// Whether what is said names another one than the original's, by id or slug.
fn is_another(field: &str, original: &Value, said: &Spec) -> bool {
    let here = &original[field];
    said.get(field).is_some_and(|there| there != here && text(there) != label(original, here))
}

/// Copies what stands in the original into the copy; tells what that was.
async fn inside(client: &Client, kind: Kind, original: &Value, copy: &Value) -> Result<String, Failure> {
    let Some(inner) = Kind::ALL.into_iter().find(|k| k.parent() == Some(kind)) else {
        return Ok(String::new());
    };
    let mut query = EntityQuery { parent: Some(text(&original["id"])), ..EntityQuery::default() };
    let mut count = 0;
    loop {
        let page = client.list(inner, &query).await?;
        for item in page.items {
            let mut spec = bare(item.as_object().cloned().unwrap_or_default());
            spec.insert(kind.noun().to_owned(), copy["id"].clone());
            create(client, inner, spec, false).await?;
            count += 1;
        }
        query.cursor = page.next;
        if query.cursor.is_none() {
            break;
        }
    }
    Ok(match count {
        0 => String::new(),
        1 => format!(" with its {inner}"),
        n => format!(" with its {n} {}", inner.plural()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slug_and_name(said: &Value) -> (String, String) {
        let original = json!({ "id": "str_1", "slug": "us", "name": "US", "campaign": "cmp_1", "position": 3,
            "status": "archived", "labels": { "cmp_1": "summer" } });
        let said = said.as_object().cloned().unwrap_or_default();
        let mut spec = copied(Kind::Stream, &original);
        assert!(!spec.contains_key("position") && !spec.contains_key("status") && !spec.contains_key("id"));
        spec.extend(said.clone());
        named(Kind::Stream, &original, &said, &mut spec);
        let field = |name: &str| spec.get(name).map(text).unwrap_or_default();
        (field("slug"), field("name"))
    }

    #[test]
    fn a_new_amount_is_of_the_new_owner() {
        let original = json!({ "slug": "offer", "network": "net_1", "labels": { "net_1": "usd" },
            "payout": { "amount": "5", "currency": "USD" } });
        for (said, currency) in [
            (json!({ "network": "eur", "payout": { "amount": "6" } }), None),
            (json!({ "network": "eur", "payout": { "amount": "6", "currency": "PLN" } }), Some("PLN")),
            (json!({ "network": "eur" }), Some("USD")),
            (json!({ "payout": { "amount": "6" } }), Some("USD")),
            (json!({ "network": "usd", "payout": { "amount": "6" } }), Some("USD")),
            (json!({ "network": "net_1", "payout": { "amount": "6" } }), Some("USD")),
        ] {
            let said = said.as_object().cloned().unwrap_or_default();
            let mut spec = copied(Kind::Destination, &original);
            for (field, value) in &said {
                match (spec.get_mut(field), value) {
                    (Some(Value::Object(there)), Value::Object(more)) => there.extend(more.clone()),
                    _ => drop(spec.insert(field.clone(), value.clone())),
                }
            }
            priced(Kind::Destination, &original, &said, &mut spec);
            assert_eq!(spec["payout"].get("currency").and_then(Value::as_str), currency, "{said:?}");
        }
    }

    #[test]
    fn a_copy_has_a_name_of_its_own() {
        for (said, slug, name) in [
            (json!({}), "us-copy", "US (copy)"),
            (json!({ "slug": "ca" }), "ca", "US (copy)"),
            (json!({ "name": "Canada" }), "", "Canada"),
            (json!({ "campaign": "summer" }), "us-copy", "US (copy)"),
            (json!({ "campaign": "cmp_1" }), "us-copy", "US (copy)"),
            (json!({ "campaign": "autumn" }), "us", "US"),
        ] {
            assert_eq!(slug_and_name(&said), (slug.to_owned(), name.to_owned()), "{said}");
        }
    }
}
