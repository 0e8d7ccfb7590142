//! Logins, users, sessions, tokens.

use super::{
    super::operation::{Operation, get, post, tagged},
    configuration::VERSION,
};
use http::StatusCode;
use serde_json::json;
use tfx_api::{
    Page,
    logins::{CodeAnswer, CodeProof, CodeRequest, LoginAnswer, RoleRequest, Session, User},
    service::Whoami,
    tokens::{MadeToken, NewToken, TokenRow},
};

pub(super) fn operations() -> Vec<Operation> {
    let taken = "another token, not revoked, has the name; `existing` is its id";
    let more = "the token lacks a scope that it is to give, which is named";
    tagged(
        "accounts",
        vec![
            post("/auth/otp", "ask_code", "Have a login code sent to a mail address")
                .takes::<CodeRequest>(json!({ "email": "anna@example.com" }))
                .answers_one(
                    StatusCode::ACCEPTED,
                    "The same for everybody",
                    super::super::schemas::Schemas::shown::<CodeAnswer>,
                )
                .refuses(
                    StatusCode::CONFLICT,
                    "no_logins",
                    "there are no logins: `AUTH_ADMIN_EMAIL` is not set",
                )
                .refuses(
                    StatusCode::TOO_MANY_REQUESTS,
                    "too_many_failures",
                    "this address asked for too many codes",
                ),
            post("/auth/verify", "verify_code", "Log in with the code that came")
                .takes::<CodeProof>(json!({ "email": "anna@example.com", "code": "123456" }))
                .answers::<LoginAnswer>("A session has begun")
                .refuses(StatusCode::UNAUTHORIZED, "wrong_code", "the code is wrong, was used, or is over")
                .refuses(
                    StatusCode::FORBIDDEN,
                    "waiting_for_approval",
                    "an administrator has to approve the user",
                )
                .refuses(StatusCode::FORBIDDEN, "revoked", "the user may log in no more")
                .refuses(
                    StatusCode::CONFLICT,
                    "no_logins",
                    "there are no logins: `AUTH_ADMIN_EMAIL` is not set",
                )
                .refuses(
                    StatusCode::TOO_MANY_REQUESTS,
                    "too_many_failures",
                    "this address tried too many codes",
                ),
            post("/auth/logout", "log_out", "End the session that asks")
                .answers::<Session>("The session, ended")
                .header(VERSION.0, VERSION.1, VERSION.2)
                .finds("session")
                .refuses(StatusCode::CONFLICT, "no_session", "the token is none of a session"),
            get("/whoami", "whoami", "Tell whose token this is, and what it may do")
                .answers::<Whoami>("Who asks"),
            get("/users", "list_users", "List people").pages().answers::<Page<User>>("A page"),
            post("/users/{ref}/approve", "approve_user", "Let a user in, with a role")
                .takes::<RoleRequest>(json!({ "role": "editor" }))
                .answers::<User>("The user as he is now")
                .header(VERSION.0, VERSION.1, VERSION.2)
                .conditional()
                .finds("user")
                .refuses(StatusCode::FORBIDDEN, "forbidden", more),
            post("/users/{ref}/role", "change_role", "Give a user another role")
                .takes::<RoleRequest>(json!({ "role": "viewer" }))
                .answers::<User>("The user as he is now")
                .header(VERSION.0, VERSION.1, VERSION.2)
                .conditional()
                .finds("user")
                .refuses(StatusCode::FORBIDDEN, "forbidden", more),
            post("/users/{ref}/revoke", "revoke_user", "Let a user in no more")
                .answers::<User>("The user as he is now")
                .header(VERSION.0, VERSION.1, VERSION.2)
                .conditional()
                .finds("user"),
            get("/sessions", "list_sessions", "List logins").pages().answers::<Page<Session>>("A page"),
            post("/sessions/{id}/revoke", "revoke_session", "End a login")
                .answers::<Session>("The session, ended")
                .header(VERSION.0, VERSION.1, VERSION.2)
                .conditional()
                .finds("session"),
            get("/tokens", "list_tokens", "List API tokens, the oldest first")
                .pages()
                .answers::<Page<TokenRow>>("A page"),
            post("/tokens", "create_token", "Make an API token")
                .takes::<NewToken>(
                    json!({ "name": "ci", "scopes": ["read"], "expires_at": "2027-01-31T00:00:00Z" }),
                )
                .answers_one(
                    StatusCode::CREATED,
                    "The token, its text this once",
                    super::super::schemas::Schemas::shown::<MadeToken>,
                )
                .creates()
                .refuses(StatusCode::CONFLICT, "slug_taken", taken)
                .refuses(StatusCode::FORBIDDEN, "forbidden", more),
            post("/tokens/{ref}/revoke", "revoke_token", "Revoke an API token")
                .answers::<TokenRow>("The token, revoked")
                .header(VERSION.0, VERSION.1, VERSION.2)
                .conditional()
                .finds("token"),
        ],
    )
}
