//! The files that a command line names: nothing is written over what is read, nor over another result. Floor 3.

use std::path::{Path, PathBuf};

use super::args::{Cli, Command, RunArgs, VariableArgs};
use super::report_files::ReportArgs;
use super::run;

/// The name of standard input and of standard output.
const STANDARD: &str = "-";
/// So many links lead from one to the next at most.
const MOST_LINKS: usize = 40;

/// A file, and what it is.
type NamedPath = (String, PathBuf);

/// The files of a command line.
#[derive(Debug, Default)]
pub(super) struct PathSet {
    read: Vec<NamedPath>,
    written: Vec<NamedPath>,
    /// A folder that is emptied before anything is written to it, with what is written to it.
    emptied: Option<PathBuf>,
}

impl PathSet {
    /// Those that a command line names.
    pub(super) fn of(cli: &Cli) -> Self {
        let mut files = match &cli.command {
            Command::Run(args) => of_a_run(args),
            Command::Trial(args) => args.files(),
            Command::Ci(args) => args.files(),
            Command::Compare(args) => args.files(),
            Command::Report(args) => args.files(),
            Command::Publish(args) => args.files(),
            Command::Init(args) => args.files(),
            Command::Validate(args) => {
                Self::default().reads("the experiment", &args.sources).variables(&args.variables)
            }
            Command::Doctor(args) => args.files(),
            Command::Completion(_)
            | Command::Demo(_)
            | Command::Discover(_)
            | Command::Embedded { .. }
            | Command::Options
            | Command::Recover(_)
            | Command::SampleApp { .. }
            | Command::Other(_) => Self::default(),
        };
        if matches!(cli.command, Command::Embedded { .. }) {
            files = files.writes("the kubeconfig", cli.connection.kubeconfig());
        } else {
            files = files.reads("the kubeconfig", cli.connection.kubeconfig());
        }
        files.reads("the settings", [&cli.global.settings]).writes("the log", cli.global.log_file.as_deref())
    }

    /// The same, with more that is read.
    pub(super) fn reads(mut self, what: &str, paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Self {
        self.read.extend(named(what, paths));
        self
    }

    /// The same, with more that is written.
    pub(super) fn writes(mut self, what: &str, paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Self {
        self.written.extend(named(what, paths));
        self
    }

    /// The same, with a folder that is emptied before anything is written to it.
    pub(super) fn empties(mut self, folder: &Path) -> Self {
        self.emptied = Some(folder.to_owned());
        self
    }

    /// The same, with files of variables.
    pub(super) fn variables(self, args: &VariableArgs) -> Self {
        self.reads("a file of variables", &args.variable_files)
    }

    /// The same, with reports.
    pub(super) fn reports(self, args: &ReportArgs) -> Self {
        self.writes("the JUnit XML", &args.junit)
            .writes("the Markdown", &args.markdown)
            .writes("the HTML", &args.html)
    }

    /// Whether everything that is written has a name of its own. An error says what has not.
    pub(super) fn check(&self) -> Result<(), String> {
        let read: Vec<PathBuf> = self.read.iter().map(|(_, path)| place(path)).collect();
        let written: Vec<PathBuf> = self.written.iter().map(|(_, path)| place(path)).collect();
        for ((what, path), at) in self.written.iter().zip(&written) {
            if let Some((other, _)) =
                self.read.iter().zip(&read).find(|(_, one)| *one == at).map(|(one, _)| one)
            {
                return Err(format!(
                    "{what} would be written to {}, which is {other}: name another file for it",
                    path.display()
                ));
            }
        }
        for (index, ((what, path), at)) in self.written.iter().zip(&written).enumerate() {
            // the same thing twice is no loss
            let before = self.written[..index].iter().zip(&written);
            let same = before
                .map(|((other, _), one)| (other, one))
                .find(|(other, one)| *one == at && *other != what);
            if let Some((other, _)) = same {
                return Err(format!(
                    "{other} and {what} would both be written to {}: name a file for each",
                    path.display()
                ));
            }
        }
        let Some(folder) = &self.emptied else { return Ok(()) };
        let within = place(folder);
        let log = self.written.iter().filter(|(what, _)| what == "the log");
        match self.read.iter().chain(log).find(|(_, path)| place(path).starts_with(&within)) {
            None => Ok(()),
            Some((what, path)) => Err(format!(
                "{what} ({}) is in {}, which is emptied first: name another folder with --output-dir",
                path.display(),
                folder.display()
            )),
        }
    }
}

fn of_a_run(args: &RunArgs) -> PathSet {
    PathSet::default()
        .reads("the experiment", &args.sources)
        .reads("a manifest", &args.apply)
        .variables(&args.variables)
        .reads("a file of controls", &args.control_files)
        .writes("the journal", run::journal_paths(args))
        .writes("the events", &args.events_file)
        .reports(&args.reports)
}

/// Files by their names; what is an address, a device or a stream is none.
fn named(what: &str, paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Vec<NamedPath> {
    let is_file = |path: &Path| {
        let is_elsewhere =
            path == Path::new(STANDARD) || path.to_str().is_some_and(|text| text.contains("://"));
        !is_elsewhere && std::fs::metadata(path).map_or(true, |meta| meta.is_file() || meta.is_dir())
    };
    let paths = paths.into_iter().map(|path| path.as_ref().to_owned());
    paths.filter(|path| is_file(path)).map(|path| (what.to_owned(), path)).collect()
}

/// Where a path leads, whether something is there or not.
fn place(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        if let Ok(place) = std::fs::canonicalize(&path) {
            return place;
        }
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        match std::fs::read_link(&path) {
            // what it leads to will be made there
            Ok(target) => path = folder.join(target),
            Err(_) => {
                let here = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
                let folder = std::fs::canonicalize(here).or_else(|_| std::path::absolute(here));
                return folder.unwrap_or_default().join(path.file_name().unwrap_or_default());
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_by_several_names_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("e.json"), "").unwrap();
        std::fs::create_dir(path("sub")).unwrap();
        let check = |read: &str, written: &[(&str, &str)], expected: Option<&str>| {
            let mut files = PathSet::default().reads("the experiment", [path(read)]);
            for (what, name) in written {
                files = files.writes(what, [path(name)]);
            }
            let error = files.check().err();
            assert_eq!(error.is_some(), expected.is_some(), "{error:?}");
            let shown = error.unwrap_or_default().replace(&format!("{}/", folder.path().display()), "");
            assert!(shown.starts_with(expected.unwrap_or_default()), "{shown}");
        };
        let html = "the HTML";
        check("e.json", &[("the log", "x"), (html, "y")], None);
        check(
            "e.json",
            &[(html, "e.json")],
            Some("the HTML would be written to e.json, which is the experiment:"),
        );
        check(
            "e.json",
            &[(html, "sub/../e.json")],
            Some("the HTML would be written to sub/../e.json, which is"),
        );
        let two = Some("the log and the HTML would both be written to sub/../x: name a file for each");
        check("e.json", &[("the log", "x"), (html, "sub/../x")], two);
        check("e.json", &[(html, "x"), (html, "x")], None);
        check("none.json", &[(html, "sub/../none.json")], Some("the HTML would"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::symlink;
            symlink("e.json", path("link")).unwrap();
            check(
                "e.json",
                &[(html, "link")],
                Some("the HTML would be written to link, which is the experiment"),
            );
            symlink("../later", path("sub/dangling")).unwrap();
            let two = Some("the log and the HTML would both be written to later");
            check("e.json", &[("the log", "sub/dangling"), (html, "later")], two);
            symlink("loop", path("loop")).unwrap();
            check("e.json", &[(html, "loop")], None);
            let devices = PathSet::default().writes("a", ["/dev/null"]).writes("b", ["/dev/null", "-"]);
            assert_eq!(devices.writes("c", ["-"]).check(), Ok(()));
        }
    }

    #[test]
    fn nothing_that_is_read_is_in_a_folder_that_is_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let check = |files: PathSet, expected: bool| {
            assert_eq!(files.empties(folder.path()).check().is_ok(), expected);
        };
        let inside = folder.path().join("a/x");
        check(PathSet::default().reads("the experiment", [&inside]), false);
        check(PathSet::default().writes("the log", [&inside]), false);
        check(PathSet::default().writes("the HTML", [&inside]), true);
        check(PathSet::default().reads("the experiment", [folder.path().with_extension("x")]), true);
    }
}
