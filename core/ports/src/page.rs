//! Pages of long lists.

use serde::{Deserialize, Serialize};

/// One page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Where the next page begins; none: this was the last. Opaque to everyone but the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Page<Option<T>> {
    /// The page without what could not be read.
    pub fn flatten(self) -> Page<T> {
        Page { items: self.items.into_iter().flatten().collect(), next: self.next }
    }
}

impl<T> Page<T> {
    /// The same page of other items.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), next: self.next }
    }

    /// The same page of other items.
    ///
    /// # Errors
    /// The first error of `f`.
    pub fn try_map<U, E>(self, f: impl FnMut(T) -> Result<U, E>) -> Result<Page<U>, E> {
        Ok(Page { items: self.items.into_iter().map(f).collect::<Result<_, _>>()?, next: self.next })
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
