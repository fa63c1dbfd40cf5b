//! Sources of experiments: files, standard input, HTTP addresses.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use url::Url;

use crate::config::{ProcessEnv, Settings};
use crate::diagnostic::{Diagnostic, Position};
use crate::error_code::message_chain;
use crate::experiment::document::{self, Document, MAX_BYTES};
use crate::experiment::resolve::Verification;
use crate::experiment::{DocumentKind, json, yaml};
use crate::http_client::{self, ClientOptions, describe};

/// Timeout for an experiment from a server.
const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The variable whose value is sent as a bearer token when an experiment is fetched.
const BEARER_TOKEN: &str = "CHAOSTOOLKIT_LOADER_AUTH_BEARER_TOKEN";
/// Path of standard input.
const STANDARD_INPUT: &str = "-";

/// Format of a source, by its name or its content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SourceFormat {
    Json,
    Yaml,
    /// Unknown: JSON if it can be parsed as such, else YAML.
    Either,
}

/// Reads an experiment. Error messages are those of the Chaos Toolkit where it has one.
pub async fn read(
    source: &str,
    settings: &Settings,
    environment: &ProcessEnv,
    verify_tls: bool,
) -> Result<Document, Diagnostic> {
    if source == STANDARD_INPUT {
        let bytes = read_all(std::io::stdin().lock(), "standard input")?;
        return parse(&bytes, SourceFormat::Either, "standard input");
    }
    let path = Path::new(source);
    if path.exists() {
        let bytes = read_file(path, source)?;
        return parse(&bytes, by_extension(path), source);
    }
    let display = http_client::display_url(source);
    match Url::parse(source) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => {
            let (bytes, format) = fetch(&url, &display, settings, environment, verify_tls).await?;
            parse(&bytes, format, &display)
        }
        Ok(url) if source.contains("://") => Err(Diagnostic::for_file(
            display,
            format!("'{}' is not a supported source scheme.", url.scheme()),
        )
        .hint("use a file, - for standard input, or an http or https address")),
        _ => Err(Diagnostic::for_file(source, format!("Path \"{source}\" does not exist."))
            .hint("use a file, an http or https address, or - for standard input")),
    }
}

fn by_extension(path: &Path) -> SourceFormat {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("json") => SourceFormat::Json,
        Some("yaml" | "yml") => SourceFormat::Yaml,
        _ => SourceFormat::Either,
    }
}

fn read_file(path: &Path, source: &str) -> Result<Vec<u8>, Diagnostic> {
    if path.is_dir() {
        return Err(Diagnostic::for_file(source, format!("'{source}' is a directory, not an experiment"))
            .hint("name a file in it"));
    }
    let file = std::fs::File::open(path)
        .map_err(|error| Diagnostic::for_file(source, format!("cannot read the file: {error}")))?;
    read_all(file, source)
}

/// Reads up to the size that [`document::decode`] accepts.
fn read_all(reader: impl std::io::Read, source: &str) -> Result<Vec<u8>, Diagnostic> {
    let mut bytes = Vec::new();
    let result = reader.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes);
    result.map_err(|error| Diagnostic::for_file(source, format!("cannot read the file: {error}")))?;
    Ok(bytes)
}

fn parse(bytes: &[u8], format: SourceFormat, source: &str) -> Result<Document, Diagnostic> {
    let text = document::decode(bytes, source)?;
    parse_text(text, format, source).map_err(|fault| match DocumentKind::recognize_text(text) {
        // an experiment with an error in its syntax
        None | Some(DocumentKind::Experiment) => fault,
        Some(kind) => Diagnostic::for_file(source, format!("this is {kind}, not an experiment"))
            .at(Position { line: 1, column: 1 })
            .hint(kind.hint_for_experiment()),
    })
}

fn parse_text(text: &str, format: SourceFormat, source: &str) -> Result<Document, Diagnostic> {
    match format {
        SourceFormat::Json => json::read(text, source).map_err(|fault| json_fault(fault, text, source)),
        SourceFormat::Either if text.trim_start().starts_with(['{', '[']) => match json::read(text, source) {
            // YAML flow collections begin with the same brackets
            Err(fault) => yaml::read(text, source).map_err(|_| fault),
            read => read,
        },
        SourceFormat::Yaml | SourceFormat::Either => yaml::read(text, source).map_err(yaml_fault),
    }
}

/// Changes the hint if the text is YAML with comments.
fn json_fault(fault: Diagnostic, text: &str, source: &str) -> Diagnostic {
    let is_comment = fault.position.is_some_and(|position| json::is_yaml_comment(text, position));
    if is_comment && yaml::read(text, source).is_ok() {
        fault.hint("save the file as .yaml, which has comments, or remove them: JSON has none")
    } else {
        fault
    }
}

/// Replaces the message of invalid YAML by that of the Chaos Toolkit, which has a line break in it.
fn yaml_fault(mut fault: Diagnostic) -> Diagnostic {
    if let Some(message) = fault.message.strip_prefix(yaml::BROKEN) {
        fault.message = format!("Failed parsing YAML experiment: {}", message.replacen(", ", "\n", 1));
    }
    fault
}

async fn fetch(
    url: &Url,
    shown: &str,
    settings: &Settings,
    environment: &ProcessEnv,
    verify_tls: bool,
) -> Result<(Vec<u8>, SourceFormat), Diagnostic> {
    let fault = |message: String| Diagnostic::for_file(shown, message);
    let verification =
        if verify_tls { http_client::trust(|name| environment.get(name)) } else { Verification::None };
    let options = ClientOptions {
        connect_timeout: Some(CONNECT_TIMEOUT),
        timeout: Some(TIMEOUT),
        ..ClientOptions::default()
    };
    let client = http_client::build(&verification, options).map_err(|error| fault(message_chain(&error)))?;
    let mut request = client.get(url.clone()).header("Accept", "application/json, application/x-yaml");
    if !url.username().is_empty() || url.password().is_some() {
        // the client sends the credentials of the address, which override the others
    } else if let Some(token) = environment.get(BEARER_TOKEN).filter(|token| !token.is_empty()) {
        request = request.header("Authorization", format!("bearer {}", token.trim()));
    } else if let Some(header) = settings.authorization(authority(url)) {
        request = request.header("Authorization", header);
    }
    let unreachable = |error: reqwest::Error| {
        let problem = if error.is_timeout() && !error.is_connect() {
            format!("no answer within {} seconds", TIMEOUT.as_secs())
        } else {
            describe(&error.without_url())
        };
        fault(format!("Failed to fetch the experiment: {problem}"))
    };
    let mut response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    let header = response
        .headers()
        .get("Content-Type")
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_BYTES {
            break;
        }
    }
    if status != reqwest::StatusCode::OK {
        let excerpt = String::from_utf8_lossy(&bytes);
        let excerpt = excerpt.trim().chars().take(500).collect::<String>();
        // HTML pages are for browsers
        let is_page = header.as_deref().is_some_and(|kind| kind.contains("html")) || excerpt.starts_with('<');
        let excerpt = if excerpt.is_empty() || is_page { status.to_string() } else { excerpt };
        return Err(fault(format!("Failed to fetch the experiment: {excerpt}"))
            .hint(format!("the server answered with {status}")));
    }
    Ok((bytes, by_content_type(header.as_deref()).map_err(|error| fault(error.to_string()))?))
}

/// Returns the host of an address, with the port if given.
fn authority(url: &Url) -> &str {
    let authority = url.authority();
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// Error of a server that sends another content type than JSON or YAML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server sent {0}, which is neither JSON nor YAML")]
struct UnknownContentType(String);

fn by_content_type(header: Option<&str>) -> Result<SourceFormat, UnknownContentType> {
    let Some(header) = header else { return Ok(SourceFormat::Either) };
    let is = |kind: &str| header.contains(kind);
    if is("application/json") {
        Ok(SourceFormat::Json)
    } else if is("application/x-yaml") || is("application/yaml") || is("text/yaml") {
        Ok(SourceFormat::Yaml)
    } else if is("text/plain") {
        Ok(SourceFormat::Either)
    } else {
        Err(UnknownContentType(header.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_follows_extension_content_type_or_content() {
        let extension = |path: &str| by_extension(Path::new(path));
        assert_eq!(extension("a.JSON"), SourceFormat::Json);
        assert_eq!(extension("a.b.Yml"), SourceFormat::Yaml);
        assert_eq!(extension("a"), SourceFormat::Either);
        assert_eq!(extension(".json"), SourceFormat::Either);
        assert_eq!(by_content_type(Some("application/json; charset=utf-8")), Ok(SourceFormat::Json));
        assert_eq!(by_content_type(Some("text/plain")), Ok(SourceFormat::Either));
        assert_eq!(by_content_type(None), Ok(SourceFormat::Either));
        assert!(by_content_type(Some("text/html")).is_err());
        let either = |text: &str| parse(text.as_bytes(), SourceFormat::Either, "f").is_ok();
        assert!(either("{\"a\": 1}") && either("{a: 1}") && either("a: 1") && either("\u{feff}[1]"));
        assert!(!either("{\"a\": ]"));
    }

    #[test]
    fn authority_has_no_credentials() {
        assert_eq!(authority(&Url::parse("http://me:pw@h:81/x").unwrap()), "h:81");
        assert_eq!(authority(&Url::parse("https://h/x").unwrap()), "h");
    }
}
