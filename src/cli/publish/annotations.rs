//! What went wrong, most important first, and where in the experiment it stands: annotations. Floor 3.

use std::path::{Path, PathBuf};

use crate::cli::base_experiment;
use crate::compare::{AfterOutcome, ComparisonVerdict, RunComparison};
use crate::experiment::document::{SpannedKind, SpannedValue};
use crate::github::WorkflowJob;
use crate::github::workflow_command::{Annotation, AnnotationLevel};
use crate::report::ReportSummary;
use crate::report::summary::{ProbeCheckState, RunSummary, StepStatus};

/// So many are shown; of more, how many there are.
const MOST: usize = 10;

/// Where an activity stands in an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ExperimentSection {
    Rollbacks,
    Method,
    Hypothesis,
}

/// Something that went wrong, in one or more runs. The order is that of importance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RunProblem {
    level: AnnotationLevel,
    part: ExperimentSection,
    name: String,
    what: &'static str,
    detail: String,
    runs: usize,
}

/// The experiment's file: what GitHub calls it, and where everything in it stands.
pub(super) struct ExperimentSource {
    file: String,
    root: Option<SpannedValue>,
}

impl ExperimentSource {
    /// Reads it. Nothing where it is not below the root of the repository: nothing can be shown at it then.
    pub(super) fn read(path: &Path, job: &WorkflowJob) -> Option<Self> {
        let file = within(path, job.workspace.as_deref())?;
        let root = base_experiment::read(path, &file).ok().map(|document| document.root);
        Some(Self { file, root })
    }

    /// The line on which an activity begins; that of the first one with its name.
    fn line(&self, part: ExperimentSection, name: &str) -> Option<u32> {
        let root = self.root.as_ref()?;
        let list = match part {
            ExperimentSection::Rollbacks => root.get("rollbacks"),
            ExperimentSection::Method => root.get("method"),
            ExperimentSection::Hypothesis => {
                root.get("steady-state-hypothesis").and_then(|hypothesis| hypothesis.get("probes"))
            }
        };
        let SpannedKind::List(items) = &list?.kind else { return None };
        let is_named = |node: &&SpannedValue| {
            let named = node.get("name").or_else(|| node.get("ref"));
            named.and_then(SpannedValue::as_text).is_some_and(|text| text == name || cut(text) == name)
        };
        items.iter().find(is_named).map(|node| node.position.line)
    }
}

/// A name as a summary has it, where it is long.
fn cut(text: &str) -> String {
    match text.char_indices().nth(240) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}

/// A path from the root of the repository on, with the separator that GitHub takes.
pub(super) fn within(path: &Path, workspace: Option<&Path>) -> Option<String> {
    let workspace =
        workspace.map_or_else(|| std::env::current_dir().ok(), |folder| Some(folder.to_owned()))?;
    let whole = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).ok();
    let relative: PathBuf = whole(path)?.strip_prefix(whole(&workspace)?).ok()?.to_owned();
    let parts: Vec<String> = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// What to show of a summary: what went wrong, and what a comparison came to where that is not well.
pub(super) fn annotations(summary: &ReportSummary, source: Option<&ExperimentSource>) -> Vec<Annotation> {
    let file = source.map(|source| source.file.clone());
    let mut shown: Vec<Annotation> = Vec::new();
    if let Some(level) = summary.comparison.as_ref().and_then(level_of) {
        let title = format!("{}: {}", summary.title(), summary.headline());
        shown.push(Annotation { file: file.clone(), ..Annotation::new(level, title, summary.reason()) });
    }
    for finding in findings(summary) {
        let line = source.and_then(|source| source.line(finding.part, &finding.name));
        let runs = match (summary.runs.len(), finding.runs) {
            (0 | 1, _) => String::new(),
            (all, 1) => format!(" (in one of {all} runs)"),
            (all, runs) => format!(" (in {runs} of {all} runs)"),
        };
        let detail = if finding.detail.is_empty() { String::new() } else { format!(": {}", finding.detail) };
        let message = format!("{}{detail}{runs}", finding.what);
        shown.push(Annotation {
            file: file.clone(),
            line,
            ..Annotation::new(finding.level, finding.name, message)
        });
    }
    shown.sort_by_key(|annotation| annotation.level);
    if shown.len() > MOST {
        let more = shown.len() - MOST;
        shown.truncate(MOST);
        shown.push(Annotation::new(
            AnnotationLevel::Notice,
            "kubectl-chaos",
            format!("+{more} more: see the job summary"),
        ));
    }
    shown
}

/// How an answer is to be taken that is not what everybody hopes for.
fn level_of(comparison: &RunComparison) -> Option<AnnotationLevel> {
    match (comparison.verdict, comparison.after) {
        (ComparisonVerdict::Broken | ComparisonVerdict::Regressed, _) => Some(AnnotationLevel::Error),
        (ComparisonVerdict::Inconclusive, _) | (_, AfterOutcome::Fails | AfterOutcome::Mixed) => {
            Some(AnnotationLevel::Warning)
        }
        _ => None,
    }
}

/// Everything that went wrong, each once.
fn findings(summary: &ReportSummary) -> Vec<RunProblem> {
    let mut found: Vec<RunProblem> = Vec::new();
    for one in summary.runs.iter().flat_map(|run| of_run(run, summary.comparison.is_some())) {
        let same = |known: &&mut RunProblem| {
            (known.level, known.part, &known.name, known.what) == (one.level, one.part, &one.name, one.what)
        };
        match found.iter_mut().find(same) {
            Some(known) => known.runs += 1,
            None => found.push(one),
        }
    }
    found.sort();
    found
}

fn of_run(run: &RunSummary, compared: bool) -> Vec<RunProblem> {
    let finding =
        |level: AnnotationLevel, part: ExperimentSection, name: &str, what: &'static str, detail: &str| {
            RunProblem { level, part, name: name.to_owned(), what, detail: detail.to_owned(), runs: 1 }
        };
    let mut found = Vec::new();
    for (part, steps) in
        [(ExperimentSection::Rollbacks, &run.rollbacks), (ExperimentSection::Method, &run.method)]
    {
        for step in steps {
            let (level, what) = match step.state {
                StepStatus::Failed if part == ExperimentSection::Rollbacks => {
                    (AnnotationLevel::Error, "the rollback failed")
                }
                StepStatus::Failed if step.is_action => (AnnotationLevel::Error, "the action failed"),
                StepStatus::Failed => (AnnotationLevel::Warning, "the probe failed"),
                StepStatus::Unconfirmed => (AnnotationLevel::Error, "it was not seen to take effect"),
                StepStatus::Cut => (AnnotationLevel::Warning, "it was cut off"),
                _ => continue,
            };
            found.push(finding(level, part, &step.name, what, &step.detail));
        }
    }
    // that it is not met before a change is what the change is for
    let was_expected = compared && run.arm.as_ref().is_some_and(|(arm, _)| arm == "before");
    for probe in &run.probes {
        let seen = [
            (Some(&probe.before), "the steady state was not met to begin with", AnnotationLevel::Warning),
            (probe.during.as_ref(), "the steady state was not met during the method", AnnotationLevel::Error),
            (Some(&probe.after), "the steady state was not met after the method", AnnotationLevel::Error),
        ];
        let unmet = |look: &ProbeCheckState| matches!(look, ProbeCheckState::Unmet | ProbeCheckState::Failed);
        for (look, what, level) in
            seen.into_iter().filter_map(|(look, what, level)| Some((look?, what, level)))
        {
            if unmet(&look.state) && !(was_expected && level == AnnotationLevel::Error) {
                found.push(finding(level, ExperimentSection::Hypothesis, &probe.name, what, &look.observed));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Record;
    use serde_json::{Value as Json, json};

    fn run(probes: &[(&str, bool)], actions: &[(&str, &str)]) -> Record {
        let probe = |(name, met): &(&str, bool)| {
            json!({"activity": {"type": "probe", "name": name}, "status": "succeeded", "tolerance_met": met,
                "output": "seen ::error::x"})
        };
        let declared: Vec<Json> = probes.iter().map(|(name, _)| json!({"name": name})).collect();
        let played: Vec<Json> = actions
            .iter()
            .map(|(name, status)| json!({"activity": {"type": "action", "name": name}, "status": status}))
            .collect();
        let seen: Vec<Json> = probes.iter().map(probe).collect();
        let journal = json!({"experiment": {"title": "t", "steady-state-hypothesis": {"probes": declared}},
            "status": "completed", "steady_states": {"after": {"steady_state_met": false, "probes": seen}},
            "run": played});
        Record::read("j", journal.to_string()).unwrap()
    }

    fn source(text: &str) -> ExperimentSource {
        let root = crate::experiment::yaml::read(text, "e.yaml").unwrap().root;
        ExperimentSource { file: "e.yaml".to_owned(), root: Some(root) }
    }

    #[test]
    fn what_went_wrong_stands_at_its_place() {
        let source = source(
            "title: t\nsteady-state-hypothesis:\n  probes:\n    - name: answers\nmethod:\n  - ref: x\n  - name: kill\n",
        );
        let summary = ReportSummary::from_records(
            &[run(&[("answers", false)], &[("kill", "failed"), ("fine", "succeeded")])],
            None,
        );
        let commands: Vec<String> =
            annotations(&summary, Some(&source)).iter().map(Annotation::command).collect();
        assert_eq!(
            commands,
            [
                "::error file=e.yaml,line=7,title=kill::the action failed",
                "::error file=e.yaml,line=4,title=answers::the steady state was not met after the method: seen \
                 ::error::x",
            ]
        );
    }

    #[test]
    fn there_are_no_more_than_anybody_reads() {
        let names: Vec<String> = (0..25).map(|number| format!("p{number:02}")).collect();
        let probes: Vec<(&str, bool)> = names.iter().map(|name| (name.as_str(), false)).collect();
        let records = [run(&probes, &[]), run(&probes, &[("kill", "failed")])];
        let shown = annotations(&ReportSummary::from_records(&records, None), None);
        assert_eq!(shown.len(), 11);
        assert_eq!(
            (shown[0].title.as_str(), shown[0].message.as_str()),
            ("kill", "the action failed (in one of 2 runs)")
        );
        assert!(shown[1].message.ends_with("(in 2 of 2 runs)"), "{}", shown[1].message);
        assert_eq!(
            (shown[10].level, shown[10].message.as_str()),
            (AnnotationLevel::Notice, "+16 more: see the job summary")
        );
    }

    #[test]
    fn files_are_named_from_the_root_of_the_repository() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("chaos")).unwrap();
        std::fs::write(folder.path().join("chaos/e.json"), "{}").unwrap();
        let path = folder.path().join("chaos/e.json");
        assert_eq!(within(&path, Some(folder.path())).as_deref(), Some("chaos/e.json"));
        assert_eq!(
            within(&folder.path().join("chaos/../chaos/e.json"), Some(folder.path())).as_deref(),
            Some("chaos/e.json")
        );
        assert_eq!(within(&path, Some(&folder.path().join("other"))), None);
        assert_eq!(within(folder.path(), Some(folder.path())), None);
    }
}
