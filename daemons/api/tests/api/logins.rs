//! Logins: codes, sessions, people, and those who try to get in without.

use crate::server::{Server, answer};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tfx_api::{
    Client,
    logins::{CodeProof, CodeRequest, Role},
};
use tfx_ports::{accounts::AccountKind, page::PageRequest};
use tokio::task::JoinSet;

const ADMIN: &str = "admin@example.com";
/// Every request says from where it comes, as through a proxy.
const DEV: [(&str, &str); 5] = [
    ("AUTH_ADMIN_EMAIL", ADMIN),
    ("AUTH_ENV", "test"),
    ("AUTH_DEV_RETURN_OTP", "true"),
    ("AUTH_JWT_SECRET", "a-secret-of-more-than-32-bytes-0123456789"),
    ("TRUSTED_PROXY_CIDRS", "127.0.0.1/32"),
];

/// Each attack and each login on both store families.
macro_rules! on_both_stores {
    ($($test:ident)*) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                super::$test(super::Server::with(&super::DEV).await).await;
            })*
        }
        mod on_mongodb {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                super::$test(super::Server::on_mongodb(&super::DEV).await).await;
            })*
        }
    };
}

on_both_stores! {
    the_administrators_address_is_approved_and_others_wait
    a_user_revoked_on_another_instance_opens_nothing_a_second_later
    what_a_user_had_open_is_ended_for_good_when_he_is_revoked
    who_is_refused_stands_in_the_audit_log
    of_ten_thousand_parallel_guesses_five_are_looked_at
    of_a_hundred_right_answers_at_once_one_gives_a_session
    of_a_thousand_mutated_tokens_none_opens_anything
    a_secret_that_is_replaced_is_believed_until_it_is_gone
    a_flood_of_requests_for_codes_makes_one_code_and_bounded_rows
    no_time_tells_who_is_known
}

async fn server() -> Server {
    Server::with(&DEV).await
}

/// From an address of its own.
async fn post(s: &Server, path: &str, from: u32, body: &Value) -> (StatusCode, Value) {
    let ip = std::net::Ipv4Addr::from(0x0b00_0000 + from);
    answer(
        s.bare(Method::POST, &format!("/api/v1{path}")).header("x-forwarded-for", ip.to_string()).json(body),
    )
    .await
}

async fn code(s: &Server, email: &str, from: u32) -> Option<String> {
    let (status, body) = post(s, "/auth/otp", from, &json!({ "email": email })).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    body["code"].as_str().map(str::to_owned)
}

async fn login(s: &Server, email: &str) -> (StatusCode, Value) {
    let code = code(s, email, 1).await.expect("a code");
    post(s, "/auth/verify", 1, &json!({ "email": email, "code": code })).await
}

/// A session's token.
async fn session(s: &Server, email: &str) -> String {
    let (status, body) = login(s, email).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body["token"].as_str().expect("a token").to_owned()
}

fn client(s: &Server, token: &str) -> Client {
    Client::new(&s.url, Some(token)).expect("a client")
}

async fn sessions(s: &Server) -> usize {
    s.stores
        .accounts
        .list(AccountKind::Session, &PageRequest::first(1_000))
        .await
        .expect("sessions")
        .items
        .len()
}

/// A wrong code.
fn other(code: &str) -> String {
    format!("{:08}", (code.parse::<u64>().expect("digits") + 1) % 100_000_000)
}

async fn the_administrators_address_is_approved_and_others_wait(s: Server) {
    let admin = client(&s, &session(&s, "Admin@Example.com").await);
    let me = admin.whoami().await.expect("known");
    assert_eq!((me.name.as_str(), me.role), (ADMIN, Some(Role::Admin)));
    let (status, body) = login(&s, "bob@example.com").await;
    assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &json!("waiting_for_approval")));
    admin.approve_user("bob@example.com", Role::Viewer, None).await.expect("approved");
    let bob = client(&s, &session(&s, "bob@example.com").await);
    assert_eq!(bob.whoami().await.expect("known").role, Some(Role::Viewer));
    assert_eq!(bob.users(None, None).await.expect_err("no administrator").status(), Some(403));
    let log = s.api.audit(&tfx_api::audit::AuditQuery::default()).await.expect("audit").items;
    let seen: Vec<_> =
        log.iter().rev().map(|e| (e.action.as_str(), e.kind.as_str(), e.actor.as_str())).collect();
    let want = [
        ("login", "user", ADMIN),
        ("verify", "user", "bob@example.com"),
        ("approve", "user", ADMIN),
        ("login", "user", "bob@example.com"),
    ];
    assert_eq!(seen, want);
    assert!(
        log.iter().all(|e| e.from == "11.0.0.1" || e.action == "approve") && log[0].token.starts_with("ses_")
    );
    // A login is no change of a user.
    let users = admin.users(None, None).await.expect("users").items;
    assert_eq!(users.iter().map(|user| user.version).collect::<Vec<_>>(), [1, 2]);
    let refused =
        admin.user_role("bob@example.com", Role::Editor, Some(1)).await.expect_err("it was approved");
    assert_eq!((refused.status(), refused.problem().and_then(|p| p.current)), (Some(412), Some(2)));
    let sessions = admin.sessions(None, None).await.expect("sessions").items;
    let refused = admin.revoke_session(&sessions[0].id, Some(2)).await.expect_err("another version");
    assert_eq!(refused.problem().and_then(|p| p.current), Some(1));
    let ended = bob.logout().await.expect("logged out");
    assert!(ended.revoked_at.is_some());
    assert_eq!(bob.whoami().await.expect_err("ended").status(), Some(401));
}

async fn a_user_revoked_on_another_instance_opens_nothing_a_second_later(s: Server) {
    let beside = s.beside_with(&DEV).await;
    session(&s, ADMIN).await;
    login(&s, "bob@example.com").await;
    s.api.approve_user("bob@example.com", Role::Editor, None).await.expect("approved");
    let token = session(&s, "bob@example.com").await;
    let there = Client::new(&beside.url, Some(&token)).expect("a client");
    there.whoami().await.expect("known there too");
    s.api.revoke_user("bob@example.com", None).await.expect("revoked");
    assert_eq!(client(&s, &token).whoami().await.expect_err("at once here").status(), Some(401));
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    assert_eq!(there.whoami().await.expect_err("a second later there").status(), Some(401));
    let (status, body) = login(&s, "bob@example.com").await;
    assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &json!("revoked")));
    beside.stop_beside().await;
}

async fn what_a_user_had_open_is_ended_for_good_when_he_is_revoked(s: Server) {
    session(&s, ADMIN).await;
    login(&s, "bob@example.com").await;
    s.api.approve_user("bob@example.com", Role::Editor, None).await.expect("approved");
    let before = session(&s, "bob@example.com").await;
    s.api.revoke_user("bob@example.com", None).await.expect("revoked");
    s.api.approve_user("bob@example.com", Role::Editor, None).await.expect("approved again");
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    assert_eq!(client(&s, &before).whoami().await.expect_err("ended").status(), Some(401));
    let mut sessions = s.api.sessions(None, None).await.expect("sessions").items;
    sessions.retain(|session| session.email == "bob@example.com");
    assert!(sessions.len() == 1 && sessions.iter().all(|session| session.revoked_at.is_some()));
    assert!(client(&s, &session(&s, "bob@example.com").await).whoami().await.is_ok(), "a new login");
    let log = audit(&s).await;
    let revoked = log.iter().find(|line| line.action == "revoke").expect("told");
    assert_eq!((revoked.kind.as_str(), &revoked.changes["sessions"]), ("user", &json!([1, 0])));
}

async fn who_is_refused_stands_in_the_audit_log(s: Server) {
    assert_eq!(login(&s, "bob@example.com").await.0, StatusCode::FORBIDDEN);
    assert_eq!(login(&s, "bob@example.com").await.0, StatusCode::FORBIDDEN);
    s.api.revoke_user("bob@example.com", None).await.expect("revoked");
    assert_eq!(login(&s, "bob@example.com").await.0, StatusCode::FORBIDDEN);
    let right = code(&s, ADMIN, 1).await.expect("a code");
    for _ in 0..7 {
        let body = json!({ "email": ADMIN, "code": other(&right) });
        assert_eq!(post(&s, "/auth/verify", 2, &body).await.0, StatusCode::UNAUTHORIZED);
    }
    let log = audit(&s).await;
    let told: Vec<_> = log
        .iter()
        .rev()
        .filter(|line| matches!(line.action.as_str(), "refuse" | "lock"))
        .map(|line| (line.action.as_str(), line.actor.as_str(), line.from.as_str(), line.changes.clone()))
        .collect();
    let state = |state: &str| json!({ "state": [null, state] });
    let want = [
        ("refuse", "bob@example.com", "11.0.0.1", state("waiting")),
        ("refuse", "bob@example.com", "11.0.0.1", state("revoked")),
        ("lock", "nobody", "11.0.0.2", json!({ "wrong_codes": [null, 5] })),
    ];
    assert_eq!(told, want);
    assert_eq!((log[0].kind.as_str(), log[0].id.as_str()), ("login", ADMIN), "what it is about");
}

async fn audit(s: &Server) -> Vec<tfx_api::audit::AuditEntry> {
    s.api.audit(&tfx_api::audit::AuditQuery::default()).await.expect("audit").items
}

async fn of_ten_thousand_parallel_guesses_five_are_looked_at(s: Server) {
    let s = Arc::new(s);
    let right = code(&s, ADMIN, 1).await.expect("a code");
    let mut racing = JoinSet::new();
    // Each lane from addresses of its own, so that no limit of an address helps.
    for lane in 0..50_u32 {
        let (s, wrong) = (Arc::clone(&s), other(&right));
        racing.spawn(async move {
            let mut statuses = BTreeMap::new();
            for n in 0..200 {
                let body = json!({ "email": ADMIN, "code": wrong });
                *statuses
                    .entry(post(&s, "/auth/verify", lane * 1_000 + n, &body).await.0.as_u16())
                    .or_insert(0) += 1;
            }
            statuses
        });
    }
    let all = racing.join_all().await;
    let refused: u32 = all.iter().filter_map(|s| s.get(&401)).sum();
    assert_eq!(refused, 10_000, "{all:?}");
    let kept = s.stores.accounts.list(AccountKind::Code, &PageRequest::first(10)).await.expect("codes").items;
    assert_eq!(kept.len(), 1);
    let kept: tfx_domain::access::LoginCode = kept[0].read().expect("JSON");
    assert_eq!(kept.wrong, 5);
    // The right one is burnt with it.
    let (status, _) = post(&s, "/auth/verify", 60_000, &json!({ "email": ADMIN, "code": right })).await;
    assert_eq!((status, sessions(&s).await), (StatusCode::UNAUTHORIZED, 0));
    assert!(code(&s, ADMIN, 60_001).await.is_some(), "a burnt code is no longer valid: another is sent");
}

async fn of_a_hundred_right_answers_at_once_one_gives_a_session(s: Server) {
    let s = Arc::new(s);
    for round in 0..3 {
        let right = code(&s, ADMIN, 1).await.expect("a code");
        let mut racing = JoinSet::new();
        for n in 0..100 {
            let (s, right) = (Arc::clone(&s), right.clone());
            racing.spawn(async move {
                post(&s, "/auth/verify", 100 + n, &json!({ "email": ADMIN, "code": right })).await.0
            });
        }
        let won = racing.join_all().await.into_iter().filter(|status| *status == StatusCode::OK).count();
        assert_eq!((won, sessions(&s).await), (1, round + 1));
    }
}

async fn of_a_thousand_mutated_tokens_none_opens_anything(s: Server) {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
    let token = session(&s, ADMIN).await;
    let [head, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let said: Value = serde_json::from_slice(&B64.decode(claims).expect("base64")).expect("JSON");
    let part = |value: &Value| B64.encode(value.to_string());
    let signed = |head: &Value, claims: &Value, secret: &[u8]| {
        use hmac::{Hmac, KeyInit as _, Mac as _};
        let text = format!("{}.{}", part(head), part(claims));
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret).expect("a key");
        mac.update(text.as_bytes());
        format!("{text}.{}", B64.encode(mac.finalize().into_bytes()))
    };
    let secret = DEV[3].1.as_bytes();
    assert!(
        client(&s, &signed(&json!({ "alg": "HS256", "typ": "JWT" }), &said, secret)).whoami().await.is_ok(),
        "the same by hand"
    );
    let mut tokens = Vec::new();
    // No signature, in every spelling; another algorithm; a key that comes with the token.
    for alg in ["none", "None", "NONE", "nOnE", "", "HS384", "HS512", "RS256", "ES256", "PS256", "EdDSA"] {
        let header = json!({ "alg": alg, "typ": "JWT" });
        tokens.push(format!("{}.{claims}.", part(&header)));
        tokens.push(format!("{}.{claims}.{signature}", part(&header)));
        tokens.push(signed(&header, &said, secret));
    }
    for kid in ["../../dev/null", "/dev/null", "' UNION SELECT '", "a\0b", "http://127.0.0.1:1/key"] {
        for name in ["kid", "jku", "x5u", "jwk", "x5c"] {
            let value = if name == "jwk" { json!({ "kty": "oct", "k": B64.encode("") }) } else { json!(kid) };
            let header = json!({ "alg": "HS256", "typ": "JWT", name: value });
            for key in [&b""[..], b"null", kid.as_bytes()] {
                tokens.push(signed(&header, &said, key));
            }
        }
    }
    // Signed rightly, and not for us, not now, of nobody.
    let now = tfx_ports::clock::now().as_second();
    for (name, value) in [
        ("aud", json!("other")),
        ("aud", Value::Null),
        ("exp", json!(now - 60)),
        ("exp", Value::Null),
        ("exp", json!("soon")),
        ("nbf", json!(now + 600)),
        ("nbf", Value::Null),
        ("jti", json!("ses_0000000000000000000")),
        ("jti", Value::Null),
        ("sub", json!("usr_0000000000000000000")),
        ("sub", Value::Null),
    ] {
        let mut claims = said.clone();
        if value.is_null() {
            claims.as_object_mut().expect("an object").remove(name);
        } else {
            claims[name] = value;
        }
        tokens.push(signed(&json!({ "alg": "HS256", "typ": "JWT" }), &claims, secret));
    }
    // Every place of the token changed, one at a time, and cut short.
    let bytes = token.as_bytes();
    for at in (0..bytes.len()).cycle().take(1_000) {
        if tokens.len() >= 1_000 {
            break;
        }
        let mut changed = bytes.to_vec();
        let step = 1 + u8::try_from(tokens.len() / bytes.len()).unwrap_or(0);
        changed[at] = match changed[at] {
            b'.' => b'_',
            b => {
                b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
                    [usize::from(b.wrapping_mul(7).wrapping_add(step * 16) % 64)]
            }
        };
        let changed = String::from_utf8(changed).expect("ASCII");
        // The last character of a part has bits that say nothing: another one may be the same token.
        let last = token.as_bytes().get(at + 1).is_none_or(|b| *b == b'.');
        tokens.push(if changed == token || last { token[..at].to_owned() } else { changed });
    }
    tokens.push(format!("{head}.{claims}"));
    assert!(tokens.len() >= 1_000, "{}", tokens.len());
    for (n, token) in tokens.iter().enumerate() {
        let ip = std::net::Ipv4Addr::from(0x0b00_0000 + u32::try_from(n).expect("few"));
        let request = s.bare(Method::GET, "/api/v1/whoami").header("x-forwarded-for", ip.to_string());
        let visible: String = token.chars().filter(char::is_ascii_graphic).collect();
        let (status, _) = answer(request.bearer_auth(visible)).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{token}");
    }
}

async fn a_secret_that_is_replaced_is_believed_until_it_is_gone(s: Server) {
    const NEW: &str = "another-secret-of-more-than-32-bytes-0123";
    let token = session(&s, ADMIN).await;
    let both = format!("{NEW},{}", DEV[3].1);
    let with = |secret: &'static str| DEV.map(|(n, v)| (n, if n == "AUTH_JWT_SECRET" { secret } else { v }));
    let both = s.beside_with(&with(both.leak())).await;
    let new = s.beside_with(&with(NEW)).await;
    assert!(Client::new(&both.url, Some(&token)).expect("a client").whoami().await.is_ok());
    assert!(Client::new(&new.url, Some(&token)).expect("a client").whoami().await.is_err());
    let signed_anew = session(&both, ADMIN).await;
    assert!(Client::new(&new.url, Some(&signed_anew)).expect("a client").whoami().await.is_ok());
    new.stop_beside().await;
    both.stop_beside().await;
}

async fn a_flood_of_requests_for_codes_makes_one_code_and_bounded_rows(s: Server) {
    let s = Arc::new(s);
    // 10,000 for one address, from everywhere.
    let mut racing = JoinSet::new();
    for lane in 0..50_u32 {
        let s = Arc::clone(&s);
        racing.spawn(async move {
            let mut sent = 0;
            for n in 0..200 {
                sent += u32::from(code(&s, ADMIN, lane * 1_000 + n).await.is_some());
            }
            sent
        });
    }
    assert_eq!(racing.join_all().await.into_iter().sum::<u32>(), 1, "one is valid, no other is sent");
    // 10,000 from one, for everybody.
    let mut racing = JoinSet::new();
    for lane in 0..50_u32 {
        let s = Arc::clone(&s);
        racing.spawn(async move {
            let mut statuses = Vec::new();
            for n in 0..200 {
                let email = format!("u{lane}-{n}@example.com");
                statuses.push(post(&s, "/auth/otp", 9_999_999, &json!({ "email": email })).await.0.as_u16());
            }
            statuses
        });
    }
    let mut statuses = BTreeMap::new();
    for status in racing.join_all().await.into_iter().flatten() {
        *statuses.entry(status).or_insert(0) += 1;
    }
    assert_eq!(statuses, BTreeMap::from([(202, 20), (429, 9_980)]));
    let codes =
        s.stores.accounts.list(AccountKind::Code, &PageRequest::first(1_000)).await.expect("codes").items;
    assert_eq!(codes.len(), 21);
}

/// One whom the server knows, one whose code is valid, and one whose code is over.
async fn asks(s: &Server, n: usize) {
    let (id, email) = (format!("usr_{n:019}"), format!("known{n}@example.com"));
    let user = json!({ "id": id, "email": email, "role": "viewer", "state": "approved", "created_at": "2026-01-01T00:00:00Z" });
    let account = tfx_ports::accounts::Account::new(AccountKind::User, &id, &email, &user).expect("JSON");
    s.stores.accounts.save(vec![account], None).await.expect("saved");
    let from = 1_000_000 + u32::try_from(n).expect("few");
    for name in ["waits", "over"] {
        assert!(code(s, &format!("{name}{n}@example.com"), from).await.is_some());
    }
    let wrong = json!({ "email": format!("over{n}@example.com"), "code": "00000000" });
    for _ in 0..tfx_domain::access::MAX_WRONG {
        assert_eq!(post(s, "/auth/verify", from, &wrong).await.0, StatusCode::UNAUTHORIZED);
    }
}

/// The same work is done for whoever asks: the distributions are one, by the test of Kolmogorov and Smirnov, of those who have
/// a user and those whom nobody knows; and, of those who asked before, whether their code is valid or over.
async fn no_time_tells_who_is_known(s: Server) {
    const EACH: usize = 400;
    const NAMES: [&str; 4] = ["known", "nobody", "waits", "over"];
    let s = Arc::new(s);
    let mut asked = JoinSet::new();
    for lane in 0..20 {
        let s = Arc::clone(&s);
        asked.spawn(async move {
            for n in (lane..EACH).step_by(20) {
                asks(&s, n).await;
            }
        });
    }
    asked.join_all().await;
    let mut times = NAMES.map(|_| Vec::new());
    for n in 0..EACH {
        // Who comes first changes, since what comes after a pause takes longer.
        for turn in 0..NAMES.len() {
            let which = (turn + n) % NAMES.len();
            let email = format!("{}{n}@example.com", NAMES[which]);
            let from = u32::try_from(which * EACH + n).expect("few");
            let begun = std::time::Instant::now();
            let (status, _) = post(&s, "/auth/otp", from, &json!({ "email": email })).await;
            times[which].push(begun.elapsed());
            assert_eq!(status, StatusCode::ACCEPTED);
        }
    }
    times.iter_mut().for_each(|times| times.sort_unstable());
    let below = |all: &[Duration], at: Duration| all.partition_point(|t| *t <= at) as f64 / EACH as f64;
    // Two samples of one distribution are so far apart once in ten thousand times: 2.2 * sqrt(2 / n).
    let limit = 2.2 * (2.0 / EACH as f64).sqrt();
    for (one, two) in [(0, 1), (2, 3)] {
        let at = times[one].iter().chain(&times[two]);
        let apart =
            at.map(|at| (below(&times[one], *at) - below(&times[two], *at)).abs()).fold(0.0, f64::max);
        let (first, second) = (times[one][EACH / 2], times[two][EACH / 2]);
        assert!(
            apart < limit,
            "{} and {} are {apart:.3} apart, {limit:.3} is the most; medians {first:?} {second:?}",
            NAMES[one],
            NAMES[two]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_administrators_address_there_are_no_logins() {
    let s = Server::start().await;
    let (status, body) = post(&s, "/auth/otp", 1, &json!({ "email": ADMIN })).await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("no_logins")));
    assert!(body["detail"].to_string().contains("AUTH_ADMIN_EMAIL"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_during_a_login_is_said_so() {
    let s = Server::with_over(&DEV, |stores| tfx_wiring::Stores {
        accounts: Arc::new(crate::tokens::Away),
        ..stores
    })
    .await;
    for (path, body) in [
        ("/auth/otp", json!({ "email": ADMIN })),
        ("/auth/verify", json!({ "email": ADMIN, "code": "00000000" })),
    ] {
        let (status, body) = post(&s, path, 1, &body).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable")),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_address_and_no_code_is_said_so() {
    let s = server().await;
    let anybody = Client::new(&s.url, None).expect("a client");
    let wrong =
        anybody.ask_code(&CodeRequest { email: "a\r\nbcc: b@x.y".to_owned() }).await.expect_err("no address");
    assert_eq!(wrong.status(), Some(422));
    let refused = async |code: &str| {
        let proof = CodeProof { email: ADMIN.to_owned(), code: code.to_owned() };
        anybody.prove_code(&proof).await.expect_err("no code").code().map(str::to_owned)
    };
    // A stranger's body is short, or is not read.
    assert_eq!(refused(&"1".repeat(100_000)).await.as_deref(), Some("too_large"));
    let sent = code(&s, ADMIN, 1).await.expect("a code");
    for _ in 0..tfx_domain::access::MAX_WRONG {
        assert_eq!(refused("x").await.as_deref(), Some("wrong_code"));
    }
    let proof = CodeProof { email: ADMIN.to_owned(), code: sent };
    anybody.prove_code(&proof).await.expect("what can be no code uses up no try");
}
