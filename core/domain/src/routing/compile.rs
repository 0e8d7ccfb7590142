//! From configuration to a snapshot.

use super::{
    CampaignPlan, Config, DestinationPlan, Globals, Reason, Snapshot, StreamPlan, Unread, cycle::find_cycle,
    filter, params::ParamNames, snapshot::Trafficback, timetable,
};
use crate::{
    entity::{Bind, Campaign, Destination, Kind, Source, Status, Stream, StreamKind},
    id::{CampaignId, SourceId},
    macros::{Scope, UrlTemplate},
    problem::Problems,
};
use jiff::tz::TimeZone;
use rustc_hash::{FxHashMap, FxHashSet};
use smol_str::{SmolStr, ToSmolStr};
use std::{collections::BTreeSet, sync::Arc};

pub(super) fn compile(config: Config, globals: Globals) -> (Snapshot, Problems) {
    let mut problems = Problems::default();
    let unread_slugs = unread(&config, Kind::Campaign).flat_map(|u| u.slugs.clone()).collect();
    let unread_sources: FxHashSet<String> = unread(&config, Kind::Source).map(|u| u.id.clone()).collect();
    let own: FxHashSet<String> =
        globals.public_hosts.iter().map(|h| bare_host(h)).filter(|h| !h.is_empty()).collect();
    let mut snapshot = Snapshot {
        revision: config.revision,
        max_hops: globals.trafficback_max_hops,
        trafficback: globals.trafficback_url.map(|url| checked(url, &own)),
        networks: config.networks.into_iter().map(|n| (n.id.clone(), n)).collect(),
        unread_slugs,
        sources: config.sources.into_iter().map(|s| (s.id.clone(), Arc::new(s))).collect(),
        ..Snapshot::default()
    };
    for destination in config.destinations {
        let path = format!("destinations.{}", destination.id);
        if let Some(network) = &destination.spec.network
            && !snapshot.networks.contains_key(network)
        {
            problems.add(format!("{path}.network"), "does not exist");
        }
        match destination_plan(destination) {
            Ok(plan) => {
                snapshot.destinations.insert(plan.destination.id.clone(), plan);
            }
            Err(p) => problems.nest(&path, p),
        }
    }
    let mut streams = streams_by_campaign(config.streams, &snapshot, &mut problems);
    let mut campaigns = config.campaigns;
    campaigns.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    let mut names = Names::default();
    let mut headers = BTreeSet::new();
    let mut aliases = Vec::new();
    for campaign in campaigns {
        let path = format!("campaigns.{}", campaign.id);
        let taken =
            snapshot.by_slug.contains_key(&campaign.spec.slug) || snapshot.by_id.contains_key(&campaign.id);
        if taken {
            problems.add(format!("{path}.slug"), "is taken by an older campaign");
            continue;
        }
        let source = campaign.spec.source.as_ref().and_then(|id| snapshot.sources.get(id)).cloned();
        let lacking = campaign.spec.source.as_ref().filter(|_| source.is_none());
        let unavailable = lacking.is_some_and(|id| unread_sources.contains(id.as_str()));
        if unavailable {
            problems.add(format!("{path}.source"), "cannot be read; clicks on the campaign are answered 503");
        } else if lacking.is_some() {
            problems.add(format!("{path}.source"), "does not exist");
        }
        let mut own_problems = Problems::default();
        let trafficback = trafficback(&campaign, &own, &mut own_problems);
        problems.nest(&path, own_problems);
        let plans = streams.remove(&campaign.id).unwrap_or_default();
        let at = snapshot.campaigns.len();
        snapshot.by_slug.insert(campaign.spec.slug.clone(), at);
        aliases.extend(campaign.spec.aliases.iter().map(|alias| (alias.clone(), at)));
        snapshot.by_id.insert(campaign.id.clone(), at);
        snapshot.streams.extend(plans.iter().enumerate().map(|(i, p)| (p.stream.id.clone(), (at, i))));
        headers.extend(plans.iter().flat_map(|p| &p.filters).filter_map(|f| f.header().cloned()));
        let place = |kind| plans.partition_point(|p| p.stream.spec.kind < kind);
        let (regular_at, default_at) = (place(StreamKind::Regular), place(StreamKind::Default));
        let binds = plans[regular_at..default_at].iter().any(|p| p.stream.spec.bind != Bind::None);
        let names = names.of(source.as_deref());
        let plan = CampaignPlan {
            campaign,
            source,
            names,
            unavailable,
            trafficback,
            streams: plans,
            regular_at,
            default_at,
            binds,
        };
        snapshot.campaigns.push(plan);
    }
    // A slug that somebody has is no former one of somebody else.
    for (alias, at) in aliases {
        snapshot.by_slug.entry(alias).or_insert(at);
    }
    for plan in streams.into_values().flatten() {
        problems.add(format!("streams.{}.campaign", plan.stream.id), "does not exist");
    }
    let all = snapshot.campaigns.iter().flat_map(|c| &c.streams).map(|p| &p.stream.spec);
    if let Some(circle) = find_cycle(all) {
        let ids: Vec<&str> = circle.iter().map(CampaignId::as_str).collect();
        problems.add("streams", format!("campaigns hand clicks over in a circle: {}", ids.join(", ")));
    }
    snapshot.headers = headers.into_iter().collect();
    (snapshot, problems)
}

fn unread(config: &Config, kind: Kind) -> impl Iterator<Item = &Unread> {
    config.unread.iter().filter(move |u| u.kind == kind)
}

/// Parameter names, one copy for each source.
#[derive(Default)]
struct Names {
    plain: Arc<ParamNames>,
    of_source: FxHashMap<SourceId, Arc<ParamNames>>,
}

impl Names {
    fn of(&mut self, source: Option<&Source>) -> Arc<ParamNames> {
        let Some(source) = source else { return self.plain.clone() };
        let named = || Arc::new(ParamNames::from(&source.spec.params));
        self.of_source.entry(source.id.clone()).or_insert_with(named).clone()
    }
}

fn streams_by_campaign(
    mut streams: Vec<Stream>,
    snapshot: &Snapshot,
    problems: &mut Problems,
) -> FxHashMap<CampaignId, Vec<StreamPlan>> {
    streams.retain(|s| s.spec.status != Status::Archived);
    // Ids sort by age.
    let order = |s: &Stream| (s.spec.kind, s.spec.position);
    streams.sort_by(|a, b| order(a).cmp(&order(b)).then_with(|| a.id.cmp(&b.id)));
    let mut by_campaign: FxHashMap<CampaignId, Vec<StreamPlan>> = FxHashMap::default();
    for stream in streams {
        let path = format!("streams.{}", stream.id);
        for (i, d) in stream.spec.destinations.iter().enumerate() {
            if !snapshot.destinations.contains_key(&d.destination) {
                problems
                    .add(format!("{path}.destinations[{i}].destination"), "does not exist or is left out");
            }
        }
        match stream_plan(stream) {
            Ok(plan) => by_campaign.entry(plan.stream.spec.campaign.clone()).or_default().push(plan),
            Err(p) => problems.nest(&path, p),
        }
    }
    by_campaign
}

fn stream_plan(stream: Stream) -> Result<StreamPlan, Problems> {
    let mut problems = Problems::default();
    let mut filters = Vec::with_capacity(stream.spec.filters.len());
    let mut labels: Vec<SmolStr> = Vec::with_capacity(stream.spec.filters.len());
    for (index, rule) in stream.spec.filters.iter().enumerate() {
        match filter::plan(rule) {
            Ok(filter) => {
                filters.push(filter);
                labels.push(Reason::Filter { index, field: &rule.field }.to_smolstr());
            }
            Err(p) => problems.nest(&format!("filters[{index}]"), p),
        }
    }
    problems.into_result(StreamPlan { stream, filters, labels })
}

fn destination_plan(destination: Destination) -> Result<DestinationPlan, Problems> {
    let spec = &destination.spec;
    let mut problems = Problems::default();
    let url = UrlTemplate::parse(&spec.url, Scope::Redirect).map_err(|p| problems.nest("url", p)).ok();
    let schedule = spec.schedule.as_ref().and_then(|s| {
        let table = timetable::Timetable::compile(&s.timezone, &s.windows);
        table.map_err(|p| problems.nest("schedule", p)).ok()
    });
    let cap_zone = spec.caps.as_ref().map_or(Ok(TimeZone::UTC), |c| timetable::zone(&c.timezone));
    let cap_zone = cap_zone.map_err(|m| problems.add("caps.timezone", m)).unwrap_or(TimeZone::UTC);
    match url {
        Some(url) if problems.is_empty() => Ok(DestinationPlan { destination, url, schedule, cap_zone }),
        _ => Err(problems),
    }
}

fn trafficback(campaign: &Campaign, own: &FxHashSet<String>, problems: &mut Problems) -> Option<Trafficback> {
    let text = campaign.spec.trafficback_url.as_ref()?;
    match UrlTemplate::parse(text, Scope::Redirect) {
        Ok(url) => Some(checked(url, own)),
        Err(p) => {
            problems.nest("trafficback_url", p);
            None
        }
    }
}

fn checked(url: UrlTemplate, own: &FxHashSet<String>) -> Trafficback {
    let own = own.contains(&bare_host(url.host()));
    Trafficback { url, own }
}

/// Lower-case, without the final dot and the brackets of IPv6.
pub(crate) fn bare_host(host: &str) -> String {
    host.trim().trim_end_matches('.').trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase()
}
