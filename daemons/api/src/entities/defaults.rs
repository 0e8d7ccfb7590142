//! What is filled in where a person says nothing.

use serde_json::{Map, Value};
use tfx_api::entities::is_amount_alone;
use tfx_domain::{entity::Kind, rules::Relations, slug::Slug};
use tfx_ports::entropy;

/// A slug from the name, or a name from the slug.
pub(super) fn names(fields: &mut Map<String, Value>) {
    let text =
        |fields: &Map<String, Value>, name| fields.get(name).and_then(Value::as_str).map(str::to_owned);
    let absent = |fields: &Map<String, Value>, name| fields.get(name).is_none_or(Value::is_null);
    if absent(fields, "slug") {
        fields.remove("slug");
        if let Some(slug) = text(fields, "name").and_then(|n| Slug::suggest(&n)) {
            fields.insert("slug".to_owned(), slug.as_str().into());
        }
    } else if absent(fields, "name")
        && let Some(slug) = text(fields, "slug")
    {
        fields.insert("name".to_owned(), slug.into());
    }
}

/// A new stream comes after those of its campaign and kind.
pub(super) fn position(relations: &Relations, value: &mut Value) {
    let Value::Object(fields) = value else { return };
    if fields.contains_key("position") {
        return;
    }
    let Some(campaign) = fields.get("campaign").and_then(Value::as_str) else { return };
    let kind = fields.get("kind").and_then(Value::as_str).unwrap_or("regular");
    let position = relations.next_position(campaign, kind);
    fields.insert("position".to_owned(), position.into());
}

/// An amount that names no currency is one of who pays it or asks for it: a payout of the network's, a cost of the
/// source's. What was saved keeps its own, until a new amount comes together with another network or source. `change` is
/// what was there, and what is said of it now.
pub(super) fn currency(
    kind: Kind,
    relations: &Relations,
    value: &mut Value,
    change: Option<(&Value, &Map<String, Value>)>,
) {
    if kind == Kind::Source {
        of_source(value);
    }
    let Some((money, whose)) = kind.money() else { return };
    let owner = value.get(whose).and_then(Value::as_str);
    let of = owner.and_then(|id| relations.currency_of(id));
    let anew = change.is_some_and(|(before, patch)| {
        before.get(whose).and_then(Value::as_str) != owner && patch.get(money).is_some_and(is_amount_alone)
    });
    if let Some(Value::Object(money)) = value.get_mut(money)
        && (anew || money.get("currency").is_none_or(Value::is_null))
    {
        money.insert("currency".to_owned(), of.unwrap_or_default().as_str().into());
    }
}

/// What a source's clicks cost is of the source's currency where it names none.
fn of_source(source: &mut Value) {
    let currency = source.get("currency").cloned();
    if let (Some(Value::Object(cost)), Some(currency)) = (source.get_mut("cost"), currency)
        && cost.get("currency").is_none_or(Value::is_null)
    {
        cost.insert("currency".to_owned(), currency);
    }
}

/// A network always has a secret: one is made when none is given, or when it is set to null.
pub(super) fn secret(value: &mut Value) {
    if let Value::Object(fields) = value
        && fields.get("postback_secret").is_none_or(Value::is_null)
    {
        fields.insert("postback_secret".to_owned(), entropy::secret().into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_name_makes_the_other() {
        let filled = |value: Value| {
            let Value::Object(mut fields) = value else { panic!("object") };
            names(&mut fields);
            Value::Object(fields)
        };
        assert_eq!(
            filled(json!({"name": "Summer Sale"})),
            json!({"name": "Summer Sale", "slug": "summer-sale"})
        );
        assert_eq!(filled(json!({"slug": "x", "name": null})), json!({"slug": "x", "name": "x"}));
        for left_alone in
            [json!({}), json!({"name": "日本"}), json!({"slug": 5}), json!({"slug": "a", "name": 5})]
        {
            assert_eq!(filled(left_alone.clone()), left_alone);
        }
    }
}
