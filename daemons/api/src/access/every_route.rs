//! Each route of the router itself, asked without a token, and with tokens that have everything but one scope it needs.

use super::{
    Access,
    routes::{self, Found, Needs},
};
use crate::{app, app::App, entities::Followed, idempotency::UnderWay, peers::Peers, retention::Pruning};
use axum::{Router, body::Body};
use http::{Method, Request, Response, StatusCode};
use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc};
use tfx_api::BASE;
use tfx_domain::access::{ApiToken, Scope};
use tfx_outbound::Apart;
use tfx_ports::{
    accounts::{Account, AccountKind},
    clock,
};
use tfx_service::{Peer, Shutdown};
use tfx_settings::{Secret, Settings, SettingsSource};
use tfx_wiring::{DataDir, FolderLock};
use tokio::sync::Mutex;
use tower::ServiceExt as _;

struct House {
    _dir: tempfile::TempDir,
    app: Arc<App>,
    router: Router,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let source = SettingsSource::of([
            ("TFX_DATA_DIR", dir.path().to_str().expect("a path")),
            ("TRAFFIC_SERVICE_URL", "http://127.0.0.1:1"),
            ("POSTBACK_SERVICE_URL", "http://127.0.0.1:1"),
        ]);
        let settings = Arc::new(Settings::read(&source).expect("settings"));
        let data_dir = DataDir::open(dir.path(), FolderLock::Shared).expect("the data folder");
        let stores = tfx_wiring::embedded(&data_dir).expect("stores");
        let (_, shutdown) = Shutdown::new();
        let secret = Secret::from("0123456789abcdef".to_owned());
        let pruning = Arc::new(Pruning::new(Arc::clone(&stores.retention), None, false, shutdown));
        let apart = Arc::new(Apart::start("outside").expect("threads"));
        let app = Arc::new(App {
            access: Access::new(&secret, &settings.http),
            logins: None,
            peers: Peers::new(&settings, &secret).expect("peers"),
            alerts: crate::alerts::Alerts::new(&settings, &apart),
            pruning,
            erasing: crate::erasure::Erasing::default(),
            stores,
            writes: Mutex::new(Followed::new(&[])),
            imports: crate::imports::Audited::default(),
            under_way: UnderWay::default(),
            traces: tfx_traces::Traces::default(),
            settings,
        });
        let router = app::router(&app, &secret).expect("a router");
        Self { _dir: dir, app, router }
    }

    /// The text of a token that may do this.
    async fn token(&self, name: &str, scopes: Vec<Scope>) -> String {
        let now = clock::now();
        let (id, text) = super::tokens::made(now);
        let token = ApiToken {
            id: id.to_string(),
            name: name.to_owned(),
            digest: self.app.access.tokens.digest(&self.app.stores, &text).await.expect("digest"),
            scopes,
            created_at: now,
            created_by: "test".to_owned(),
            expires_at: None,
            last_used_at: None,
            last_used_from: String::new(),
            revoked_at: None,
            version: 1,
        };
        let account = Account::new(AccountKind::Token, id.as_str(), name, &token).expect("JSON");
        self.app.stores.accounts.save(vec![account], None).await.expect("saved");
        text
    }

    /// The paths that the router itself says it has.
    fn paths(&self) -> BTreeSet<String> {
        let said = format!("{:?}", self.router);
        let quoted = said.split('"').filter(|part| part.starts_with(&format!("{BASE}/")));
        quoted.filter(|path| !path.contains("{*")).map(str::to_owned).collect()
    }

    /// From an address of its own each time, so that none is limited.
    async fn ask(&self, method: &Method, path: &str, token: Option<&str>, n: u32) -> (StatusCode, String) {
        let path: Vec<&str> =
            path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect();
        let mut request = Request::builder().method(method).uri(path.join("/"));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut request = request.body(Body::empty()).expect("a request");
        request.extensions_mut().insert(Peer((Ipv4Addr::from(n), 1).into()));
        let response: Response<Body> = self.router.clone().oneshot(request).await.expect("an answer");
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        (status, String::from_utf8_lossy(&body).into_owned())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_refuses_without_its_scope() {
    let house = House::new();
    let methods = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let none = house.token("none", Vec::new()).await;
    let mut lacking = Vec::new();
    for scope in Scope::ALL {
        let others = Scope::ALL.iter().copied().filter(|other| other != scope).collect();
        lacking.push((*scope, house.token(scope.as_str(), others).await));
    }
    let (mut n, mut refused) = (0, 0);
    let (paths, mut open) = (house.paths(), Vec::new());
    for path in &paths {
        for method in &methods {
            n += 1;
            let at = format!("{method} {path}");
            if matches!(routes::of(method, path), Found::Needs(Needs::Nothing)) {
                open.push(at);
                continue;
            }
            if routes::is_open(path) {
                let (status, _) = house.ask(method, path, None, n).await;
                assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{at}: nobody has to be known for that");
                continue;
            }
            assert_eq!(house.ask(method, path, None, n).await.0, StatusCode::UNAUTHORIZED, "{at}");
            assert_eq!(house.ask(method, path, Some("tfx_x"), n).await.0, StatusCode::UNAUTHORIZED, "{at}");
            let needed = match routes::of(method, path) {
                Found::Needs(Needs::Scopes(needed)) => needed,
                Found::Needs(Needs::Nothing | Needs::Login) => continue,
                Found::OtherMethods(_) => {
                    let (status, _) = house.ask(method, path, Some(&none), n).await;
                    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{at}");
                    continue;
                }
                Found::Nothing => panic!("{at} does not say which scope it needs"),
            };
            assert_eq!(house.ask(method, path, Some(&none), n).await.0, StatusCode::FORBIDDEN, "{at}");
            for scope in needed {
                let (_, token) = lacking.iter().find(|(lacks, _)| lacks == scope).expect("a token");
                let (status, body) = house.ask(method, path, Some(token), n).await;
                assert_eq!(status, StatusCode::FORBIDDEN, "{at} without {scope}");
                assert!(*method == Method::HEAD || body.contains(scope.as_str()), "{at}: {body}");
                refused += 1;
            }
        }
    }
    let ways_in = ["POST /api/v1/auth/otp", "POST /api/v1/auth/verify"];
    let description = ["GET /api/v1/openapi.json", "HEAD /api/v1/openapi.json"];
    assert_eq!(open, [ways_in, description].concat(), "what needs no token");
    let table: BTreeSet<String> = routes::all().map(|(path, ..)| path.to_owned()).collect();
    assert_eq!(paths, table, "the router and the table have the same paths");
    assert!(paths.len() > 60 && refused > 150, "{} paths, {refused} refusals", paths.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_the_table_does_not_know_lets_nobody_in() {
    let house = House::new();
    let all = house.token("all", Scope::ALL.to_vec()).await;
    let forgotten = Router::new().route("/new", axum::routing::get(|| async { "in" }));
    let layer = axum::middleware::from_fn_with_state(Arc::clone(&house.app), super::check);
    let router = Router::new().nest(BASE, forgotten.layer(layer));
    for token in [all.as_str(), "0123456789abcdef"] {
        let request =
            Request::builder().uri(format!("{BASE}/new")).header("authorization", format!("Bearer {token}"));
        let response = router.clone().oneshot(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(response.expect("an answer").status(), StatusCode::FORBIDDEN);
    }
}
