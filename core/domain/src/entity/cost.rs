//! What clicks cost, and how: by the click, by a thousand of them, by the sale, or a share of what they bring.

use crate::{
    money::{Amount, Currency, Money},
    problem::Problems,
};
use serde::{Deserialize, Serialize};

/// What is paid for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CostModel {
    /// Each visit of a person.
    #[default]
    Cpc,
    /// A thousand of them: each costs a thousandth.
    Cpm,
    /// Each conversion while it is a sale.
    Cpa,
    /// A share of what each conversion brings, until it is rejected.
    Revshare,
    /// Nothing.
    None,
}

impl CostModel {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
    fn is_cpc(&self) -> bool {
        *self == Self::Cpc
    }

    /// Whether it is the click that costs: what the click itself says of its cost goes first then.
    pub const fn is_of_clicks(self) -> bool {
        matches!(self, Self::Cpc | Self::Cpm)
    }
}

/// What clicks cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// What is paid for.
    #[serde(default, skip_serializing_if = "CostModel::is_cpc")]
    pub model: CostModel,
    /// Of `cpc`: what a click costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::NotNegative>"))]
    pub per_click: Option<Amount>,
    /// Of `cpm` what a thousand visits cost, to thousandths; of `cpa` what a sale costs; of `cpc` as `per_click`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::NotNegative>"))]
    pub amount: Option<Amount>,
    /// Of `revshare`: so many hundredths of the revenue, 0 to 100, in its currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::NotNegative>"))]
    pub percent: Option<Amount>,
    /// Of the amount; api-service takes the source's when none is given.
    #[serde(default)]
    pub currency: Currency,
}

/// What the conversions of a click cost: at most one of the two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Due {
    /// For a sale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sale: Option<Money>,
    /// Hundredths of the revenue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<Amount>,
}

impl Due {
    /// Nothing, whatever they bring.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A thousandth of an amount is exact as long as that has no more than three decimals.
const MICROS_OF_CPM: i64 = 1_000;

impl Cost {
    /// What a visit costs.
    pub fn of_click(&self) -> Option<Money> {
        let amount = match self.model {
            CostModel::Cpc => self.per_click.or(self.amount)?,
            CostModel::Cpm => Amount::from_micros(self.amount?.micros() / MICROS_OF_CPM),
            CostModel::Cpa | CostModel::Revshare | CostModel::None => return None,
        };
        Some(Money { amount, currency: self.currency })
    }

    /// What its conversions cost.
    pub fn of_conversions(&self) -> Due {
        let currency = self.currency;
        match self.model {
            CostModel::Cpa => {
                Due { sale: self.amount.map(|amount| Money { amount, currency }), percent: None }
            }
            CostModel::Revshare => Due { sale: None, percent: self.percent },
            CostModel::Cpc | CostModel::Cpm | CostModel::None => Due::default(),
        }
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        let fields = [
            ("cost.per_click", self.per_click, matches!(self.model, CostModel::Cpc), "cpc"),
            (
                "cost.amount",
                self.amount,
                !matches!(self.model, CostModel::Revshare | CostModel::None),
                "cpc, cpm and cpa",
            ),
            ("cost.percent", self.percent, matches!(self.model, CostModel::Revshare), "revshare"),
        ];
        for (path, amount, fits, models) in fields {
            let Some(amount) = amount else { continue };
            problems.require(amount >= Amount::ZERO, path, "must not be negative");
            problems.require(fits, path, &format!("goes with the model {models} alone"));
        }
        let needed = match self.model {
            CostModel::Cpc if self.amount.is_some() && self.per_click.is_some() => {
                problems.add("cost.amount", "says the same as per_click: one of the two is enough");
                None
            }
            CostModel::Cpc => Some(("cost.per_click", self.per_click.or(self.amount))),
            CostModel::Cpm | CostModel::Cpa => Some(("cost.amount", self.amount)),
            CostModel::Revshare => Some(("cost.percent", self.percent)),
            CostModel::None => None,
        };
        if let Some((path, None)) = needed {
            problems.add(path, "is required");
        }
        if let (CostModel::Cpm, Some(amount)) = (self.model, self.amount) {
            let exact = amount.micros() % MICROS_OF_CPM == 0;
            problems.require(
                exact,
                "cost.amount",
                "must have at most three decimals, so that a thousandth of it is exact",
            );
        }
        let most = Amount::from_micros(100_000_000);
        problems.require(self.percent.is_none_or(|p| p <= most), "cost.percent", "must be from 0 to 100");
        self.currency.check("cost.currency", problems);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn cost(value: Value) -> Result<Cost, String> {
        let cost: Cost = serde_json::from_value(value).map_err(|e| e.to_string())?;
        let mut problems = Problems::default();
        cost.check(&mut problems);
        problems.into_result(cost).map_err(|problems| problems.to_string())
    }

    #[test]
    fn each_model_costs_its_own_and_the_old_form_stays_as_it_is() {
        let of = |value: Value| {
            let cost = cost(value).expect("a cost");
            let due = cost.of_conversions();
            (
                cost.of_click().map(|m| m.to_string()),
                due.sale.map(|m| m.to_string()),
                due.percent.map(|p| p.to_string()),
            )
        };
        let text = |text: &str| Some(text.to_owned());
        let table = [
            (json!({"per_click": "0.02", "currency": "EUR"}), (text("0.02 EUR"), None, None)),
            (json!({"model": "cpc", "amount": "0.02"}), (text("0.02 USD"), None, None)),
            (json!({"model": "cpm", "amount": "1.234"}), (text("0.001234 USD"), None, None)),
            (json!({"model": "cpa", "amount": "1.5"}), (None, text("1.50 USD"), None)),
            (json!({"model": "revshare", "percent": "33.3"}), (None, None, text("33.3"))),
            (json!({"model": "none"}), (None, None, None)),
        ];
        for (value, want) in table {
            assert_eq!(of(value.clone()), want, "{value}");
        }
        let old = json!({"per_click": "0.02", "currency": "EUR"});
        assert_eq!(serde_json::to_value(cost(old.clone()).expect("a cost")).expect("JSON"), old);
    }

    #[test]
    fn what_goes_with_no_model_is_told() {
        let table = [
            (json!({}), "cost.per_click: is required"),
            (json!({"model": "cpm"}), "cost.amount: is required"),
            (json!({"model": "cpm", "amount": "1.2345"}), "three decimals"),
            (
                json!({"model": "cpa", "per_click": "1", "amount": "1"}),
                "cost.per_click: goes with the model cpc",
            ),
            (json!({"model": "revshare", "percent": "101"}), "cost.percent: must be from 0 to 100"),
            (json!({"model": "revshare", "amount": "1"}), "cost.percent: is required"),
            (json!({"model": "none", "amount": "1"}), "cost.amount: goes with"),
            (json!({"model": "cpa", "amount": "-1"}), "must not be negative"),
            (json!({"per_click": "1", "amount": "1"}), "one of the two"),
            (json!({"model": "cpi", "amount": "1"}), "unknown variant"),
        ];
        for (value, part) in table {
            let told = cost(value.clone()).expect_err("a problem");
            assert!(told.contains(part), "{value}: {told}");
        }
    }
}
