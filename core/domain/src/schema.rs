//! What our own forms of text and number look like in JSON Schema: exactly what their parsers take. Everything else says it
//! by its derive. Compiled for the API's description alone (feature `schema`).

use crate::{
    entity::{Action, RedirectCode, Secret, SignedPlace, SignedText, SourceParam},
    id::{
        AlertId, CampaignId, ClickId, ConversionId, DestinationId, NetworkId, PREFIXES, SessionId, SourceId,
        StreamId, TemplateId, TokenId, UserId, VisitorId,
    },
    money::{Amount, Currency, Scale, Total},
    postback::ConversionStatus,
    report::Dimension,
    slug::{RESERVED, Slug},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// A point in time, [`crate::Timestamp`].
pub struct Moment;

/// A day, [`crate::Date`].
pub struct Day;

/// A rate of currencies.
pub struct RateText;

/// An address or a range of addresses.
pub struct Network;

/// An amount that is not below nought.
pub struct NotNegative;

/// A mail address.
pub struct MailAddress;

/// How a URL begins that may hold macros.
pub const URL: &str = "^[Hh][Tt][Tt][Pp][Ss]?://[^/]";

/// The name of a query parameter.
pub const PARAM: &str = r"^[^\s\u0000-\u001f\u007f-\u009f]+$";

/// What stands for a fact in a URL that a network is given.
pub const MACRO: &str = r"^[^\s&\u0000-\u001f\u007f-\u009f]+$";

/// The name that a person reads: no control characters, not blanks alone.
pub const NAME: &str =
    r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$";

macro_rules! schemas {
    ($($type:ty, $name:literal, $schema:expr;)+) => {$(
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )+};
}

schemas! {
    Moment, "Moment", json_schema!({
        "description": "A point in time, with its offset", "type": "string", "format": "date-time",
        "examples": ["2026-01-31T14:00:00Z"],
    });
    SignedPlace, "SignedPlace", json_schema!({
        "description": "Where a signature or its time stands: `param:NAME`, `header:NAME`, or `header:NAME:PART` where a header has \
                        several parts, `PART=...` or `PART,...`",
        "type": "string", "pattern": "^(param:[^ ]{1,64}|header:[!#-'*+.0-9A-Z^-z|~-]{1,64}(:[!#-'*+.0-9A-Z^-z|~-]{1,64})?)$",
        "examples": ["header:X-Signature", "header:Stripe-Signature:v1", "param:sig"],
    });
    SignedText, "SignedText", json_schema!({
        "description": "The text that is signed: in braces `{body}`, `{url}`, `{query}`, `{sorted}`, `{time}`, `{param:NAME}`, `{header:NAME}`, which \
                        stand for what was sent; all else for itself",
        "type": "string", "minLength": 1, "maxLength": 500, "examples": ["{body}", "{time}.{body}", "{param:tid}:{param:sum}"],
    });
    Day, "Day", json_schema!({
        "description": "A day", "type": "string", "format": "date", "examples": ["2026-01-31"],
    });
    RateText, "Rate", json_schema!({
        "description": "What one unit of a currency is in another, a decimal number as text", "type": "string",
        "pattern": r"^[0-9]+(\.[0-9]+)?$", "examples": ["1.0842"],
    });
    CampaignId, "CampaignId", id(CampaignId::PREFIX, "a campaign");
    StreamId, "StreamId", id(StreamId::PREFIX, "a stream");
    DestinationId, "DestinationId", id(DestinationId::PREFIX, "a destination");
    SourceId, "SourceId", id(SourceId::PREFIX, "a traffic source");
    NetworkId, "NetworkId", id(NetworkId::PREFIX, "an affiliate network");
    TemplateId, "TemplateId", id(TemplateId::PREFIX, "a postback template");
    AlertId, "AlertId", id(AlertId::PREFIX, "an alert rule");
    ConversionId, "ConversionId", id(ConversionId::PREFIX, "a conversion");
    TokenId, "TokenId", id(TokenId::PREFIX, "an API token");
    UserId, "UserId", id(UserId::PREFIX, "a user");
    SessionId, "SessionId", id(SessionId::PREFIX, "a session");
    ClickId, "ClickId", json_schema!({
        "description": "A click: a ULID, in capitals or not", "type": "string",
        "pattern": "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$", "examples": ["01K5E7Q0000000000000000000"],
    });
    VisitorId, "VisitorId", json_schema!({
        "description": "A visitor, pseudonymously", "type": "string", "pattern": "^[0-9A-Fa-f]{32}$",
    });
    Slug, "Slug", json_schema!({
        "description": "A name in links and commands: a letter or digit, then up to 63 of a-z, 0-9, - and _; capitals are \
                        made small. It does not begin as an id does (cmp_) and is no word of our own paths (api)",
        "type": "string", "pattern": slug_pattern(), "examples": ["summer"],
    });
    Currency, "Currency", json_schema!({
        "description": "A currency's code in ISO 4217", "type": "string", "pattern": "^[A-Za-z]{3}$", "examples": ["USD"],
    });
    Amount, "Amount", amount("^[-+]?", "An amount of money, a decimal number as text, to millionths");
    NotNegative, "AmountFromZero", amount("^[+]?", "An amount of money from 0 on, a decimal number as text, to millionths");
    Total, "AmountSum", json_schema!({
        "description": "A sum of amounts of money, a decimal number as text, to millionths", "type": "string",
        "maxLength": 40, "pattern": r"^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)$", "examples": ["12.50"],
    });
    Scale, "Scale", json_schema!({
        "description": "What an amount is multiplied by, a decimal number as text, above 0 and up to 1000", "type": "string",
        "maxLength": 20, "pattern": r"^(?=.*[1-9])[+]?0*([0-9]{1,3}(\.[0-9]*)?|1000(\.0*)?|\.[0-9]+)$", "examples": ["0.01"],
    });
    ConversionStatus, "ConversionStatus", json_schema!({
        "description": "lead, sale, rejected, rebill, or a word of a network", "type": "string",
        "minLength": 1, "maxLength": 64, "pattern": NAME, "examples": ["sale"],
    });
    Secret, "Secret", json_schema!({ "description": "A secret", "type": "string" });
    SourceParam, "SourceParam", json_schema!({
        "description": "The name of a query parameter, with `=` and the token that the source puts its value in the place \
                        of: bid={bid}",
        "type": "string", "pattern": r"^[^\s\u0000-\u001f\u007f-\u009f=]{1,64}(=[^\s\u0000-\u001f\u007f-\u009f&#]{1,200})?$", "examples": ["bid={bid}"],
    });
    MailAddress, "MailAddress", json_schema!({
        "description": "A mail address", "type": "string", "maxLength": 254,
        "pattern": r"^[!#-+./0-9:=?A-Z\[\]^_`a-z{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$",
        "examples": ["anna@example.com"],
    });
    Network, "AddressOrRange", json_schema!({
        "description": "An address, or a range of addresses in CIDR form", "type": "string",
        "anyOf": [
            { "format": "ipv4" }, { "format": "ipv6" },
            { "pattern": r"^([0-9]{1,3}\.){3}[0-9]{1,3}/[0-9]{1,2}$" },
            { "pattern": "^[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*/[0-9]{1,3}$" },
        ],
        "examples": ["192.0.2.0/24"],
    });
    RedirectCode, "RedirectCode", json_schema!({
        "description": "The status of a redirect", "type": "integer", "enum": [301, 302, 303, 307], "default": 302,
    });
    Dimension, "Dimension", json_schema!({
        "description": "What rows are grouped by", "type": "string", "enum": dimensions(),
    });
}

fn id(prefix: &str, what: &str) -> Schema {
    json_schema!({
        "description": format!("The id of {what}"), "type": "string", "pattern": format!("^{prefix}_[0-9a-z]{{19}}$"),
        "examples": [format!("{prefix}_01k5e7q000000000000")],
    })
}

/// A sign, and at most 1,000,000,000 with as many decimals as fit 40 characters.
fn amount(sign: &str, about: &str) -> Schema {
    let number = r"0*([0-9]{1,9}(\.[0-9]{0,6}0*)?|1000000000(\.0*)?|\.[0-9]{1,6}0*)$";
    json_schema!({
        "description": about, "type": "string", "maxLength": 40, "pattern": format!("{sign}{number}"),
        "examples": ["12.50"],
    })
}

/// Every word in capitals or not.
fn any_case(word: &str) -> String {
    word.chars().map(|c| format!("[{}{c}]", c.to_ascii_uppercase())).collect()
}

fn slug_pattern() -> String {
    let one_of = |words: &[&str]| words.iter().map(|word| any_case(word)).collect::<Vec<_>>().join("|");
    let (ids, reserved) = (one_of(&PREFIXES), one_of(&RESERVED));
    format!("^(?!({ids})_)(?!({reserved})$)[A-Za-z0-9][A-Za-z0-9_-]{{0,63}}$")
}

fn dimensions() -> Vec<String> {
    let subs = (1..=20).map(|n| format!("sub{n}"));
    Dimension::names().map(str::to_owned).chain(subs).collect()
}

impl JsonSchema for Action {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Action")
    }

    /// One form for each type, with the one field that it has beside it.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (code, campaign) =
            (generator.subschema_for::<RedirectCode>(), generator.subschema_for::<CampaignId>());
        let body = json_schema!({ "description": "What is sent", "type": "string" });
        let status = json_schema!({
            "description": "200 to 599, not a redirect", "type": "integer", "minimum": 200, "maximum": 599,
            "not": { "minimum": 300, "maximum": 399 },
        });
        let form = |title: &str, kind: &str, about: &str, field: Option<(&str, &Schema, bool)>| {
            let mut form = json_schema!({
                "title": title, "description": about, "type": "object", "additionalProperties": false,
                "properties": { "type": { "type": "string", "const": kind } }, "required": ["type"],
            });
            if let Some((name, schema, required)) = field {
                if let Some(properties) = form.get_mut("properties").and_then(|p| p.as_object_mut()) {
                    properties.insert(name.to_owned(), schema.clone().to_value());
                }
                if let Some(all) =
                    form.get_mut("required").and_then(|r| r.as_array_mut()).filter(|_| required)
                {
                    all.push(name.into());
                }
            }
            form
        };
        let to = "to the chosen destination";
        json_schema!({
            "description": "What is done with a click",
            "oneOf": [
                form("RedirectAction", "redirect", &format!("An HTTP redirect {to}"), Some(("code", &code, false))),
                form("MetaRefreshAction", "meta_refresh", &format!("A page that refreshes {to}"), None),
                form("DoubleMetaAction", "double_meta", "Two pages, so that the destination sees no referrer", None),
                form("JsAction", "js", &format!("A page that goes on by script {to}"), None),
                form("TextAction", "text", "Plain text, no destination", Some(("body", &body, true))),
                form("HtmlAction", "html", "HTML, no destination", Some(("body", &body, true))),
                form("StatusAction", "status", "A bare status, no destination", Some(("code", &status, true))),
                form("CampaignAction", "campaign", "Hand over to another campaign", Some(("campaign", &campaign, true))),
            ],
        })
    }
}
