//! Logins: a code is asked for, sent, answered, and gives a session. Nothing here asks whether somebody is known before the
//! right code has come: no answer, and no time, can tell.

pub(crate) mod mail;
mod people;
pub(crate) mod session_token;

use crate::{
    access::{Guesses, same},
    app::App,
    compressed::with_secret,
    failure::Failure,
    input::{Query, of_a_stranger, read},
    outside::Outside,
    reply::json,
};
use axum::{
    Extension, Router,
    extract::{Request, State},
    response::Response,
    routing::post,
};
use http::StatusCode;
use mail::Mailer;
use serde_json::json;
use session_token::Signer;
use std::{net::IpAddr, sync::Arc};
use tfx_api::logins::{CodeAnswer, CodeProof, CodeRequest, LoginAnswer};
use tfx_domain::{
    Timestamp,
    access::{
        CodeDecision, Guess, LoginCode, MAX_WRONG, NOBODY, Role, Session, User, UserState, address, code,
        could_be_code,
    },
    id::{SessionId, UserId},
    problem::Problems,
};
use tfx_ports::{
    StoreError,
    accounts::{Account, AccountKind},
    audit::{AuditEntry, Caller},
    clock, entropy,
};
use tfx_settings::Logins as Settings;
use tokio::sync::Semaphore;

/// Codes that one address on the network may ask for within the window, for whomever.
const ASKED: u32 = 20;
/// Answers that it may give within a minute.
const ANSWERED: u32 = 20;
/// Mails on their way at once.
const MAILS: usize = 256;
/// Beside them, those to the administrator.
const OWN_MAILS: usize = 4;

/// What logins need.
pub(crate) struct Logins {
    settings: Settings,
    pub(crate) signer: Signer,
    mailer: Option<Mailer>,
    own_mailer: Option<Mailer>,
    mails: Semaphore,
    own_mails: Semaphore,
    asked: Guesses,
    answered: Guesses,
}

impl Logins {
    /// Codes go out by `outside`, those of the administrator by a way of his own.
    pub(crate) fn new(settings: Settings, outside: Outside, own: Outside) -> Self {
        let window = i64::try_from(settings.window.as_secs()).unwrap_or(i64::MAX);
        Self {
            signer: Signer::new(settings.secrets.clone()),
            mailer: settings.mail.clone().map(|mail| Mailer::new(mail, outside)),
            own_mailer: settings.mail.clone().map(|mail| Mailer::new(mail, own)),
            mails: Semaphore::new(MAILS),
            own_mails: Semaphore::new(OWN_MAILS),
            asked: Guesses::new(ASKED, window),
            answered: Guesses::new(ANSWERED, 60),
            settings,
        }
    }
}

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/auth/otp", post(ask))
        .route("/auth/verify", post(verify))
        .route("/auth/logout", post(people::logout))
        .merge(people::routes())
}

fn logins(app: &App) -> Result<&Logins, Failure> {
    app.logins.as_ref().ok_or_else(|| {
        let detail = "there are no logins here: AUTH_ADMIN_EMAIL is not set; use the administrator's token or an API token";
        Failure::new(StatusCode::CONFLICT, "no_logins", detail)
    })
}

/// 429, if an address has asked for too much.
fn limited(guesses: &Guesses, from: &Caller, now: Timestamp) -> Result<(), Failure> {
    let ip = from.from.parse().unwrap_or(IpAddr::from([0, 0, 0, 0]));
    guesses.failed(ip, now).map_err(|left_s| {
        let detail = format!("too many logins are tried from this address; try again in {left_s} s");
        Failure::too_many(&detail, left_s)
    })
}

fn mail_address(text: &str) -> Result<String, Failure> {
    address(text).map_err(|must| Problems::one("email", must).into())
}

/// Where the code of an address is kept: under a hash of it, so that a list of codes is no list of addresses.
async fn kept_at(app: &App, email: &str) -> Result<String, StoreError> {
    app.access.digest(&app.stores, "address", email).await
}

async fn digest(app: &App, email: &str, code: &str) -> Result<String, StoreError> {
    app.access.digest(&app.stores, "code", &format!("{email}\0{code}")).await
}

async fn ask(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    query: Query,
    request: Request,
) -> Result<Response, Failure> {
    query.finish()?;
    let logins = logins(&app)?;
    let now = clock::now();
    limited(&logins.asked, &caller, now)?;
    let CodeRequest { email } = read(of_a_stranger(request).await?)?;
    let email = mail_address(&email)?;
    let made = code(entropy::random_u128());
    let (id, digest) = (kept_at(&app, &email).await?, digest(&app, &email, &made).await?);
    let before = app.stores.accounts.get(AccountKind::Code, &id).await?;
    let known = before.as_ref().map(Account::read::<LoginCode>).transpose()?;
    let settings = &logins.settings;
    let asked = LoginCode::asked(known.as_ref(), digest, now, settings.code_ttl, settings.window);
    // Whether one is sent or not, something is written: the time tells nobody whether a code is out.
    let (kept, is_sent) = match (asked, known) {
        // What is in the answer alone cannot get lost on its way.
        (CodeDecision::Send(new), _) if logins.mailer.is_none() => (new.arrived(), true),
        (CodeDecision::Send(new), _) => (new, true),
        (CodeDecision::Silence, Some(known)) => (known, false),
        (CodeDecision::Silence, None) => return Ok(asked_for(None)),
    };
    let until = Timestamp::from_millisecond(
        kept.expires_at.as_millisecond().max(now.as_millisecond() + window_ms(settings)),
    );
    let account = match &before {
        Some(before) => before.changed(&kept)?,
        None => Account::new(AccountKind::Code, &id, &id, &kept)?,
    };
    let account = Account { until: until.ok(), ..account };
    let mut code = None;
    match app.stores.accounts.save(vec![account], None).await {
        Ok(()) if is_sent => {
            send(&app, email, made.clone(), id, kept);
            code = settings.code_in_answer.then_some(made);
        }
        // Somebody else asked for one at the same moment, and that one is sent.
        Ok(()) | Err(StoreError::VersionMismatch { .. }) => {}
        Err(e) => return Err(e.into()),
    }
    Ok(asked_for(code))
}

fn asked_for(code: Option<String>) -> Response {
    let detail =
        "if this address may have a code now, one is on its way; POST /auth/verify with it".to_owned();
    with_secret(json(StatusCode::ACCEPTED, &CodeAnswer { detail, code }))
}

fn window_ms(settings: &Settings) -> i64 {
    i64::try_from(settings.window.as_millis()).unwrap_or(i64::MAX / 4)
}

/// Sends a code behind the answer. One that could not be sent is over and was none, so that another can be asked for.
fn send(app: &Arc<App>, email: String, code: String, id: String, kept: LoginCode) {
    let app = Arc::clone(app);
    tokio::spawn(async move {
        let Some(logins) = &app.logins else { return };
        let settings = &logins.settings;
        // Whoever asks for many has the administrator wait for none of them.
        let (mailer, mails) = if email == settings.admin {
            (&logins.own_mailer, &logins.own_mails)
        } else {
            (&logins.mailer, &logins.mails)
        };
        let Some(mailer) = mailer else { return };
        let key = format!("code-{}", kept.digest);
        let sent = match mails.try_acquire() {
            Ok(_turn) => mailer.send(&email, &code, (settings.code_ttl, kept.expires_at), &key).await,
            Err(_) => Err("too many mails are on their way".to_owned()),
        };
        let became = match &sent {
            Ok(()) => LoginCode::arrived,
            Err(why) => {
                tracing::error!(why, "a login code was not sent");
                LoginCode::not_sent
            }
        };
        if let Err(e) = became_of(&app, &id, &kept.digest, became).await {
            tracing::warn!(error = %e, "what became of a login code cannot be saved; another can be asked for in two minutes");
        }
    });
}

/// Saves what became of a code that was sent, unless another one took its place meanwhile.
async fn became_of(
    app: &App,
    id: &str,
    digest: &str,
    became: fn(LoginCode) -> LoginCode,
) -> Result<(), StoreError> {
    loop {
        let Some(account) = app.stores.accounts.get(AccountKind::Code, id).await? else { return Ok(()) };
        let code: LoginCode = account.read()?;
        if code.digest != digest {
            return Ok(());
        }
        match app.stores.accounts.save(vec![account.changed(&became(code))?], None).await {
            Err(StoreError::VersionMismatch { .. }) => {}
            done => return done,
        }
    }
}

async fn verify(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    query: Query,
    request: Request,
) -> Result<Response, Failure> {
    query.finish()?;
    let logins = logins(&app)?;
    let now = clock::now();
    limited(&logins.answered, &caller, now)?;
    let CodeProof { email, code } = read(of_a_stranger(request).await?)?;
    let email = mail_address(&email)?;
    // Whoever is wrong is nobody; the right code shows that he reads the mail of the address.
    let nobody = Caller { name: NOBODY.to_owned(), ..caller.clone() };
    let caller = Caller { name: email.clone(), ..caller };
    let (id, digest) = (kept_at(&app, &email).await?, digest(&app, &email, code.trim()).await?);
    let refused = || {
        let detail = "the code is wrong, or was used, or its time or tries are over; ask for another";
        Err(Failure::new(StatusCode::UNAUTHORIZED, "wrong_code", detail))
    };
    // What can be no code uses up no try of whoever has one.
    if !could_be_code(code.trim()) {
        return refused();
    }
    loop {
        let Some(account) = app.stores.accounts.get(AccountKind::Code, &id).await? else { return refused() };
        let known: LoginCode = account.read()?;
        let done = match known.guessed(same(&known.digest, &digest), now) {
            Guess::Over => return refused(),
            Guess::Wrong(next) => {
                let changes = json!({ "wrong_codes": [null, next.wrong] });
                let line = (next.wrong >= MAX_WRONG)
                    .then(|| line(now, nobody.clone(), "lock", "login", &email, changes));
                app.stores.accounts.save(vec![account.changed(&next)?], line).await.map(|()| None)
            }
            Guess::Right(used) => {
                let used = account.changed(&used)?;
                let (accounts, lines, outcome) = let_in(&app, logins, &email, &caller, now).await?;
                let all = std::iter::once(used).chain(accounts).collect();
                app.stores.accounts.save(all, lines).await.map(|()| Some(outcome))
            }
        };
        match done {
            Ok(None) => return refused(),
            Ok(Some(outcome)) => return entered(&app, logins, outcome).await,
            // Somebody else answered at the same moment: it is looked at again.
            Err(StoreError::VersionMismatch { .. } | StoreError::SlugTaken { .. }) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// What comes of a right code.
enum Outcome {
    In(Session, Role),
    Waiting,
    Revoked,
}

/// Who the right code lets in, what is to be saved for it, and the line that tells of it.
async fn let_in(
    app: &App,
    logins: &Logins,
    email: &str,
    caller: &Caller,
    now: Timestamp,
) -> Result<(Vec<Account>, Option<AuditEntry>, Outcome), Failure> {
    let found = app.stores.accounts.find(AccountKind::User, email).await?;
    let known = found.as_ref().map(Account::read::<User>).transpose()?;
    let is_admin = email == logins.settings.admin;
    let mut user = known.clone().unwrap_or_else(|| User {
        id: UserId::generate(now, entropy::random_u128()).to_string(),
        email: email.to_owned(),
        role: Role::Viewer,
        state: UserState::Waiting,
        created_at: now,
        last_login_at: None,
        version: 1,
    });
    if is_admin && user.state != UserState::Revoked {
        (user.role, user.state) = (Role::Admin, UserState::Approved);
    }
    let kept = |user: &User| match &found {
        Some(account) => account.changed(user),
        None => Account::new(AccountKind::User, &user.id, email, user),
    };
    let refused = |user: &User| {
        line(now, caller.clone(), "refuse", "user", &user.id, json!({ "state": [null, user.state] }))
    };
    match user.state {
        UserState::Revoked => Ok((Vec::new(), Some(refused(&user)), Outcome::Revoked)),
        UserState::Waiting if known.is_some() => Ok((Vec::new(), Some(refused(&user)), Outcome::Waiting)),
        UserState::Waiting => {
            let line =
                line(now, caller.clone(), "verify", "user", &user.id, json!({ "email": [null, email] }));
            Ok((vec![kept(&user)?], Some(line), Outcome::Waiting))
        }
        UserState::Approved => {
            user.last_login_at = Some(now);
            let ttl = i64::try_from(logins.settings.session_ttl.as_secs()).unwrap_or(i64::MAX / 4);
            let expires_at = Timestamp::from_second(now.as_second().saturating_add(ttl)).unwrap_or(now);
            let session = Session {
                id: SessionId::generate(now, entropy::random_u128()).to_string(),
                user: user.id.clone(),
                email: email.to_owned(),
                created_at: now,
                expires_at,
                from: caller.from.clone(),
                revoked_at: None,
                version: 1,
            };
            let by = Caller { token: session.id.clone(), ..caller.clone() };
            let line = line(now, by, "login", "user", &user.id, json!({ "role": [null, user.role] }));
            let account =
                Account::new(AccountKind::Session, &session.id, &session.id, &session)?.until(expires_at);
            Ok((vec![kept(&user)?, account], Some(line), Outcome::In(session, user.role)))
        }
    }
}

async fn entered(app: &App, logins: &Logins, outcome: Outcome) -> Result<Response, Failure> {
    match outcome {
        Outcome::In(session, role) => {
            let token = logins.signer.sign(app.stores.keys.as_ref(), &session).await?;
            let Session { email, expires_at, .. } = session;
            Ok(with_secret(json(StatusCode::OK, &LoginAnswer { token, expires_at, email, role })))
        }
        Outcome::Waiting => {
            let detail =
                "the address is verified; an administrator has to approve it: tfx user approve ADDRESS";
            Err(Failure::new(StatusCode::FORBIDDEN, "waiting_for_approval", detail))
        }
        Outcome::Revoked => {
            let detail = "this user may log in no more; an administrator can approve him again";
            Err(Failure::new(StatusCode::FORBIDDEN, "revoked", detail))
        }
    }
}

fn line(
    now: Timestamp,
    caller: Caller,
    action: &str,
    kind: &str,
    id: &str,
    changes: serde_json::Value,
) -> AuditEntry {
    let (action, kind, id) = (action.to_owned(), kind.to_owned(), id.to_owned());
    AuditEntry { at: now, caller, action, kind, id, version: 0, changes }
}
