//! Reads one kubeconfig file.
//!
//! `kube` has its own function for this, with one more YAML parser: 0.8 MB of the program.

use std::path::Path;

use kube::config::{Kubeconfig, KubeconfigError};
use serde::Deserialize as _;

/// Why a kubeconfig file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Read(#[from] std::io::Error),
    #[error("the file is not UTF-8 or UTF-16 text")]
    Encoding,
    #[error("failed to parse kubeconfig YAML: {0}")]
    Parse(#[from] serde_yaml::Error),
    #[error(transparent)]
    Merge(#[from] KubeconfigError),
}

/// Reads a file and merges its documents. Relative paths in it are relative to its directory.
pub(super) fn read(path: &Path) -> Result<Kubeconfig, Error> {
    let text = decode(std::fs::read(path)?)?;
    let mut merged: Option<Kubeconfig> = None;
    for document in serde_yaml::Deserializer::from_str(&text) {
        let Some(mut kubeconfig) = Option::<Kubeconfig>::deserialize(document)? else { continue };
        if let Some(directory) = path.parent() {
            resolve_paths(&mut kubeconfig, directory);
        }
        merged = Some(match merged {
            None => kubeconfig,
            Some(earlier) => earlier.merge(kubeconfig)?,
        });
    }
    Ok(merged.unwrap_or_default())
}

/// PowerShell on Windows writes UTF-16.
fn decode(bytes: Vec<u8>) -> Result<String, Error> {
    let utf16 = |unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> =
            bytes[2..].chunks(2).map(|pair| unit([pair[0], *pair.get(1).unwrap_or(&0)])).collect();
        String::from_utf16(&units).map_err(|_| Error::Encoding)
    };
    match bytes.as_slice() {
        [0xFF, 0xFE, ..] => utf16(u16::from_le_bytes),
        [0xFE, 0xFF, ..] => utf16(u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, text @ ..] => String::from_utf8(text.to_vec()).map_err(|_| Error::Encoding),
        _ => String::from_utf8(bytes).map_err(|_| Error::Encoding),
    }
}

fn resolve_paths(kubeconfig: &mut Kubeconfig, directory: &Path) {
    let resolve = |file: &mut Option<String>| {
        if let Some(file) = file.as_mut().filter(|file| Path::new(file.as_str()).is_relative())
            && let Some(resolved) = directory.join(file.as_str()).to_str()
        {
            resolved.clone_into(file);
        }
    };
    for cluster in kubeconfig.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
        resolve(&mut cluster.certificate_authority);
    }
    for user in kubeconfig.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
        resolve(&mut user.client_certificate);
        resolve(&mut user.client_key);
        resolve(&mut user.token_file);
        // without a separator it is looked up in PATH
        if let Some(program) = user.exec.as_mut()
            && program.command.as_ref().is_some_and(|command| command.contains(std::path::MAIN_SEPARATOR))
        {
            resolve(&mut program.command);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &[u8]) -> Result<Kubeconfig, Error> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config");
        std::fs::write(&path, text).unwrap();
        let mut kubeconfig = read(&path)?;
        for cluster in kubeconfig.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
            let relative = |file: String| file.replace(directory.path().to_str().unwrap(), "DIR");
            cluster.certificate_authority = cluster.certificate_authority.take().map(relative);
        }
        Ok(kubeconfig)
    }

    #[test]
    fn documents_are_merged_first_wins() {
        let text = "current-context: a\ncontexts: [{name: a, context: {cluster: 1, user: 007}}]\n---\n# nothing\n---\n\
            current-context: b\ncontexts: null\nclusters:\n- name: 1.10\n  cluster: {server: s, insecure-skip-tls-verify: true}\n";
        let read = read_text(text.as_bytes()).unwrap();
        assert_eq!(read.current_context.as_deref(), Some("a"));
        let context = read.contexts[0].context.as_ref().unwrap();
        assert_eq!((context.cluster.as_str(), context.user.as_deref()), ("1", Some("007")));
        assert_eq!(read.clusters[0].name, "1.10");
        assert_eq!(read.clusters[0].cluster.as_ref().unwrap().insecure_skip_tls_verify, Some(true));
    }

    #[test]
    fn empty_files_are_empty_kubeconfigs() {
        for text in ["", "\n", "# nothing\n", "---\n", "null\n"] {
            assert!(read_text(text.as_bytes()).unwrap().clusters.is_empty(), "{text:?}");
        }
    }

    #[test]
    fn relative_paths_start_at_the_file() {
        let read = read_text(b"clusters: [{name: a, cluster: {certificate-authority: ca/x.pem}}, {name: b, cluster: {certificate-authority: /x.pem}}]").unwrap();
        let authorities: Vec<_> = read
            .clusters
            .iter()
            .map(|named| named.cluster.as_ref().unwrap().certificate_authority.as_deref())
            .collect();
        assert_eq!(authorities, [Some("DIR/ca/x.pem"), Some("/x.pem")]);
    }

    #[test]
    fn other_encodings_are_decoded() {
        let text = "current-context: \u{e9}";
        let utf16: Vec<u16> = std::iter::once(0xFEFF).chain(text.encode_utf16()).collect();
        let little: Vec<u8> = utf16.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = utf16.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        for bytes in [little, big, ["\u{feff}", text].concat().into_bytes()] {
            assert_eq!(read_text(&bytes).unwrap().current_context.as_deref(), Some("\u{e9}"));
        }
        assert!(matches!(read_text(b"\xff\xff"), Err(Error::Encoding)));
    }

    #[test]
    fn what_is_no_kubeconfig_is_an_error() {
        for text in ["contexts: [", "text", "contexts: {}", "clusters: [{cluster: {}}]"] {
            assert!(matches!(read_text(text.as_bytes()), Err(Error::Parse(_))), "{text:?}");
        }
    }
}
