//! What each route needs: the one table. A route that is not in it is refused to everybody; a test asks each route of the
//! router without its scope.

use http::Method;
use std::{collections::HashMap, sync::LazyLock};
use tfx_api::{BASE, entities::Verb};
use tfx_domain::{
    access::Scope::{
        self, ConversionsImport, Erase, HealthCheck, Ops, PostbacksRetry, PostbacksTest, Read, ReadAudit,
        ReadMoney, ReadSecrets, Tokens, Users, WriteAlerts, WriteNetworks, WriteRates,
    },
    entity::Kind,
};

/// What a caller must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing: who is not known yet gets in here.
    Nothing,
    /// To be known, whatever he may do.
    Login,
    /// All of these.
    Scopes(Vec<Scope>),
}

/// Many changes at once.
const BULK: &str = "/bulk";

/// Everything as one document.
const CONFIG_SET: &str = "/config/set";

/// What was, put back.
const RESTORE: &str = "/revisions/{n}/restore";

/// Method, path below the base, what it needs. What answers with money in sentences, in logs or in what is sent to others
/// needs `read:money`; elsewhere money is taken out of answers for who may not see it.
const ROUTES: &[(Method, &str, &[Scope])] = &[
    (Method::GET, "/campaigns/{ref}/link", &[Read]),
    (Method::GET, "/networks/{ref}/postback-url", &[Read, ReadSecrets]),
    (Method::POST, "/networks/{ref}/rotate-secret", &[Read, WriteNetworks]),
    (Method::GET, "/sources/{ref}/signing-key", &[Read, ReadSecrets]),
    (Method::POST, "/sources/{ref}/test", &[Read, ReadMoney, PostbacksTest]),
    (Method::GET, "/destinations/{ref}/cap-use", &[Read]),
    (Method::POST, "/destinations/{ref}/check", &[Read, HealthCheck]),
    // And the scope to write each kind that stands in it.
    (Method::POST, BULK, &[Read]),
    // A set without its money would take it away where it is applied.
    (Method::GET, CONFIG_SET, &[Read, ReadMoney]),
    // And the scope to write each kind that changes, unless it is a dry run.
    (Method::PUT, CONFIG_SET, &[Read, ReadMoney]),
    (Method::GET, "/revisions", &[Read, ReadAudit]),
    (Method::GET, "/revisions/{n}", &[Read, ReadAudit]),
    (Method::GET, "/revisions/{n}/set", &[Read, ReadMoney]),
    (Method::GET, "/revisions/{n}/diff", &[Read, ReadMoney]),
    // And the scope to write each kind of which something changes.
    (Method::POST, RESTORE, &[Read, ReadMoney]),
    (Method::GET, "/rates", &[Read]),
    (Method::POST, "/rates", &[Read, WriteRates]),
    (Method::POST, "/rates/remove", &[Read, WriteRates]),
    (Method::POST, "/report", &[Read]),
    (Method::GET, "/clicks", &[Read]),
    (Method::GET, "/clicks/{id}", &[Read]),
    (Method::GET, "/clicks/{id}/timeline", &[Read, ReadMoney]),
    (Method::GET, "/conversions", &[Read]),
    (Method::GET, "/conversions/{id}", &[Read]),
    (Method::POST, "/conversions/publish", &[Read, Ops]),
    (Method::POST, "/conversions/import", &[Read, ReadMoney, ConversionsImport]),
    (Method::GET, "/postbacks", &[Read, ReadMoney]),
    (Method::GET, "/postbacks/lint", &[Read, ReadMoney]),
    (Method::GET, "/postbacks/queue", &[Read, ReadMoney]),
    (Method::GET, "/postbacks/parked", &[Read, ReadMoney]),
    (Method::GET, "/postbacks/parked/{id}", &[Read, ReadMoney]),
    (Method::POST, "/postbacks/parked/retry", &[Read, ReadMoney, PostbacksRetry]),
    (Method::POST, "/postbacks/parked/drop", &[Read, ReadMoney, PostbacksRetry]),
    (Method::POST, "/postbacks/test", &[Read, ReadMoney, PostbacksTest]),
    (Method::POST, "/postbacks/sign", &[Read, ReadSecrets, PostbacksTest]),
    (Method::POST, "/postbacks/retry", &[Read, ReadMoney, PostbacksRetry]),
    (Method::POST, "/postbacks/queue/retry", &[Read, ReadMoney, PostbacksRetry]),
    (Method::POST, "/explain", &[Read, ReadMoney]),
    (Method::GET, "/explain/{click_id}", &[Read, ReadMoney]),
    (Method::GET, "/health", &[Read]),
    (Method::GET, "/health/history", &[Read]),
    (Method::GET, "/alerts/{ref}/states", &[Read, ReadMoney]),
    (Method::POST, "/alerts/{ref}/test", &[Read, ReadMoney, WriteAlerts]),
    (Method::GET, "/alert-log", &[Read, ReadMoney]),
    (Method::POST, "/alert-notices/retry", &[Read, ReadMoney, WriteAlerts]),
    (Method::GET, "/audit", &[Read, ReadMoney, ReadAudit]),
    (Method::GET, "/event-producer/stats", &[Read]),
    (Method::GET, "/reconciliation", &[Read]),
    (Method::POST, "/event-producer/replay-refused", &[Read, Ops]),
    (Method::GET, "/ingestion/errors", &[Read, ReadMoney]),
    (Method::GET, "/ingestion/lag", &[Read]),
    (Method::POST, "/ingestion/replay", &[Read, Ops]),
    (Method::GET, "/retention", &[Read]),
    (Method::POST, "/retention/prune", &[Read, Ops]),
    (Method::GET, "/retention/kinds", &[Read]),
    (Method::POST, "/retention/apply", &[Read, Ops]),
    (Method::GET, "/secrets", &[Read, Ops]),
    (Method::POST, "/secrets/reseal", &[Read, Ops]),
    (Method::GET, "/erasures", &[Read, Erase]),
    (Method::POST, "/erasures", &[Read, Erase]),
    (Method::GET, "/geo", &[Read]),
    (Method::GET, "/tokens", &[Tokens]),
    (Method::POST, "/tokens", &[Tokens]),
    (Method::POST, "/tokens/{ref}/revoke", &[Tokens]),
    (Method::GET, "/users", &[Users]),
    (Method::POST, "/users/{ref}/approve", &[Users]),
    (Method::POST, "/users/{ref}/role", &[Users]),
    (Method::POST, "/users/{ref}/revoke", &[Users]),
    (Method::GET, "/sessions", &[Users]),
    (Method::POST, "/sessions/{id}/revoke", &[Users]),
    // Whoever is known may ask who he is, and end that.
    (Method::GET, "/whoami", &[]),
    (Method::POST, "/auth/logout", &[]),
];

/// The ways in, and what tells how the API is to be asked.
const OPEN: &[(Method, &str)] =
    &[(Method::POST, "/auth/otp"), (Method::POST, "/auth/verify"), (Method::GET, "/openapi.json")];

/// What each path needs, by method.
static TABLE: LazyLock<HashMap<String, Vec<(Method, Needs)>>> = LazyLock::new(|| {
    let mut table: HashMap<String, Vec<(Method, Needs)>> = HashMap::new();
    let mut add = |method: &Method, path: &str, scopes: &[Scope]| {
        let needs = if scopes.is_empty() { Needs::Login } else { Needs::Scopes(scopes.to_vec()) };
        table.entry(format!("{BASE}{path}")).or_default().push((method.clone(), needs));
    };
    for (method, path, scopes) in ROUTES {
        add(method, path, scopes);
    }
    for kind in Kind::ALL {
        let (all, write) = (format!("/{}", kind.plural()), [Read, Scope::write(kind)]);
        let one = format!("{all}/{{ref}}");
        add(&Method::GET, &all, &[Read]);
        add(&Method::POST, &all, &write);
        add(&Method::GET, &one, &[Read]);
        add(&Method::PATCH, &one, &write);
        for verb in Verb::ALL {
            add(&Method::POST, &format!("{one}/{}", verb.as_str()), &write);
        }
    }
    for (method, path) in OPEN {
        table.entry(format!("{BASE}{path}")).or_default().push((method.clone(), Needs::Nothing));
    }
    table
});

/// What the table says of a route.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// This is needed.
    Needs(&'static Needs),
    /// The path has other methods alone.
    OtherMethods(Vec<&'static str>),
    /// Nothing: nobody is let in.
    Nothing,
}

/// What a route needs. Whoever may GET may ask for the head.
pub(crate) fn of(method: &Method, path: &str) -> Found {
    let Some(methods) = TABLE.get(path) else { return Found::Nothing };
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    match methods.iter().find(|(known, _)| known == method) {
        Some((_, needs)) => Found::Needs(needs),
        None => {
            let mut known: Vec<&str> = methods.iter().map(|(method, _)| method.as_str()).collect();
            if known.contains(&"GET") {
                known.push("HEAD");
            }
            Found::OtherMethods(known)
        }
    }
}

/// Whether a route changes something or has something done: whoever may only look has no use for it.
pub(crate) fn is_write(method: &Method, path: &str) -> bool {
    let Found::Needs(Needs::Scopes(scopes)) = of(method, path) else { return false };
    let looks = |scope: &Scope| matches!(scope, Read | ReadMoney | ReadSecrets | ReadAudit);
    let is_many = path.strip_prefix(BASE).is_some_and(|path| [BULK, CONFIG_SET, RESTORE].contains(&path));
    !matches!(*method, Method::GET | Method::HEAD) && (is_many || !scopes.iter().all(looks))
}

/// Whether what a path answers may tell secrets to who may see them: kinds that have some, and what is told of their changes.
pub(crate) fn tells_secrets(path: &str) -> bool {
    let of = path.strip_prefix(BASE).and_then(|rest| rest.split('/').nth(1)).unwrap_or_default();
    matches!(of, "audit" | "revisions")
        || [Kind::Source, Kind::Network, Kind::Alert].iter().any(|kind| kind.plural() == of)
}

/// Whether a path needs nothing, by whichever of its methods.
pub(crate) fn is_open(path: &str) -> bool {
    TABLE.get(path).is_some_and(|methods| methods.iter().all(|(_, needs)| *needs == Needs::Nothing))
}

/// Every route of the table.
#[cfg(test)]
pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static Method, &'static Needs)> {
    TABLE
        .iter()
        .flat_map(|(path, methods)| methods.iter().map(|(method, needs)| (path.as_str(), method, needs)))
}
