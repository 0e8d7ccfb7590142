//! Money in answers to who may not see it: taken out by the names of fields, at any depth. (Reports leave their figures
//! out themselves; routes whose answers tell of money in sentences need `read:money`.)

use serde_json::Value;

/// Fields that are money or tell of it, in entities, clicks and conversions.
pub(crate) const FIELDS: [&str; 9] = [
    "payout",
    "cost",
    "bot_cost",
    "cost_refused",
    "sale_cost",
    "revenue_share",
    "cost_terms",
    "postback_payout",
    "revenue",
];

/// Takes it out.
pub(super) fn without(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without),
        Value::Object(fields) => {
            fields.retain(|name, _| !FIELDS.contains(&name.as_str()));
            fields.values_mut().for_each(without);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn money_is_taken_out_at_any_depth() {
        let mut value = json!({"items": [{"id": "cnv_1", "revenue": {"amount": "1"}, "click": {"cost": "2", "os": "iOS"}}]});
        without(&mut value);
        assert_eq!(value, json!({"items": [{"id": "cnv_1", "click": {"os": "iOS"}}]}));
    }
}
