//! Reads one kubeconfig file.
//!
//! The types have no `Debug`: they hold credentials. Fields without a value are the same as absent ones, as in kubectl.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::yaml_node::{self, InvalidYaml, YamlNode};
use crate::k8s::error::KubeconfigError;

/// Content of kubeconfig files. The lists have unique names.
#[derive(Clone, Default)]
pub(super) struct Kubeconfig {
    pub(super) current_context: Option<String>,
    pub(super) contexts: Vec<(String, Context)>,
    pub(super) clusters: Vec<(String, Cluster)>,
    pub(super) users: Vec<(String, KubeconfigUser)>,
}

#[derive(Clone, Default)]
pub(super) struct Context {
    pub(super) cluster: Option<String>,
    pub(super) user: Option<String>,
    pub(super) namespace: Option<String>,
}

#[derive(Clone, Default)]
pub(super) struct Cluster {
    pub(super) server: Option<String>,
    pub(super) insecure: bool,
    pub(super) authority: DataSource,
    pub(super) proxy_url: Option<String>,
    pub(super) tls_server_name: Option<String>,
    /// The extension for login programs.
    pub(super) login_config: Option<Json>,
}

#[derive(Clone, Default)]
pub(super) struct KubeconfigUser {
    pub(super) token: Option<String>,
    pub(super) token_file: Option<PathBuf>,
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) certificate: DataSource,
    pub(super) key: DataSource,
    pub(super) impersonate: Option<String>,
    pub(super) impersonate_uid: Option<String>,
    pub(super) impersonate_groups: Vec<String>,
    pub(super) impersonate_extra: Vec<(String, String)>,
    pub(super) auth_provider: Option<AuthProvider>,
    pub(super) exec: Option<ExecPlugin>,
}

/// Data that is part of the file, or the path of a file with it.
#[derive(Clone, Default)]
pub(super) struct DataSource {
    pub(super) data: Option<Vec<u8>>,
    pub(super) file: Option<PathBuf>,
}

impl DataSource {
    pub(super) fn is_empty(&self) -> bool {
        self.data.is_none() && self.file.is_none()
    }

    /// Reads the data. Data in the kubeconfig overrides a file.
    pub(super) fn read(&self) -> std::io::Result<Option<Vec<u8>>> {
        match (&self.data, &self.file) {
            (Some(data), _) => Ok(Some(data.clone())),
            (None, Some(file)) => std::fs::read(file).map(Some),
            (None, None) => Ok(None),
        }
    }
}

/// Login that older versions of kubectl had built in.
#[derive(Clone)]
pub(super) struct AuthProvider {
    pub(super) name: String,
    pub(super) id_token: Option<String>,
}

/// Program that prints credentials.
#[derive(Clone, Default)]
pub(super) struct ExecPlugin {
    pub(super) api_version: Option<String>,
    pub(super) command: Option<String>,
    pub(super) arguments: Vec<String>,
    pub(super) variables: Vec<(String, String)>,
    pub(super) install_hint: Option<String>,
    pub(super) interactive_mode: Option<String>,
    pub(super) provide_cluster_info: bool,
}

impl Kubeconfig {
    /// Adds what another file has, and this one has not.
    pub(super) fn merge(&mut self, other: Self) {
        fn add<T>(to: &mut Vec<(String, T)>, from: Vec<(String, T)>) {
            for (name, value) in from {
                if !to.iter().any(|(known, _)| *known == name) {
                    to.push((name, value));
                }
            }
        }
        self.current_context = self.current_context.take().or(other.current_context);
        add(&mut self.contexts, other.contexts);
        add(&mut self.clusters, other.clusters);
        add(&mut self.users, other.users);
    }
}

/// Reads a file and merges its documents. Relative paths in it are relative to its directory.
pub(super) fn read(path: &Path) -> Result<Kubeconfig, KubeconfigError> {
    let text = decode(std::fs::read(path)?)?;
    parse(&text, path.parent().unwrap_or(Path::new("")))
}

pub(super) fn parse(text: &str, directory: &Path) -> Result<Kubeconfig, KubeconfigError> {
    let documents =
        yaml_node::read(text).map_err(|InvalidYaml { at, reason }| KubeconfigError::Syntax { at, reason })?;
    let mut merged = Kubeconfig::default();
    for document in documents.iter().filter(|document| !document.is_null()) {
        merged.merge(Reader { directory }.kubeconfig(document)?);
    }
    Ok(merged)
}

/// PowerShell on Windows writes UTF-16.
fn decode(bytes: Vec<u8>) -> Result<String, KubeconfigError> {
    let utf16 = |unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> =
            bytes[2..].chunks(2).map(|pair| unit([pair[0], *pair.get(1).unwrap_or(&0)])).collect();
        String::from_utf16(&units).map_err(|_| KubeconfigError::Encoding)
    };
    match bytes.as_slice() {
        [0xFF, 0xFE, ..] => utf16(u16::from_le_bytes),
        [0xFE, 0xFF, ..] => utf16(u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, text @ ..] => {
            String::from_utf8(text.to_vec()).map_err(|_| KubeconfigError::Encoding)
        }
        _ => String::from_utf8(bytes).map_err(|_| KubeconfigError::Encoding),
    }
}

/// Reads nodes. Paths in them are relative to a directory.
struct Reader<'a> {
    directory: &'a Path,
}

/// Mapping, and its path in the document for errors.
struct Mapping<'a> {
    path: String,
    node: &'a YamlNode,
}

impl<'a> Mapping<'a> {
    fn new(path: String, node: &'a YamlNode) -> Result<Self, KubeconfigError> {
        let mapping = Self { path, node };
        match node.as_map() {
            Some(_) => Ok(mapping),
            None => Err(KubeconfigError::Field { path: mapping.path, at: node.at, expected: "a mapping" }),
        }
    }

    fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn wrong(&self, key: &str, node: &YamlNode, expected: &'static str) -> KubeconfigError {
        KubeconfigError::Field { path: self.path(key), at: node.at, expected }
    }

    /// Reads a value by a function that returns `None` for another type.
    fn value<T>(
        &self,
        key: &str,
        expected: &'static str,
        read: impl Fn(&YamlNode) -> Option<T>,
    ) -> Result<Option<T>, KubeconfigError> {
        let Some(node) = self.node.get(key) else { return Ok(None) };
        read(node).map(Some).ok_or_else(|| self.wrong(key, node, expected))
    }

    fn text(&self, key: &str) -> Result<Option<String>, KubeconfigError> {
        Ok(self.value(key, "a text", YamlNode::as_text)?.filter(|text| !text.is_empty()))
    }

    fn data(&self, key: &str) -> Result<Option<Vec<u8>>, KubeconfigError> {
        Ok(self.value(key, "base64", YamlNode::as_bytes)?.filter(|data| !data.is_empty()))
    }

    fn flag(&self, key: &str) -> Result<bool, KubeconfigError> {
        Ok(self.value(key, "true or false", YamlNode::as_bool)?.unwrap_or(false))
    }

    fn mapping(&self, key: &str) -> Result<Option<Mapping<'a>>, KubeconfigError> {
        self.node.get(key).map(|node| Mapping::new(self.path(key), node)).transpose()
    }

    fn list(&self, key: &str) -> Result<Vec<(String, &'a YamlNode)>, KubeconfigError> {
        let Some(node) = self.node.get(key) else { return Ok(Vec::new()) };
        let items = node.as_list().ok_or_else(|| self.wrong(key, node, "a list"))?;
        let path = |index: usize| format!("{}[{index}]", self.path(key));
        Ok(items.iter().enumerate().map(|(index, item)| (path(index), item)).collect())
    }

    fn texts(&self, key: &str) -> Result<Vec<String>, KubeconfigError> {
        let text = |(path, node): (String, &YamlNode)| {
            node.as_text().ok_or(KubeconfigError::Field { path, at: node.at, expected: "a text" })
        };
        self.list(key)?.into_iter().map(text).collect()
    }

    fn mappings(&self, key: &str) -> Result<Vec<Mapping<'a>>, KubeconfigError> {
        let items = self.list(key)?.into_iter().filter(|(_, node)| !node.is_null());
        items.map(|(path, node)| Mapping::new(path, node)).collect()
    }
}

impl Reader<'_> {
    fn kubeconfig(&self, node: &YamlNode) -> Result<Kubeconfig, KubeconfigError> {
        let root = Mapping::new(String::new(), node)?;
        for (key, expected) in [("kind", "Config"), ("apiVersion", "v1")] {
            if let Some(found) =
                root.node.get(key).filter(|found| found.as_text().as_deref() != Some(expected))
            {
                return Err(root.wrong(key, found, expected));
            }
        }
        Ok(Kubeconfig {
            current_context: root.text("current-context")?,
            contexts: named(&root, "contexts", "context", |entry| {
                Ok(Context {
                    cluster: entry.text("cluster")?,
                    user: entry.text("user")?,
                    namespace: entry.text("namespace")?,
                })
            })?,
            clusters: named(&root, "clusters", "cluster", |entry| self.cluster(entry))?,
            users: named(&root, "users", "user", |entry| self.user(entry))?,
        })
    }

    fn file(&self, entry: &Mapping<'_>, key: &str) -> Result<Option<PathBuf>, KubeconfigError> {
        Ok(entry.text(key)?.map(|file| self.directory.join(file)))
    }

    fn source(&self, entry: &Mapping<'_>, key: &str) -> Result<DataSource, KubeconfigError> {
        Ok(DataSource { data: entry.data(&format!("{key}-data"))?, file: self.file(entry, key)? })
    }

    fn cluster(&self, entry: &Mapping<'_>) -> Result<Cluster, KubeconfigError> {
        let extensions = entry.mappings("extensions")?;
        let for_login = extensions.iter().find(|extension| {
            let name = extension.node.get("name").and_then(YamlNode::as_text);
            name.as_deref() == Some("client.authentication.k8s.io/exec")
        });
        Ok(Cluster {
            server: entry.text("server")?,
            insecure: entry.flag("insecure-skip-tls-verify")?,
            authority: self.source(entry, "certificate-authority")?,
            proxy_url: entry.text("proxy-url")?,
            tls_server_name: entry.text("tls-server-name")?,
            login_config: for_login.and_then(|found| found.node.get("extension")).map(YamlNode::to_json),
        })
    }

    fn user(&self, entry: &Mapping<'_>) -> Result<KubeconfigUser, KubeconfigError> {
        let mut extra = Vec::new();
        if let Some(attributes) = entry.mapping("as-user-extra")? {
            for (key, _) in attributes.node.as_map().unwrap_or_default() {
                extra.extend(attributes.texts(key)?.into_iter().map(|value| (key.clone(), value)));
            }
        }
        let auth_provider = entry.mapping("auth-provider")?.map(|provider| {
            let id_token = provider.mapping("config")?.map(|config| config.text("id-token")).transpose()?;
            let name = provider.text("name")?.unwrap_or_default();
            Ok::<_, KubeconfigError>(AuthProvider { name, id_token: id_token.flatten() })
        });
        Ok(KubeconfigUser {
            token: entry.text("token")?,
            token_file: self.file(entry, "tokenFile")?,
            username: entry.text("username")?,
            password: entry.text("password")?,
            certificate: self.source(entry, "client-certificate")?,
            key: self.source(entry, "client-key")?,
            impersonate: entry.text("as")?,
            impersonate_uid: entry.text("as-uid")?,
            impersonate_groups: entry.texts("as-groups")?,
            impersonate_extra: extra,
            auth_provider: auth_provider.transpose()?,
            exec: entry.mapping("exec")?.map(|plugin| self.exec(&plugin)).transpose()?,
        })
    }

    fn exec(&self, entry: &Mapping<'_>) -> Result<ExecPlugin, KubeconfigError> {
        let mut variables = Vec::new();
        for variable in entry.mappings("env")? {
            let name = variable.text("name")?;
            let name = name.ok_or_else(|| variable.wrong("name", variable.node, "the name of a variable"))?;
            variables.push((name, variable.text("value")?.unwrap_or_default()));
        }
        let command = entry.text("command")?.map(|command| {
            // without a separator it is looked up in PATH
            let is_path = command.contains(std::path::is_separator);
            if is_path { self.directory.join(&command).display().to_string() } else { command }
        });
        Ok(ExecPlugin {
            api_version: entry.text("apiVersion")?,
            command,
            arguments: entry.texts("args")?,
            variables,
            install_hint: entry.text("installHint")?,
            interactive_mode: entry.text("interactiveMode")?,
            provide_cluster_info: entry.flag("provideClusterInfo")?,
        })
    }
}

/// Reads a list of named entries.
fn named<T: Default>(
    root: &Mapping<'_>,
    list: &str,
    key: &str,
    read: impl Fn(&Mapping<'_>) -> Result<T, KubeconfigError>,
) -> Result<Vec<(String, T)>, KubeconfigError> {
    let mut entries: Vec<(String, T)> = Vec::new();
    for entry in root.mappings(list)? {
        let name = entry.text("name")?.unwrap_or_default();
        if entries.iter().any(|(known, _)| *known == name) {
            return Err(entry.wrong("name", entry.node, "a unique name"));
        }
        let value = entry.mapping(key)?.map(|value| read(&value)).transpose()?;
        entries.push((name, value.unwrap_or_default()));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &[u8]) -> Result<Kubeconfig, KubeconfigError> {
        parse(&decode(text.to_vec())?, Path::new("DIR"))
    }

    #[test]
    fn documents_are_merged_first_wins() {
        let text = "current-context: a\ncontexts: [{name: a, context: {cluster: 1, user: 007}}]\n---\n# nothing\n---\n\
            current-context: b\ncontexts: null\nclusters:\n- name: 1.10\n  cluster: {server: s, insecure-skip-tls-verify: true}\n";
        let texts = read_text(text.as_bytes()).unwrap();
        assert_eq!(texts.current_context.as_deref(), Some("a"));
        let (_, context) = &texts.contexts[0];
        assert_eq!((context.cluster.as_deref(), context.user.as_deref()), (Some("1"), Some("007")));
        assert_eq!(texts.clusters[0].0, "1.10");
        assert!(texts.clusters[0].1.insecure);
    }

    #[test]
    fn empty_files_are_empty_kubeconfigs() {
        for text in ["", "\n", "# nothing\n", "---\n", "null\n"] {
            assert!(read_text(text.as_bytes()).unwrap().clusters.is_empty(), "{text:?}");
        }
    }

    #[test]
    fn relative_paths_start_at_the_file() {
        let text = "clusters: [{name: a, cluster: {certificate-authority: ca/x.pem}}, \
            {name: b, cluster: {certificate-authority: /x.pem}}]\n\
            users: [{name: a, user: {exec: {command: ./login}}}, {name: b, user: {exec: {command: login}}}]";
        let texts = read_text(text.as_bytes()).unwrap();
        let authorities = texts.clusters.iter().map(|(_, cluster)| cluster.authority.file.clone().unwrap());
        assert_eq!(authorities.collect::<Vec<_>>(), [Path::new("DIR/ca/x.pem"), Path::new("/x.pem")]);
        let programs = texts.users.iter().map(|(_, user)| user.exec.clone().unwrap().command.unwrap());
        assert_eq!(programs.collect::<Vec<_>>(), ["DIR/./login", "login"]);
    }

    #[test]
    fn other_encodings_are_decoded() {
        let text = "current-context: \u{e9}";
        let utf16: Vec<u16> = std::iter::once(0xFEFF).chain(text.encode_utf16()).collect();
        let little: Vec<u8> = utf16.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big_endian: Vec<u8> = utf16.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        for bytes in [little, big_endian, ["\u{feff}", text].concat().into_bytes()] {
            assert_eq!(read_text(&bytes).unwrap().current_context.as_deref(), Some("\u{e9}"));
        }
        assert!(matches!(read_text(b"\xff\xff"), Err(KubeconfigError::Encoding)));
    }

    #[test]
    fn invalid_kubeconfig_is_an_error() {
        let check = |text: &str, expected: &str| {
            let error = read_text(text.as_bytes()).err().unwrap_or_else(|| panic!("{text}")).to_string();
            assert_eq!(error, expected, "{text}");
            assert!(!error.contains("s3cret"), "{error}");
        };
        check("contexts: [", "line 1, column 12: invalid YAML");
        check("text", "line 1, column 1: expected a mapping");
        check("contexts: {}", "line 1, column 11: contexts: expected a list");
        check("kind: Pod", "line 1, column 7: kind: expected Config");
        let token = "users:\n- name: u\n  user:\n    token: [s3cret]";
        check(token, "line 4, column 12: users[0].user.token: expected a text");
        let key = "users:\n- name: u\n  user:\n    client-key-data: s3cret+not-base64";
        check(key, "line 4, column 22: users[0].user.client-key-data: expected base64");
        let insecure = "clusters: [{name: c, cluster: {insecure-skip-tls-verify: 's3cret'}}]";
        check(
            insecure,
            "line 1, column 58: clusters[0].cluster.insecure-skip-tls-verify: expected true or false",
        );
        let twice = "users: [{name: u}, {name: u}]";
        check(twice, "line 1, column 20: users[1].name: expected a unique name");
        let broken = "users:\n- user:\n    token: s3cret: s3cret";
        check(broken, "line 3, column 18: invalid YAML");
    }
}
