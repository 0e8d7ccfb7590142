//! Rows of a store that cannot be read: damaged, or written by a newer program. They are left out, so that the others of
//! their kind go on, and told.

use crate::error::StoreError;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// The most rows that are named.
const MOST: usize = 100;

/// What was left out and not read since.
#[derive(Debug, Default)]
pub struct LeftOut(Mutex<BTreeMap<String, String>>);

impl LeftOut {
    /// What was read of a row, or nothing, noted under its name.
    pub fn keep<T>(&self, row: &str, read: Result<T, StoreError>) -> Option<T> {
        self.noted(row, read).ok()
    }

    /// What was read of a row; that it cannot be read is noted under its name.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn noted<T>(&self, row: &str, read: Result<T, StoreError>) -> Result<T, StoreError> {
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &read {
            Ok(_) if rows.is_empty() => {}
            Ok(_) => drop(rows.remove(row)),
            Err(e) if rows.len() < MOST || rows.contains_key(row) => {
                rows.insert(row.to_owned(), e.to_string());
            }
            Err(_) => {}
        }
        read
    }

    /// Why each of them cannot be read, at most a hundred.
    pub fn told(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// How many rows more than asked for are read, so that those left out take no place.
    pub const fn room() -> usize {
        MOST
    }
}
