//! Who may do what: scopes, the roles that have them, the tokens that do; and how people log in.

mod login;
mod scope;
mod token;

pub use login::{
    CodeDecision, DIGITS, Guess, LoginCode, MAX_SENT, MAX_WRONG, NOBODY, Session, User, UserState, address,
    code, could_be_code,
};
pub use scope::{Role, Scope, beyond, known_scopes, scopes_of};
pub use token::{ADMIN_TOKEN, ApiToken, TokenState, token_name};

/// What was saved before versions were counted is at the first.
const fn first_version() -> u64 {
    1
}
