//! Who may do what: scopes, the roles that have them, and the tokens that do.

mod scope;
mod token;

pub use scope::{Role, Scope, beyond, known_scopes, scopes_of};
pub use token::{ApiToken, TokenState};
