//! How long kubectl-chaos takes and how much memory, beside the Chaos Toolkit in the same run.
//!
//! ```console
//! cargo bench --bench ratio                          # everything, a few minutes with the Chaos Toolkit installed
//! cargo bench --bench ratio -- --quick               # a minute
//! cargo bench --bench ratio -- --original PATH       # the Chaos Toolkit's `chaos`; else it is looked for on PATH
//! cargo bench --bench ratio -- --only NAME            # the rows whose name has that in it
//! cargo bench --bench ratio -- --json FILE           # the figures, for machines
//! cargo bench --bench ratio -- --kubernetes CONTEXT  # also 5,000 Pods on a cluster that is there to be used up
//! ```
//!
//! Where valgrind is installed, instructions are counted as well, and more than the limit is a failure.
//!
//! Times are medians, after one round that does not count; ours and theirs take turns. Memory and processor time
//! are the operating system's word: this program starts itself once more around each command, to ask for it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark that fails says why")]
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit, reason = "it is for people to read")]

mod answer;
mod instructions;
mod kubernetes;
mod measure;

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use measure::{Figures, MEASURE, measure, measure_this, middle};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(at) = arguments.iter().position(|argument| argument == MEASURE) {
        measure_this(&arguments[at + 1..]);
        return;
    }
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let original =
        value("--original").or_else(|| std::env::var("CHAOS").ok()).map(PathBuf::from).or_else(on_path);
    let only = value("--only").unwrap_or_default();
    let asked = Asked { quick, only: &only, original: original.as_deref() };
    let mut rows = bench(asked);
    rows.extend(answer::bench(asked));
    if let Some(context) = value("--kubernetes") {
        rows.extend(kubernetes::bench(asked, &context));
    }
    if let Some(file) = value("--json") {
        std::fs::write(&file, format!("{:#}\n", Value::from(rows))).unwrap();
    }
}

fn on_path() -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths).map(|folder| folder.join("chaos")).find(|path| path.is_file())
}

/// One row of the table.
struct Case {
    name: String,
    /// Arguments for our program.
    arguments: Vec<String>,
    /// Arguments for theirs.
    their_arguments: Vec<String>,
    runs: usize,
    /// Whether the original is asked, too.
    compared: bool,
    /// What is to be reached, of the original's time.
    target: Option<f64>,
}

/// What is to be measured.
#[derive(Clone, Copy)]
struct Asked<'a> {
    quick: bool,
    /// What the names of rows have in them.
    only: &'a str,
    /// The Chaos Toolkit, where it is.
    original: Option<&'a Path>,
}

impl Asked<'_> {
    fn rows(&self, cases: &[Case], folder: &Path) -> Vec<Value> {
        let cases = cases.iter().filter(|case| case.name.contains(self.only));
        cases.map(|case| compare(case, folder, self.original)).collect()
    }
}

fn bench(asked: Asked<'_>) -> Vec<Value> {
    let Asked { quick, original, .. } = asked;
    let folder = tempfile::tempdir().unwrap();
    let server = serve();
    let cases = cases(folder.path(), &server, quick);
    println!(
        "{:<34}{:>12}{:>12}{:>9}{:>9}{:>9}{:>9}",
        "", "ours", "theirs", "ratio", "target", "MiB", "theirs"
    );
    let mut rows = asked.rows(&cases, folder.path());
    let spawned = spawn_alone(if quick { 100 } else { 1000 });
    println!(
        "{:<34}{:>12}   the least that process probes can take",
        "fork and exec alone",
        seconds(spawned)
    );
    rows.push(json!({"name": "fork and exec alone", "seconds": spawned}));
    if original.is_none() {
        println!("\nno ratio: the Chaos Toolkit is not installed (--original PATH says where it is)");
    }
    println!("\ntargets are parts of the Chaos Toolkit's time; memory is to stay within 12 MiB");
    rows.extend(instructions::bench(asked.only, folder.path()));
    rows
}

/// Runs a case, ours and theirs in turns, and prints its row.
fn compare(case: &Case, folder: &Path, original: Option<&Path>) -> Value {
    let ours = vec![env!("CARGO_BIN_EXE_kubectl-chaos").to_owned(), "--exit-code=chaostoolkit".to_owned()];
    let theirs = original.map(|path| {
        ["--no-version-check", "--no-log-file"]
            .into_iter()
            .fold(vec![path.display().to_string()], |command, flag| [command, vec![flag.to_owned()]].concat())
    });
    let version = case.name == "--version";
    let our_command = if version {
        vec![ours[0].clone(), "--version".to_owned()]
    } else {
        [ours, case.arguments.clone()].concat()
    };
    let (mut our_runs, mut their_runs) = (Vec::new(), Vec::new());
    // the first round warms up; what can be done but once has no such round
    for round in usize::from(case.runs == 1)..=case.runs {
        let our_run = measure(folder, &our_command);
        let their_run = theirs.as_ref().filter(|_| case.compared).map(|theirs| {
            let theirs = if version { &theirs[..1] } else { theirs.as_slice() };
            measure(folder, &[theirs, &case.their_arguments].concat())
        });
        if round > 0 {
            our_runs.push(our_run);
            their_runs.extend(their_run);
        }
    }
    let our = middle(our_runs);
    let their = (!their_runs.is_empty()).then(|| middle(their_runs));
    row(case, our, their)
}

fn seconds(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.1} ms", seconds * 1e3) } else { format!("{seconds:.2} s") }
}

fn row(case: &Case, our: Figures, their: Option<Figures>) -> Value {
    let ratio = their.map(|their| their.wall / our.wall);
    let part = |ratio: f64| format!("1/{ratio:.0}");
    let target = match (case.target, ratio) {
        (None, _) => String::new(),
        (Some(target), None) => part(target),
        (Some(target), Some(ratio)) => {
            format!("{} {}", part(target), if ratio >= target { "+" } else { "-" })
        }
    };
    println!(
        "{:<34}{:>12}{:>12}{:>9}{:>9}{:>9.1}{:>9}",
        case.name,
        seconds(our.wall),
        their.map_or_else(String::new, |their| seconds(their.wall)),
        ratio.map_or_else(String::new, part),
        target,
        our.mebibytes,
        their.map_or_else(String::new, |their| format!("{:.1}", their.mebibytes)),
    );
    json!({
        "name": case.name, "seconds": our.wall, "cpu_seconds": our.cpu, "mebibytes": our.mebibytes,
        "original": their.map(|their| json!({"seconds": their.wall, "cpu_seconds": their.cpu,
            "mebibytes": their.mebibytes})),
        "ratio": ratio, "target": case.target,
    })
}

fn cases(folder: &Path, server: &str, quick: bool) -> Vec<Case> {
    let process = |name: String| {
        json!({"type": "probe", "name": name, "provider":
        {"type": "process", "path": "true"}})
    };
    let http =
        |name: String| json!({"type": "probe", "name": name, "provider": {"type": "http", "url": server}});
    let write = |name: &str, method: Vec<Value>| {
        let experiment = json!({"title": name, "description": "d", "method": method});
        std::fs::write(folder.join(format!("{name}.json")), experiment.to_string()).unwrap();
        format!("{name}.json")
    };
    let trivial = write("trivial", vec![process("p".to_owned()), http("h".to_owned())]);
    let case = |name: &str, arguments: &[&str], runs: usize, compared: bool, target: Option<f64>| Case {
        name: name.to_owned(),
        arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        their_arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        runs: if quick { runs.min(3) } else { runs },
        compared,
        target,
    };
    let mut cases = vec![
        case("--version", &["--version"], 11, true, Some(100.0)),
        case("validate", &["validate", &trivial], 11, true, Some(100.0)),
        case("run, 1 process and 1 http probe", &["run", &trivial], 11, true, Some(50.0)),
    ];
    let counts: &[usize] = if quick { &[10, 100] } else { &[10, 100, 1000] };
    for count in counts {
        let runs = if *count < 1000 { 7 } else { 3 };
        let many =
            |make: &dyn Fn(String) -> Value| (0..*count).map(|index| make(format!("p{index}"))).collect();
        let processes = write(&format!("process-{count}"), many(&process));
        let requests = write(&format!("http-{count}"), many(&http));
        let target = (*count == 1000).then_some(5.0);
        cases.push(case(&format!("run, {count} process probes"), &["run", &processes], runs, true, None));
        cases.push(case(&format!("run, {count} http probes"), &["run", &requests], runs, true, target));
    }
    let behind = |index: usize| {
        json!({"type": "action", "name": format!("b{index}"), "background": true, "provider":
        {"type": "process", "path": "sleep", "arguments": ["0.5"]}})
    };
    let behind = write("background", (0..20).map(behind).collect());
    cases.push(case("20 in the background, 0.5 s each", &["run", &behind], 3, false, None));
    let mut rest = process("p".to_owned());
    rest["pauses"] = json!({"after": 2});
    let rest = write("pause", vec![rest]);
    cases.push(case("a pause of 2 s", &["run", &rest], 1, false, None));
    cases
}

/// How long it takes to start a program and wait for it, so many times, and nothing else.
fn spawn_alone(count: usize) -> f64 {
    let begun = Instant::now();
    for _ in 0..count {
        let child = Command::new("true").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.wait_with_output().unwrap();
    }
    begun.elapsed().as_secs_f64()
}

/// A server that answers every request at once, on connections that stay open. Gives its address.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || answer(&stream));
        }
    });
    address
}

fn answer(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
    let mut lines = BufReader::new(stream).lines();
    while let Some(Ok(line)) = lines.next() {
        if line.is_empty() {
            let answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
            let mut stream = stream;
            if stream.write_all(answer).is_err() {
                return;
            }
        }
    }
}
