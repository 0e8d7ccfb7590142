//! Filters: which facts of a click they ask, and what they compare with.

use crate::{entity::FilterRule, problem::Problems};

/// A filter ready to be asked.
#[derive(Debug, Clone)]
pub struct Filter;

/// Compiles a filter.
///
/// # Errors
/// An unknown field, and every operand that is not of the field's form, each with its path (`field`, `is[2]`).
pub fn compile(rule: &FilterRule) -> Result<Filter, Problems> {
    let _ = rule;
    Ok(Filter)
}
