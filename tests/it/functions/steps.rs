//! The steps of a function test: activities of an experiment, and checks of the cluster between them.

use serde_json::{Value, json};

use crate::harness::{Answer, Site, function};

/// One step.
pub enum Step {
    /// An activity and its expected result: a status, a text in its output or its error, and the state of its
    /// effect if it is an action.
    Activity { activity: Value, status: &'static str, shows: String, effect: &'static str },
    /// An expected value in the API.
    Look { path: String, at: String, is: Value },
    /// An object that must not exist.
    Nothing { path: String },
}

fn step(kind: &str, name: &str, arguments: &Value, status: &'static str, shows: &str) -> Step {
    let (module, name) = name.rsplit_once('.').unwrap();
    let effect = if status == "failed" { "mismatch" } else { "confirmed" };
    Step::Activity {
        activity: function(kind, module, name, arguments),
        status,
        shows: shows.to_owned(),
        effect,
    }
}

/// An action that takes effect.
pub fn act(name: &str, arguments: &Value) -> Step {
    step("action", name, arguments, "succeeded", "")
}

/// An action that succeeds with another state of its effect.
pub fn came_to(effect: &'static str, name: &str, arguments: &Value) -> Step {
    let mut step = act(name, arguments);
    if let Step::Activity { effect: expected, .. } = &mut step {
        *expected = effect;
    }
    step
}

/// An action that fails with this error.
pub fn refused(name: &str, arguments: &Value, shows: &str) -> Step {
    step("action", name, arguments, "failed", shows)
}

/// A probe that succeeds with this output.
pub fn holds(name: &str, arguments: &Value, shows: &str) -> Step {
    step("probe", name, arguments, "succeeded", shows)
}

/// A probe that fails with this error.
pub fn fails(name: &str, arguments: &Value, shows: &str) -> Step {
    step("probe", name, arguments, "failed", shows)
}

/// Expects a value at a JSON pointer of an API document. In a list, `names` selects the names of all items.
pub fn reads(path: impl Into<String>, at: &str, is: Value) -> Step {
    Step::Look { path: path.into(), at: at.to_owned(), is }
}

/// Expects that an object does not exist.
pub fn gone(path: impl Into<String>) -> Step {
    Step::Nothing { path: path.into() }
}

/// The names of the items of a list.
pub fn names(list: &Value) -> Value {
    let items = list["items"].as_array().into_iter().flatten();
    items.map(|item| item["metadata"]["name"].clone()).collect()
}

fn stands(answer: &Answer, at: &str, is: &Value) -> bool {
    if at == "names" {
        return answer.body["items"].is_array() && names(&answer.body) == *is;
    }
    answer.body.pointer(at).unwrap_or(&Value::Null) == is
}

/// Executes the steps. Consecutive activities are one run.
#[track_caller]
pub fn play(site: &Site, steps: &[Step]) {
    play_with(site, steps, &[]);
}

/// Executes the steps with more arguments for the binary.
#[track_caller]
pub fn play_with(site: &Site, steps: &[Step], flags: &[&str]) {
    for group in steps.chunk_by(|one, next| one.is_activity() && next.is_activity()) {
        match &group[0] {
            Step::Activity { .. } => run(site, group, flags),
            Step::Look { path, at, is } => drop(site.until(path, |answer| stands(answer, at, is))),
            Step::Nothing { path } => drop(site.until(path, |answer| answer.code == 404)),
        }
    }
}

impl Step {
    fn is_activity(&self) -> bool {
        matches!(self, Self::Activity { .. })
    }
}

/// Executes activities in one run, and checks the result of each.
#[track_caller]
fn run(site: &Site, group: &[Step], flags: &[&str]) {
    let activity = |step: &Step| match step {
        Step::Activity { activity, .. } => activity.clone(),
        Step::Look { .. } | Step::Nothing { .. } => Value::Null,
    };
    let method: Vec<Value> = group.iter().map(activity).collect();
    let flags: Vec<&str> = ["--strict=false"].into_iter().chain(flags.iter().copied()).collect();
    let said = site.run(&json!(method), &flags).stderr;
    let journal = site.sandbox.journal();
    for (index, step) in group.iter().enumerate() {
        let Step::Activity { status, shows, .. } = step else { continue };
        let entry = &journal["run"][index];
        let came = if *status == "failed" { &entry["exception"] } else { &entry["output"] };
        let what = format!("step {index}, {}: {entry:#}\n{said}", entry["activity"]["name"]);
        assert_eq!(entry["status"], *status, "{what}");
        let text = came.to_string();
        assert!(text.contains(shows), "{shows:?} is not in {text:?}; {what}");
    }
    for activity in journal["kubectl-chaos"]["activities"].as_array().unwrap() {
        let index: usize = activity["at"].as_str().unwrap().rsplit('/').next().unwrap().parse().unwrap();
        let Step::Activity { effect, .. } = &group[index] else { continue };
        assert_eq!(activity["effect"]["state"], *effect, "{activity:#}\n{said}");
    }
}
