//! What clicks cost, as campaigns and sources say it.

use super::{Spec, put};
use crate::{exit::Failure, input};
use clap::Args;
use serde_json::Value;
use tfx_domain::money::{Amount, Currency};

/// How clicks are paid.
#[derive(Debug, Args)]
pub(crate) struct CostArgs {
    /// What a click costs when it does not say itself: 0.02 (of the source's currency) or '0.02 EUR'; with --cost-model what it
    /// names: a thousand visits, a sale, or a share such as 30%.
    #[arg(long, value_name = "AMOUNT", value_parser = said, allow_negative_numbers = true)]
    cost: Option<Said>,
    /// What is paid for: each click, a thousand visits, each sale, a share of the revenue, or nothing [default: cpc].
    #[arg(long, value_name = "MODEL", value_parser = ["cpc", "cpm", "cpa", "revshare", "none"])]
    cost_model: Option<String>,
}

/// What was said of it.
#[derive(Debug, Clone)]
enum Said {
    Amount(Amount, Option<Currency>),
    Percent(Amount),
}

fn said(text: &str) -> Result<Said, String> {
    match text.trim().strip_suffix('%') {
        Some(percent) => {
            Amount::exact(percent.trim()).map(Said::Percent).map_err(|e| format!("the share {e}"))
        }
        None => input::money(text).map(|(amount, currency)| Said::Amount(amount, currency)),
    }
}

impl CostArgs {
    /// Puts it into a spec. Another model takes the place of the one there was, with all that it said.
    pub(crate) fn put(&self, spec: &mut Spec) -> Result<(), Failure> {
        let model = match (&self.cost_model, &self.cost) {
            (None, Some(Said::Percent(_))) => Some("revshare"),
            (model, _) => model.as_deref(),
        };
        if let Some(model) = model {
            put(spec, "cost.model", Some(&model))?;
            for field in ["cost.per_click", "cost.amount", "cost.percent"] {
                put(spec, field, Some(&Value::Null))?;
            }
        }
        match &self.cost {
            None => Ok(()),
            Some(Said::Percent(percent)) => put(spec, "cost.percent", Some(percent)),
            Some(Said::Amount(amount, currency)) => {
                let field = if model.is_none_or(|m| m == "cpc") { "cost.per_click" } else { "cost.amount" };
                put(spec, field, Some(amount))?;
                put(spec, "cost.currency", currency.as_ref())
            }
        }
    }
}
