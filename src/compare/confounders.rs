//! Differences between the arms besides the change, which can explain a difference in the results.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Arm, Confounder, ConfounderKind};
use crate::journal::{ClusterInfo, Environment, Record};
use crate::series::Series;
use crate::text::{format_significant, quote, shorten};

/// The number of differences of one kind that are listed; the others are only counted.
const MAX_LISTED: usize = 3;

/// The values of a factor in the runs of each arm.
#[derive(Default)]
struct ObservedFactor {
    before: BTreeSet<String>,
    after: BTreeSet<String>,
}

/// The factors of one kind, by name.
type ObservedFactors = BTreeMap<String, ObservedFactor>;

/// Finds the confounders of the valid runs.
///
/// An unknown value does not differ from any other. A factor that is known for one arm only is listed as such.
pub(super) fn find_confounders(before: &[&Record], after: &[&Record]) -> Vec<Confounder> {
    let runs: Vec<(Arm, &Record)> = before
        .iter()
        .map(|record| (Arm::Before, *record))
        .chain(after.iter().map(|record| (Arm::After, *record)))
        .collect();
    // within one trial both arms use one cluster, and a change of images may be what is tried
    let earlier = |collect: fn(&[(Arm, &Record)]) -> ObservedFactors| {
        if are_of_different_trials(&runs) { collect(&runs) } else { ObservedFactors::new() }
    };
    let found = [
        (ConfounderKind::Cluster, earlier(collect_clusters)),
        (ConfounderKind::KubernetesVersion, collect_versions(&runs)),
        (ConfounderKind::Nodes, collect_nodes(&runs)),
        (ConfounderKind::Images, earlier(collect_images)),
        (ConfounderKind::Replicas, collect_replicas(&runs)),
        (ConfounderKind::Sampling, collect_sampling(&runs)),
        (ConfounderKind::Route, collect_routes(&runs)),
        (ConfounderKind::Variables, collect_variables(&runs)),
    ];
    found.into_iter().filter_map(|(kind, aspects)| describe_factor(kind, &aspects)).collect()
}

fn describe_factor(kind: ConfounderKind, aspects: &ObservedFactors) -> Option<Confounder> {
    let is_different = |aspect: &ObservedFactor| aspect.before.union(&aspect.after).count() > 1;
    let different = aspects.iter().filter(|(_, aspect)| is_different(aspect));
    if kind == ConfounderKind::Variables {
        // the values may be secret: the journal has only digests, which mean nothing to a reader
        let names: Vec<String> = different.map(|(name, _)| name.clone()).collect();
        let noun = if names.len() == 1 { "variable" } else { "variables" };
        let names = join_first(names, ", ");
        return (!names.is_empty())
            .then(|| Confounder { kind, text: format!("values of {noun} {names} differ") });
    }
    let different = different.map(|(what, aspect)| {
        format!("{what}: {} before, {} after", join_values(&aspect.before), join_values(&aspect.after))
    });
    let text = join_first(different.chain(known_in_one_arm(kind, aspects, is_different)).collect(), "; ");
    (!text.is_empty()).then_some(Confounder { kind, text })
}

/// Joins the first few items, and counts the others.
fn join_first(all: Vec<String>, between: &str) -> String {
    let more = all.len().saturating_sub(MAX_LISTED);
    let mut text = all.into_iter().take(MAX_LISTED).collect::<Vec<_>>().join(between);
    if more > 0 {
        text += &format!("{between}and {more} more");
    }
    text
}

/// Describes a factor that is known for the runs of one arm only, which may differ.
fn known_in_one_arm(
    kind: ConfounderKind,
    aspects: &ObservedFactors,
    is_different: impl Fn(&ObservedFactor) -> bool,
) -> Vec<String> {
    let is_half = |aspect: &ObservedFactor| aspect.before.is_empty() != aspect.after.is_empty();
    let mut half = aspects.iter().filter(|(_, aspect)| is_half(aspect) && !is_different(aspect));
    let what = match kind {
        ConfounderKind::KubernetesVersion => "the version of Kubernetes",
        ConfounderKind::Nodes => "the number of nodes",
        ConfounderKind::Replicas => "the number of replicas",
        _ => return Vec::new(),
    };
    half.next().map(|_| format!("{what} is known for one arm only")).into_iter().collect()
}

fn join_values(values: &BTreeSet<String>) -> String {
    if values.is_empty() {
        return "unknown".to_owned();
    }
    values.iter().take(MAX_LISTED).cloned().collect::<Vec<_>>().join(" or ")
}

fn record_value(aspects: &mut ObservedFactors, what: String, arm: Arm, value: String) {
    let aspect = aspects.entry(what).or_default();
    match arm {
        Arm::Before => aspect.before.insert(value),
        Arm::After => aspect.after.insert(value),
    };
}

fn environment_of(record: &Record) -> Option<&Environment> {
    record.content.extension.as_ref()?.environment.as_ref()
}

fn cluster_of(record: &Record) -> Option<&ClusterInfo> {
    record.content.extension.as_ref()?.cluster.as_ref()
}

/// Whether the arms are runs of two trials.
fn are_of_different_trials(runs: &[(Arm, &Record)]) -> bool {
    let trials = |arm: Arm| -> Option<BTreeSet<&str>> {
        let of_arm = runs.iter().filter(|(other, _)| *other == arm);
        of_arm.map(|(_, record)| environment_of(record)?.trial.as_deref()).collect()
    };
    match (trials(Arm::Before), trials(Arm::After)) {
        (Some(before), Some(after)) => before.is_disjoint(&after),
        _ => false,
    }
}

fn collect_clusters(runs: &[(Arm, &Record)]) -> ObservedFactors {
    let mut aspects = ObservedFactors::new();
    for (arm, record) in runs {
        if let Some(uid) = cluster_of(record).and_then(|cluster| cluster.uid.as_deref()) {
            record_value(&mut aspects, "cluster".to_owned(), *arm, shorten(uid));
        }
    }
    aspects
}

fn collect_images(runs: &[(Arm, &Record)]) -> ObservedFactors {
    let mut aspects = ObservedFactors::new();
    for (arm, record) in runs {
        for (workload, images) in environment_of(record).iter().flat_map(|environment| &environment.images) {
            record_value(&mut aspects, format!("images of {}", shorten(workload)), *arm, shorten(images));
        }
    }
    aspects
}

fn collect_versions(runs: &[(Arm, &Record)]) -> ObservedFactors {
    let mut aspects = ObservedFactors::new();
    for (arm, record) in runs {
        if let Some(version) = cluster_of(record).and_then(|cluster| cluster.version.as_deref()) {
            record_value(&mut aspects, "Kubernetes".to_owned(), *arm, shorten(version));
        }
    }
    aspects
}

fn collect_nodes(runs: &[(Arm, &Record)]) -> ObservedFactors {
    let mut aspects = ObservedFactors::new();
    for (arm, record) in runs {
        if let Some(nodes) = environment_of(record).and_then(|environment| environment.nodes) {
            record_value(&mut aspects, "nodes".to_owned(), *arm, nodes.to_string());
        }
    }
    aspects
}

fn collect_replicas(runs: &[(Arm, &Record)]) -> ObservedFactors {
    let recorded: Vec<_> =
        runs.iter().filter_map(|(arm, record)| Some((*arm, &environment_of(record)?.replicas))).collect();
    let workloads: BTreeSet<&String> = recorded.iter().flat_map(|(_, replicas)| replicas.keys()).collect();
    let mut aspects = ObservedFactors::new();
    for workload in workloads {
        for (arm, replicas) in &recorded {
            let count = replicas.get(workload).map_or_else(|| "none".to_owned(), i64::to_string);
            record_value(&mut aspects, format!("replicas of {}", shorten(workload)), *arm, count);
        }
    }
    aspects
}

fn collect_sampling(runs: &[(Arm, &Record)]) -> ObservedFactors {
    let way = |series: &Series| {
        format!(
            "every {} s for up to {} s",
            format_significant(series.period),
            format_significant(series.deadline)
        )
    };
    let recorded: Vec<(Arm, HashMap<&str, String>)> = runs
        .iter()
        .map(|(arm, record)| {
            let samples = record.content.extension.iter().flat_map(|extension| &extension.samples);
            (*arm, samples.map(|series| (series.probe.as_str(), way(series))).collect())
        })
        .collect();
    let probes: BTreeSet<&str> = recorded.iter().flat_map(|(_, ways)| ways.keys().copied()).collect();
    let mut aspects = ObservedFactors::new();
    for probe in probes {
        for (arm, ways) in &recorded {
            let way = ways.get(probe).cloned().unwrap_or_else(|| "not sampled".to_owned());
            record_value(&mut aspects, format!("sampling of {}", quote(probe)), *arm, way);
        }
    }
    aspects
}

/// Collects the digests of the given variables. Journals without digests do not differ from any other.
fn collect_variables(runs: &[(Arm, &Record)]) -> ObservedFactors {
    let recorded: Vec<(Arm, &BTreeMap<String, String>)> = runs
        .iter()
        .filter_map(|(arm, record)| Some((*arm, record.content.extension.as_ref()?.variables.as_ref()?)))
        .collect();
    let names: BTreeSet<&String> = recorded.iter().flat_map(|(_, given)| given.keys()).collect();
    let mut aspects = ObservedFactors::new();
    for name in names {
        for (arm, given) in &recorded {
            record_value(&mut aspects, quote(name), *arm, given.get(name).cloned().unwrap_or_default());
        }
    }
    aspects
}

fn collect_routes(runs: &[(Arm, &Record)]) -> ObservedFactors {
    let mut aspects = ObservedFactors::new();
    let all = || runs.iter().filter_map(|(arm, record)| Some((*arm, record.content.extension.as_ref()?)));
    for (arm, extension) in all() {
        let requested = extension.services.iter().map(|way| (way.activity.as_str(), way.access.as_str()));
        let sampled = extension
            .samples
            .iter()
            .filter_map(|series| Some((series.probe.as_str(), series.route.as_deref()?)));
        for (activity, access) in requested.chain(sampled) {
            record_value(&mut aspects, route_name(activity), arm, shorten(access));
        }
    }
    // a probe that calls a Service in some runs only has another route in the others
    for (arm, extension) in all() {
        for series in extension.samples.iter().filter(|series| series.route.is_none()) {
            if aspects.contains_key(&route_name(&series.probe)) {
                record_value(&mut aspects, route_name(&series.probe), arm, "unknown".to_owned());
            }
        }
    }
    aspects
}

fn route_name(activity: &str) -> String {
    format!("route of {}", quote(activity))
}
