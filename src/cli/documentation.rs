//! Generates `docs/cli.md` from the command line definition, and checks it.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, ArgAction, Command, CommandFactory as _};

use super::command::Cli;

const PROGRAM: &str = "kubectl chaos";

fn document() -> String {
    let mut root = Cli::command().bin_name(PROGRAM);
    root.build();
    let mut text = "# Commands and options\n\nThis page is generated from the help of the program; a test compares them.\n\n\
         - [Global options](#global-options)\n- [Cluster options](#cluster-options)\n- [Exit codes](#exit-codes)\n\n\
         | command | description |\n|---|---|\n".to_string();
    for command in visible(&root) {
        let (name, about) = (command.get_name(), styled(command.get_about()));
        writeln!(text, "| [`{name}`](#{}) | {about} |", anchor(command)).unwrap();
    }
    text += "\nThe global and cluster options can be given before or after the command.\n";
    for heading in ["Global options", "Cluster options"] {
        let args = root.get_arguments().filter(|arg| arg.get_help_heading() == Some(heading));
        write!(text, "\n## {heading}\n\n{}", option_table(args)).unwrap();
    }
    let codes = styled(root.get_after_help());
    write!(text, "\n## Exit codes\n\n```text\n{codes}\n```\n").unwrap();
    for command in visible(&root) {
        add_command(&mut text, command, &codes);
    }
    text
}

fn add_command(text: &mut String, command: &Command, common_codes: &str) {
    let subcommands: Vec<&Command> = visible(command).collect();
    if !subcommands.is_empty() {
        for subcommand in subcommands {
            add_command(text, subcommand, common_codes);
        }
        return;
    }
    let name = command.get_bin_name().unwrap();
    write!(text, "\n## `{name}`\n\n{}.\n", styled(command.get_about())).unwrap();
    let usage = command.clone().override_help("").render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    write!(text, "\n```text\n{usage}\n```\n").unwrap();
    let options = || command.get_arguments().filter(|arg| !arg.is_global_set() && !arg.is_hide_set());
    let positionals: Vec<&Arg> = options().filter(|arg| arg.is_positional()).collect();
    if !positionals.is_empty() {
        text.push_str("\n| argument | description |\n|---|---|\n");
        for arg in positionals {
            writeln!(text, "| `{}` | {} |", arg, description(arg)).unwrap();
        }
    }
    let mut headings: Vec<Option<&str>> = Vec::new();
    for arg in options().filter(|arg| is_option(arg)) {
        if !headings.contains(&arg.get_help_heading()) {
            headings.push(arg.get_help_heading());
        }
    }
    headings.sort_by_key(Option::is_some);
    for heading in headings {
        if let Some(heading) = heading {
            write!(text, "\n{heading}:\n").unwrap();
        }
        let args = options().filter(|arg| is_option(arg) && arg.get_help_heading() == heading);
        write!(text, "\n{}", option_table(args)).unwrap();
    }
    let codes = styled(command.get_after_help());
    if codes == common_codes {
        text.push_str("\nSee [exit codes](#exit-codes).\n");
    } else if !codes.is_empty() {
        write!(text, "\n```text\n{codes}\n```\n").unwrap();
    }
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set())
}

fn is_option(arg: &Arg) -> bool {
    !arg.is_positional() && !matches!(arg.get_action(), ArgAction::Help | ArgAction::Version)
}

fn option_table<'a>(args: impl Iterator<Item = &'a Arg>) -> String {
    let mut table = "| option | default | description |\n|---|---|---|\n".to_owned();
    for arg in args.filter(|arg| is_option(arg) && !arg.is_hide_set()) {
        let short = arg.get_short().map(|short| format!("`-{short}`, ")).unwrap_or_default();
        let values = arg.get_default_values();
        let defaults: Vec<String> =
            values.iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
        let defaults = if arg.get_action().takes_values() { defaults.join(", ") } else { String::new() };
        // clap displays `-o, --output <FORMAT>`: keep the long form
        let long = arg.to_string();
        writeln!(table, "| {short}`{}` | {defaults} | {} |", escape(&long), description(arg)).unwrap();
    }
    table
}

/// Returns the help of an argument, with its possible values.
fn description(arg: &Arg) -> String {
    let mut text = escape(&styled(arg.get_help()));
    let values = arg.get_possible_values();
    let shown: Vec<String> = values
        .iter()
        .filter(|value| !value.is_hide_set() && arg.get_action().takes_values())
        .map(|value| match value.get_help() {
            None => format!("`{}`", value.get_name()),
            Some(help) => {
                let help = help.to_string();
                format!("`{}`: {}", value.get_name(), escape(help.trim_end_matches('.')))
            }
        })
        .collect();
    if !shown.is_empty() {
        write!(text, "<br>{}", shown.join("<br>")).unwrap();
    }
    text
}

fn styled(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

fn escape(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn anchor(command: &Command) -> String {
    let command = visible(command).next().unwrap_or(command);
    command.get_bin_name().unwrap().replace(' ', "-")
}

#[test]
fn cli_documentation_matches_the_help() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, document()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), document(), "UPDATE_GOLDEN=1 writes it");
}

#[test]
fn every_option_has_a_help_text() {
    fn check(command: &Command) {
        assert!(command.get_about().is_some(), "{}", command.get_name());
        for arg in command.get_arguments().filter(|arg| is_option(arg)) {
            let help = styled(arg.get_help());
            assert!(!help.is_empty() && !help.ends_with('.'), "{} {arg}: {help}", command.get_name());
        }
        visible(command).for_each(check);
    }
    check(&Cli::command());
}
