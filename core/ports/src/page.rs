//! Pages of long lists.

use crate::error::StoreError;
use serde::{Deserialize, Serialize};

/// One page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Where the next page begins; none: this was the last. Opaque to everyone but the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Why rows that belong here cannot be read, each with its name: they are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

impl<T> Page<Result<T, StoreError>> {
    /// The page without what cannot be read, which is told.
    pub fn readable(self) -> Page<T> {
        let Page { items: all, next, mut left_out } = self;
        let mut items = Vec::with_capacity(all.len());
        for item in all {
            match item {
                Ok(item) => items.push(item),
                Err(why) => left_out.push(why.to_string()),
            }
        }
        Page { items, next, left_out }
    }
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { items: Vec::new(), next: None, left_out: Vec::new() }
    }
}

impl<T> Page<T> {
    /// The same page of other items.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), next: self.next, left_out: self.left_out }
    }

    /// The same page of other items.
    ///
    /// # Errors
    /// The first error of `f`.
    pub fn try_map<U, E>(self, f: impl FnMut(T) -> Result<U, E>) -> Result<Page<U>, E> {
        let items = self.items.into_iter().map(f).collect::<Result<_, _>>()?;
        Ok(Page { items, next: self.next, left_out: self.left_out })
    }
}

/// Where a page begins and how long it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The `next` of the page before; none: the beginning.
    pub cursor: Option<String>,
    /// At most this many items, 1 to 1,000.
    pub limit: usize,
}

impl PageRequest {
    /// The first `limit` items.
    pub const fn first(limit: usize) -> Self {
        Self { cursor: None, limit }
    }
}
