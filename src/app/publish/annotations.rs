//! Problems of the runs as annotations on the experiment: the most important ones, in the order of their lines.

use std::path::{Path, PathBuf};

use crate::app::base_experiment;
use crate::compare::{AfterOutcome, ComparisonVerdict, RunComparison};
use crate::experiment::document::{SpannedKind, SpannedValue};
use crate::github::WorkflowJob;
use crate::github::workflow_command::{Annotation, AnnotationLevel};
use crate::report::ReportSummary;
use crate::report::summary::{ProbeCheckState, RunSummary, StepStatus, shorten};
use crate::sort;

/// Maximum number of annotations; one more counts the rest.
const MAX_ANNOTATIONS: usize = 10;

/// Section of an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ExperimentSection {
    Rollbacks,
    Method,
    Hypothesis,
}

/// Problem in one or more runs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RunProblem {
    level: AnnotationLevel,
    section: ExperimentSection,
    name: String,
    title: &'static str,
    detail: String,
    runs: usize,
}

/// Experiment file, with its path for GitHub and its positions.
pub(super) struct ExperimentSource {
    file: String,
    root: Option<SpannedValue>,
}

impl ExperimentSource {
    /// Reads the file; `None` if it is outside the repository, where GitHub cannot annotate it.
    pub(super) fn read(path: &Path, job: &WorkflowJob) -> Option<Self> {
        let file = repository_path(path, job.workspace.as_deref())?;
        let root = base_experiment::read(path, &file).ok().map(|document| document.root);
        Some(Self { file, root })
    }

    /// Returns the line of the first activity with a name.
    fn line(&self, section: ExperimentSection, name: &str) -> Option<u32> {
        let root = self.root.as_ref()?;
        let list = match section {
            ExperimentSection::Rollbacks => root.get("rollbacks"),
            ExperimentSection::Method => root.get("method"),
            ExperimentSection::Hypothesis => {
                root.get("steady-state-hypothesis").and_then(|hypothesis| hypothesis.get("probes"))
            }
        };
        let SpannedKind::List(items) = &list?.kind else { return None };
        let is_named = |node: &&SpannedValue| {
            let name_or_reference = node.get("name").or_else(|| node.get("ref"));
            name_or_reference
                .and_then(SpannedValue::as_text)
                .is_some_and(|text| text == name || shorten(text) == name)
        };
        items.iter().find(is_named).map(|node| node.position.line)
    }
}

/// Returns the path from the root of the repository, separated by `/`.
pub(super) fn repository_path(path: &Path, workspace: Option<&Path>) -> Option<String> {
    let workspace =
        workspace.map_or_else(|| std::env::current_dir().ok(), |folder| Some(folder.to_owned()))?;
    let absolute = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).ok();
    let relative: PathBuf = absolute(path)?.strip_prefix(absolute(&workspace)?).ok()?.to_owned();
    let parts: Vec<String> =
        relative.iter().map(|component| component.to_string_lossy().into_owned()).collect();
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// Returns the annotations of a summary: problems of the runs, and an unfavourable verdict of the comparison.
pub(super) fn annotations(summary: &ReportSummary, source: Option<&ExperimentSource>) -> Vec<Annotation> {
    let file = source.map(|source| source.file.clone());
    let mut visible: Vec<Annotation> = Vec::new();
    if let Some(level) = summary.comparison.as_ref().and_then(comparison_level) {
        let title = format!("{}: {}", summary.title(), summary.headline());
        visible.push(Annotation { file: file.clone(), ..Annotation::new(level, title, summary.reason()) });
    }
    for problem in collect_problems(summary) {
        let line = source.and_then(|source| source.line(problem.section, &problem.name));
        let runs = match (summary.runs.len(), problem.runs) {
            (0 | 1, _) => String::new(),
            (all, runs) => format!(" (in {runs} of {all} runs)"),
        };
        let detail = if problem.detail.is_empty() { String::new() } else { format!(": {}", problem.detail) };
        let message = format!("{}{detail}{runs}", problem.title);
        visible.push(Annotation {
            file: file.clone(),
            line,
            ..Annotation::new(problem.level, problem.name, message)
        });
    }
    // the most important ones stay
    sort::sort_by_key(&mut visible, |annotation| annotation.level);
    let omitted = visible.len().saturating_sub(MAX_ANNOTATIONS);
    visible.truncate(MAX_ANNOTATIONS);
    sort::sort_by_key(&mut visible, |annotation| (annotation.level, annotation.line));
    if omitted > 0 {
        visible.push(Annotation::new(
            AnnotationLevel::Notice,
            "kubectl-chaos",
            format!("+{omitted} more: see the job summary"),
        ));
    }
    visible
}

/// Returns the level of an unfavourable comparison.
fn comparison_level(comparison: &RunComparison) -> Option<AnnotationLevel> {
    match (comparison.verdict, comparison.after) {
        (ComparisonVerdict::Broken | ComparisonVerdict::Regressed, _) => Some(AnnotationLevel::Error),
        (ComparisonVerdict::Inconclusive, _) | (_, AfterOutcome::Fails | AfterOutcome::Mixed) => {
            Some(AnnotationLevel::Warning)
        }
        _ => None,
    }
}

/// Collects the problems of all runs, each once.
fn collect_problems(summary: &ReportSummary) -> Vec<RunProblem> {
    let mut problems: Vec<RunProblem> = Vec::new();
    for problem in summary.runs.iter().flat_map(|run| run_problems(run, summary.comparison.is_some())) {
        let is_same = |existing: &&mut RunProblem| {
            (existing.level, existing.section, &existing.name, existing.title)
                == (problem.level, problem.section, &problem.name, problem.title)
        };
        match problems.iter_mut().find(is_same) {
            Some(existing) => existing.runs += 1,
            None => problems.push(problem),
        }
    }
    // problems of the same importance stay in the order of the runs
    sort::sort_by_key(&mut problems, |problem| (problem.level, problem.section));
    problems
}

fn run_problems(run: &RunSummary, compared: bool) -> Vec<RunProblem> {
    let problem = |level: AnnotationLevel,
                   section: ExperimentSection,
                   name: &str,
                   title: &'static str,
                   detail: &str| {
        RunProblem { level, section, name: name.to_owned(), title, detail: detail.to_owned(), runs: 1 }
    };
    let mut problems = Vec::new();
    for (section, steps) in
        [(ExperimentSection::Rollbacks, &run.rollbacks), (ExperimentSection::Method, &run.method)]
    {
        for step in steps {
            let (level, title) = match step.state {
                StepStatus::Failed if section == ExperimentSection::Rollbacks => {
                    (AnnotationLevel::Error, "rollback failed")
                }
                StepStatus::Failed if step.is_judged => (AnnotationLevel::Error, "probe failed"),
                StepStatus::Unmet => (AnnotationLevel::Error, "not within its tolerance"),
                StepStatus::Failed if step.is_action => (AnnotationLevel::Error, "action failed"),
                StepStatus::Failed => (AnnotationLevel::Warning, "probe failed"),
                StepStatus::Unconfirmed => (AnnotationLevel::Error, "no effect observed"),
                StepStatus::Cut => (AnnotationLevel::Warning, "interrupted"),
                _ => continue,
            };
            problems.push(problem(level, section, &step.name, title, &step.detail));
        }
    }
    // deviations before the change are expected: the change is supposed to fix them
    let was_expected = compared && run.arm.as_ref().is_some_and(|(arm, _)| arm == "before");
    for probe in &run.probes {
        let checks = [
            (Some(&probe.before), "steady state not met before the method", AnnotationLevel::Warning),
            (probe.during.as_ref(), "steady state not met during the method", AnnotationLevel::Error),
            (Some(&probe.after), "steady state not met after the method", AnnotationLevel::Error),
        ];
        let unmet =
            |state: &ProbeCheckState| matches!(state, ProbeCheckState::Unmet | ProbeCheckState::Failed);
        for (check, title, level) in
            checks.into_iter().filter_map(|(check, title, level)| Some((check?, title, level)))
        {
            if unmet(&check.state) && !(was_expected && level == AnnotationLevel::Error) {
                problems.push(problem(
                    level,
                    ExperimentSection::Hypothesis,
                    &probe.name,
                    title,
                    &check.observed,
                ));
            }
        }
    }
    problems
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
        let checks: Vec<Json> = probes.iter().map(probe).collect();
        let journal = json!({"experiment": {"title": "t", "steady-state-hypothesis": {"probes": declared}},
            "status": "completed", "steady_states": {"after": {"steady_state_met": false, "probes": checks}},
            "run": played});
        Record::read("j", journal.to_string()).unwrap()
    }

    fn source(text: &str) -> ExperimentSource {
        let root = crate::experiment::yaml::read(text, "e.yaml").unwrap().root;
        ExperimentSource { file: "e.yaml".to_owned(), root: Some(root) }
    }

    #[test]
    fn annotation_points_to_its_activity() {
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
                "::error file=e.yaml,line=4,title=answers::steady state not met after the method: seen \
                 ::error::x",
                "::error file=e.yaml,line=7,title=kill::action failed",
            ]
        );
    }

    #[test]
    fn annotations_are_in_the_order_of_lines() {
        let source =
            source("title: t\nmethod:\n  - name: a1\n  - name: a2\n  - name: a101\n  - name: a103\n");
        let actions = [("a103", "failed"), ("a101", "failed"), ("a2", "failed"), ("a1", "failed")];
        let summary = ReportSummary::from_records(&[run(&[], &actions)], None);
        let order = |source: Option<&ExperimentSource>| -> Vec<String> {
            annotations(&summary, source).into_iter().map(|annotation| annotation.title).collect()
        };
        assert_eq!(order(Some(&source)), ["a1", "a2", "a101", "a103"]);
        // without the file, the order of the run
        assert_eq!(order(None), ["a103", "a101", "a2", "a1"]);
    }

    #[test]
    fn annotations_are_limited_and_sorted() {
        let names: Vec<String> = (0..25).map(|number| format!("p{number:02}")).collect();
        let probes: Vec<(&str, bool)> = names.iter().map(|name| (name.as_str(), false)).collect();
        let records = [run(&probes, &[]), run(&probes, &[("kill", "failed")])];
        let texts = annotations(&ReportSummary::from_records(&records, None), None);
        assert_eq!(texts.len(), 11);
        assert_eq!(
            (texts[0].title.as_str(), texts[0].message.as_str()),
            ("kill", "action failed (in 1 of 2 runs)")
        );
        assert!(texts[1].message.ends_with("(in 2 of 2 runs)"), "{}", texts[1].message);
        assert_eq!(
            (texts[10].level, texts[10].message.as_str()),
            (AnnotationLevel::Notice, "+16 more: see the job summary")
        );
    }

    #[test]
    fn path_is_relative_to_the_repository() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("chaos")).unwrap();
        std::fs::write(folder.path().join("chaos/e.json"), "{}").unwrap();
        let path = folder.path().join("chaos/e.json");
        assert_eq!(repository_path(&path, Some(folder.path())).as_deref(), Some("chaos/e.json"));
        assert_eq!(
            repository_path(&folder.path().join("chaos/../chaos/e.json"), Some(folder.path())).as_deref(),
            Some("chaos/e.json")
        );
        assert_eq!(repository_path(&path, Some(&folder.path().join("other"))), None);
        assert_eq!(repository_path(folder.path(), Some(folder.path())), None);
    }
}
