//! The fields of the small documents between others: all of them, each once, no others.

use super::Damage;
use mongodb::bson::{RawBsonRef, RawDocument};

/// The fields of one document, of which each is taken once.
pub(super) struct Fields<'d> {
    what: &'static str,
    found: Vec<(&'d str, RawBsonRef<'d>)>,
}

impl<'d> Fields<'d> {
    /// Of a document of which it is known what it is.
    pub(super) fn of(what: &'static str, bytes: &'d [u8]) -> Result<Self, Damage> {
        let broken = |why: String| Damage::Document { what, why };
        let raw = RawDocument::from_bytes(bytes).map_err(|e| broken(e.to_string()))?;
        let mut found: Vec<(&str, RawBsonRef<'_>)> = Vec::new();
        for element in raw {
            let (name, value) = element.map_err(|e| broken(e.to_string()))?;
            let name = name.as_str();
            if found.iter().any(|(known, _)| *known == name) {
                return Err(Damage::Twice { what, field: name.to_owned() });
            }
            found.push((name, value));
        }
        Ok(Self { what, found })
    }

    /// Nothing may be left.
    pub(super) fn end(self) -> Result<(), Damage> {
        match self.found.into_iter().next() {
            Some((field, _)) => Err(Damage::UnknownField { what: self.what, field: field.to_owned() }),
            None => Ok(()),
        }
    }

    pub(super) fn text(&mut self, field: &'static str) -> Result<&'d str, Damage> {
        let value = self.take(field)?;
        value.as_str().ok_or_else(|| self.wrong(field, "a text"))
    }

    /// A text that may be missing.
    pub(super) fn text_or(&mut self, field: &'static str, otherwise: &'d str) -> Result<&'d str, Damage> {
        if self.found.iter().any(|(name, _)| *name == field) { self.text(field) } else { Ok(otherwise) }
    }

    pub(super) fn flag(&mut self, field: &'static str) -> Result<bool, Damage> {
        let value = self.take(field)?;
        value.as_bool().ok_or_else(|| self.wrong(field, "true or false"))
    }

    pub(super) fn int64(&mut self, field: &'static str) -> Result<i64, Damage> {
        let value = self.take(field)?;
        value.as_i64().ok_or_else(|| self.wrong(field, "a whole number of 64 bits"))
    }

    /// A number of things.
    pub(super) fn count(&mut self, field: &'static str) -> Result<u64, Damage> {
        let value = self.take(field)?;
        let number = value.as_i64().or_else(|| value.as_i32().map(i64::from));
        let number = number.and_then(|n| u64::try_from(n).ok());
        number.ok_or_else(|| self.wrong(field, "a whole number from 0"))
    }

    fn take(&mut self, field: &'static str) -> Result<RawBsonRef<'d>, Damage> {
        match self.found.iter().position(|(name, _)| *name == field) {
            Some(at) => Ok(self.found.remove(at).1),
            None => Err(Damage::MissingField { what: self.what, field }),
        }
    }

    fn wrong(&self, field: &str, wanted: &'static str) -> Damage {
        Damage::Field { what: self.what, field: field.to_owned(), wanted }
    }
}
