//! Measures reports of many samples, and sampling itself.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value, json};

use super::measure::{Figures, measure, middle};
use super::{Asked, seconds};

/// The number of probes, and of stored samples per probe.
const PROBES: usize = 10;
const KEPT: u32 = 10_000;
/// The sampling period in seconds.
const PERIOD: f64 = 0.01;

/// The arrival times of requests, by path.
type Arrivals = Arc<Mutex<HashMap<String, Vec<Instant>>>>;

/// Measures reports and sampling.
pub(super) fn bench(asked: Asked<'_>) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let mut rows = Vec::new();
    if "reports".contains(asked.only) {
        rows.push(reports(asked, folder.path()));
    }
    if "sampling".contains(asked.only) {
        rows.push(sampling(asked, folder.path()));
    }
    rows
}

fn command(words: &[&str]) -> Vec<String> {
    let words = words.iter().map(|word| (*word).to_owned());
    [env!("CARGO_BIN_EXE_kubectl-chaos").to_owned()].into_iter().chain(words).collect()
}

/// Measures all reports of a journal with 100,000 samples.
fn reports(asked: Asked<'_>, folder: &Path) -> Value {
    let series = |probe: usize| {
        let sample = |number: u32| {
            let outcome = if (3000..6000).contains(&number) { "refused" } else { "ok" };
            json!([f64::from(number) * PERIOD, f64::from(number % 97) / 7.0, outcome])
        };
        let latency = json!({"samples": 7000, "min": 0.1, "p50": 7.0, "p90": 12.0, "p95": 13.0, "p99": 13.7,
            "max": 13.8, "histogram": [[1.0, 1000], [5.0, 3000], [13.8, 3000]]});
        let phase = |name: &str, from: f64, to: f64, outcomes: Value| {
            json!({"phase": name, "from": from, "to": to, "due": 3000, "missed": 0, "outcomes": outcomes,
                "latency": latency})
        };
        json!({"probe": format!("probe {probe}"), "provider": "http", "period": PERIOD, "deadline": 2.0,
            "began": "2026-01-01T00:00:00+00:00", "route": "direct", "settled": true,
            "phases": [phase("baseline", 0.0, 30.0, json!({"ok": 3000})),
                phase("fault", 30.0, 60.0, json!({"refused": 3000})),
                phase("recovery", 60.0, 100.0, json!({"ok": 4000}))],
            "detected_after": 0.01, "recovered_after": 0.01, "recovery_watched": 40.0,
            "raw": (0..KEPT).map(sample).collect::<Vec<_>>(), "raw_dropped": 0})
    };
    let journal = json!({"experiment": {"title": "many samples", "method": []}, "status": "completed",
        "start": "2026-01-01T00:00:30+00:00", "end": "2026-01-01T00:01:40+00:00", "duration": 70.0,
        "deviated": true, "run": [], "rollbacks": [],
        "kubectl-chaos": {"schema": 1, "finished": true, "verdict": "deviated", "reason": "r",
            "samples": (0..PROBES).map(series).collect::<Vec<_>>()}});
    std::fs::write(folder.join("many.json"), journal.to_string()).unwrap();
    let command =
        command(&["report", "many.json", "--junit", "r.xml", "--markdown", "r.md", "--html", "r.html"]);
    let runs = (0..if asked.quick { 3 } else { 7 }).map(|_| measure(folder, &command)).collect();
    let Figures { wall, mebibytes, .. } = middle(runs);
    println!(
        "\nreports of {} samples: {} (target 1 s), {mebibytes:.1} MiB (target 100)",
        PROBES * KEPT as usize,
        seconds(wall)
    );
    json!({"name": "reports", "seconds": wall, "mebibytes": mebibytes})
}

/// Measures ten probes at 100 samples per second: missed slots, deviation from the schedule, processor time.
fn sampling(asked: Asked<'_>, folder: &Path) -> Value {
    let arrivals = Arrivals::default();
    let address = serve(&arrivals);
    let probe = |number: usize| {
        json!({"type": "probe", "name": format!("p{number}"), "tolerance": 200,
            "provider": {"type": "http", "url": format!("http://{address}/p{number}")}})
    };
    let long = if asked.quick { "3" } else { "20" };
    let wait = json!({"type": "action", "name": "wait",
        "provider": {"type": "process", "path": "sleep", "arguments": [long]}});
    let hypothesis = json!({"title": "h", "probes": (0..PROBES).map(probe).collect::<Vec<_>>()});
    let experiment = json!({"title": "sampled", "description": "d", "steady-state-hypothesis": hypothesis, "method": [wait]});
    std::fs::write(folder.join("sampled.json"), experiment.to_string()).unwrap();
    let plain = measure(folder, &command(&["run", "sampled.json"]));
    arrivals.lock().unwrap().clear();
    let sampled = measure(folder, &command(&["run", "sampled.json", "--sample=10ms"]));
    let journal: Value =
        serde_json::from_slice(&std::fs::read(folder.join("journal.json")).unwrap()).unwrap();
    let phases = journal["kubectl-chaos"]["samples"].as_array().unwrap().iter();
    let phases: Vec<&Value> = phases.flat_map(|series| series["phases"].as_array().unwrap()).collect();
    let count = |key: &str| phases.iter().map(|phase| phase[key].as_f64().unwrap()).sum::<f64>();
    let (due, missed) = (count("due"), count("missed"));
    let mut apart: Vec<f64> = arrivals.lock().unwrap().values().flat_map(|times| jitter(times)).collect();
    apart.sort_by(f64::total_cmp);
    let at = |percent: usize| apart[(apart.len() - 1) * percent / 100] * 1e3;
    let cost = (sampled.cpu - plain.cpu) / (due - missed) * 1e6;
    println!(
        "sampling {PROBES} probes every 10 ms: {:.2} % of {due} slots missed (target 1 %), {:.2} ms off the schedule (p50), \
         {:.2} ms (p99); {cost:.0} µs of processor time a sample, {:.1} MiB",
        missed / due * 100.0,
        at(50),
        at(99),
        sampled.mebibytes
    );
    json!({"name": "sampling", "due": due, "missed": missed, "off_p50_ms": at(50), "off_p99_ms": at(99),
        "cpu_us_per_sample": cost, "mebibytes": sampled.mebibytes})
}

/// Returns the deviation of each request from the schedule, whose phase is the median of all requests.
fn jitter(times: &[Instant]) -> Vec<f64> {
    let Some(first) = times.first() else { return Vec::new() };
    let off = |seconds: f64| seconds - (seconds / PERIOD).round() * PERIOD;
    let mut offs: Vec<f64> =
        times.iter().map(|time| off(time.duration_since(*first).as_secs_f64())).collect();
    offs.sort_by(f64::total_cmp);
    let middle = offs[offs.len() / 2];
    offs.into_iter().map(|one| off(one - middle).abs()).collect()
}

/// Starts a server that records arrival times. Returns its address.
fn serve(arrivals: &Arrivals) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let arrivals = Arc::clone(arrivals);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let arrivals = Arc::clone(&arrivals);
            std::thread::spawn(move || note(&stream, &arrivals));
        }
    });
    address
}

fn note(mut stream: &TcpStream, arrivals: &Arrivals) {
    let came = Instant::now();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let Some(path) = lines.next().and_then(|line| line.split(' ').nth(1).map(str::to_owned)) else { return };
    for line in lines.by_ref() {
        if line.is_empty() {
            break;
        }
    }
    arrivals.lock().unwrap().entry(path).or_default().push(came);
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
}
