//! Affiliate networks: who pays.

use super::{Kind, Spec, Status, check_aliases, check_name};
use crate::{
    Timestamp, id::NetworkId, money::Currency, postback::TransactionScope, problem::Problems,
    rules::KindRules, said, slug::Slug,
};
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use std::{fmt, net::IpAddr};

/// What a person writes about an affiliate network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    /// Unique; the path of its postbacks.
    pub slug: Slug,
    /// Former slugs: postbacks to them are this network's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = super::MAX_ALIASES), extend("uniqueItems" = true)))]
    pub aliases: Vec<Slug>,
    /// For people.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 200), regex(pattern = crate::schema::NAME)))]
    pub name: String,
    /// Postbacks of a network that is not active are refused.
    #[serde(default)]
    pub status: Status,
    /// What every postback must carry as `secret`. Api-service makes one when none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^[!-~]{8,200}$")))]
    pub postback_secret: Option<Secret>,
    /// The secret before that, which works for a while, so that the network can move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_secret: Option<FormerSecret>,
    /// With which it signs its postbacks, where a template says how ([`SignatureFormat`](super::SignatureFormat)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^[!-~]{8,200}$")))]
    pub signing_key: Option<Secret>,
    /// The key before that, which works for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_signing_key: Option<FormerSecret>,
    /// Addresses postbacks may come from; none: any.
    #[serde(default, deserialize_with = "networks", skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::schema::Network>"))]
    pub allowed_ips: Vec<IpNet>,
    /// A file with more of them on postback-service's machine, one address or range a line; what changes in it counts at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(length(max = 1000), regex(pattern = r"^/[^\u0000-\u001f\u007f-\u009f]+$"))
    )]
    pub allowed_ips_file: Option<String>,
    /// The currency of a payout that names none.
    #[serde(default)]
    pub currency: Currency,
    /// What its transaction ids number: orders of the network, or steps of a click.
    #[serde(default, skip_serializing_if = "is_default")]
    pub transaction_scope: TransactionScope,
    /// Whether it may report clicks that were sent to another network.
    #[serde(default, skip_serializing_if = "is_default")]
    pub foreign_clicks: bool,
}

/// A secret that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FormerSecret {
    /// The secret.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^[!-~]{8,200}$")))]
    pub secret: Secret,
    /// Until when it works. It stays here afterwards, so that whoever still uses it can be told apart.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub until: Timestamp,
}

impl FormerSecret {
    /// Whether it works at that time.
    pub fn works(&self, now: Timestamp) -> bool {
        now < self.until
    }
}

impl NetworkSpec {
    /// Every secret of it, also one that does not work any more.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let present = self.postback_secret.iter().chain(&self.signing_key);
        let former = self.former_secret.iter().chain(&self.former_signing_key);
        present.chain(former.map(|former| &former.secret)).map(|secret| secret.0.as_str())
    }
}

/// Left out, so that programs that do not know the field yet read the network.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Reads addresses and ranges in CIDR form; an address alone is a range of one.
fn networks<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<IpNet>, D::Error> {
    #[derive(Deserialize)]
    #[serde(try_from = "String")]
    struct Range(IpNet);

    impl TryFrom<String> for Range {
        type Error = String;

        fn try_from(text: String) -> Result<Self, String> {
            let one = |t: &str| t.parse::<IpAddr>().map(IpNet::from);
            text.parse().or_else(|_| one(&text)).map(Self).map_err(|_| {
                format!("'{text}' is not an address or a range; write one such as 192.0.2.7 or 192.0.2.0/24")
            })
        }
    }

    Ok(Vec::<Range>::deserialize(input)?.into_iter().map(|r| r.0).collect())
}

/// A text that is not shown: Debug masks it. It is stored and compared as it is.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        // Serde's own message would repeat the value.
        String::deserialize(input).map(Self).map_err(|_| D::Error::custom("must be a text"))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl Spec for NetworkSpec {
    type Id = NetworkId;
    const KIND: Kind = Kind::Network;
    const REFS: &'static [(&'static str, Kind)] = &[];

    fn new_id(now: Timestamp, random: u128) -> NetworkId {
        NetworkId::generate(now, random)
    }

    fn example() -> serde_json::Value {
        serde_json::json!({ "slug": "adnet", "name": "Ad network" })
    }

    fn slug(&self) -> &Slug {
        &self.slug
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn status(&self) -> Status {
        self.status
    }

    fn aliases(&self) -> &[Slug] {
        &self.aliases
    }

    fn part(&self) -> KindRules {
        KindRules::Pays(self.currency)
    }

    fn validate(&self) -> Problems {
        let mut problems = Problems::default();
        check_name(&self.name, &mut problems);
        check_aliases(&self.slug, &self.aliases, &mut problems);
        let mut check = |path: &str, Secret(text): &Secret| {
            let ok = (8..=200).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
            problems.require(ok, path, "must be 8 to 200 visible ASCII characters");
            // A URL whose macro nobody filled in would be let in.
            let says = !ok || said::says(text, said::Fact::Word);
            problems.require(
                says,
                path,
                "is what is sent where nothing is said, or a macro that is not filled in; take another",
            );
        };
        let pairs = [
            ("postback_secret", &self.postback_secret, "former_secret.secret", &self.former_secret),
            ("signing_key", &self.signing_key, "former_signing_key.secret", &self.former_signing_key),
        ];
        for (path, present, former_path, former) in pairs {
            present.iter().for_each(|secret| check(path, secret));
            former.iter().for_each(|former| check(former_path, &former.secret));
        }
        for (_, present, path, former) in pairs {
            if let Some(former) = former.as_ref().filter(|f| Some(&f.secret) == present.as_ref()) {
                let until = former.until;
                problems.add(path, format!("is the present one, which works beyond {until}"));
            }
        }
        if let Some(path) = &self.allowed_ips_file {
            let ok = (2..=1000).contains(&path.chars().count())
                && path.starts_with('/')
                && !path.contains(char::is_control);
            problems.require(
                ok,
                "allowed_ips_file",
                "must be a whole path on postback-service's machine: /etc/tfx/adnet.txt",
            );
        }
        self.currency.check("currency", &mut problems);
        problems
    }
}
