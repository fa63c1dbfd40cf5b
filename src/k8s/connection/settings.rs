//! Checks a cluster and a user, and turns them into the settings of a client.
//!
//! The checks are those of kubectl: it refuses settings that contradict each other.

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use rustls::pki_types::ServerName;
use url::{Host, Url};

use super::FoundConnection;
use super::kubeconfig_file::{Cluster, DataSource, ExecPlugin, KubeconfigUser};
use crate::config::ProcessEnv;
use crate::http_client::{ProxyAddress, TrustedCertificates, parse_certificates, proxy_for};
use crate::k8s::error::{Cause, SettingsProblem as Problem};
use crate::k8s::login::{ClientIdentity, LoginMethod, LoginProgram, basic_authorization, load_identity};
use crate::k8s::secrets::ConnectionSecrets;
use crate::k8s::transport::TransportSettings;

/// Checks the connection. Adds its credentials to the secrets.
pub(super) fn check(
    found: &FoundConnection,
    environment: &ProcessEnv,
    unattended: bool,
    secrets: &ConnectionSecrets,
) -> Result<TransportSettings, Problem> {
    let FoundConnection { cluster, user, .. } = found;
    secrets.add(credentials(cluster, user));
    let text = cluster.server.as_deref().ok_or(Problem::NoServer)?;
    let scheme = if found.has_variables { "https" } else { "http" };
    let mut server = server_url(text, scheme)
        .ok_or_else(|| Problem::InvalidServer(crate::http_client::display_url(text)))?;
    let of_address = take_userinfo(&mut server);
    check_login(user)?;
    // as kubectl: without TLS only a password in the address is sent
    let is_withheld = server.scheme() == "http" && !found.has_variables;
    let (trusted, identity, login) = if is_withheld {
        readable(cluster, user)?;
        let login = of_address.map_or(LoginMethod::None, LoginMethod::Fixed);
        (TrustedCertificates::Machine, None, login)
    } else {
        let login = match of_address {
            Some(authorization) if !has_login(user) => LoginMethod::Fixed(authorization),
            _ => login(found, environment, unattended)?,
        };
        (read_root_certificates(cluster, found.in_cluster, secrets)?, identity(user, secrets)?, login)
    };
    let name = cluster.tls_server_name.clone();
    let server_name =
        name.map(|name| ServerName::try_from(name.clone()).map_err(|_| Problem::InvalidServerName(name)));
    Ok(TransportSettings {
        proxy: proxy(cluster, &server, environment)?,
        server,
        trusted,
        server_name: server_name.transpose()?,
        identity,
        login,
        withholds_credentials: is_withheld && (has_login(user) || !user.certificate.is_empty()),
        headers: impersonation(user)?,
    })
}

/// Returns everything in the settings that may be secret.
fn credentials(cluster: &Cluster, user: &KubeconfigUser) -> Vec<String> {
    use base64::Engine as _;
    let encode = |bytes: &[u8]| base64::prelude::BASE64_STANDARD.encode(bytes);
    let mut secrets_of_user: Vec<String> =
        [&user.token, &user.password].into_iter().flatten().cloned().collect();
    if let Some(password) = &user.password {
        let name = user.username.as_deref().unwrap_or_default();
        secrets_of_user.push(encode(format!("{name}:{password}").as_bytes()));
    }
    for url in [&cluster.server, &cluster.proxy_url].into_iter().flatten() {
        if let Ok(url) = Url::parse(url)
            && (!url.username().is_empty() || url.password().is_some())
        {
            let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            let (name, password) = (decode(url.username()), decode(url.password().unwrap_or_default()));
            secrets_of_user.push(encode(format!("{name}:{password}").as_bytes()));
            secrets_of_user.extend([url.password().unwrap_or_default().to_owned(), password]);
        }
    }
    if let Some(key) = &user.key.data {
        secrets_of_user.push(encode(key));
        secrets_of_user.push(String::from_utf8_lossy(key).into_owned());
    }
    secrets_of_user.extend(user.auth_provider.as_ref().and_then(|provider| provider.id_token.clone()));
    if let Some(plugin) = &user.exec {
        secrets_of_user.extend(plugin_secrets(plugin));
    }
    secrets_of_user
}

/// Returns the arguments and variables of a login program that may be secret.
fn plugin_secrets(plugin: &ExecPlugin) -> Vec<String> {
    let mut logins = Vec::new();
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() && (!is_plain(value) || is_secret_name(name)) {
            logins.push(value.to_owned());
        }
    };
    let mut before = "";
    for argument in &plugin.arguments {
        match argument.split_once('=') {
            Some((flag, value)) => add(flag, value),
            None if argument.starts_with('-') => {}
            None => add(before, argument),
        }
        before = argument;
    }
    plugin.variables.iter().for_each(|(name, value)| add(name, value));
    logins
}

/// Whether a value is an ordinary word, such as `get-token`. Masking it would make a message unreadable.
fn is_plain(value: &str) -> bool {
    value.len() < 4 || value.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["secret", "token", "password", "passwd", "key", "credential"].iter().any(|word| name.contains(word))
}

/// Parses the address of an API server that may have no scheme. In a kubeconfig and in `--server` that means http, as in
/// kubectl.
pub(super) fn server_url(text: &str, default_scheme: &str) -> Option<Url> {
    let text = text.trim();
    let usable = |url: &Url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
    let parsed = Url::parse(text).ok().filter(usable);
    let mut url = match parsed {
        Some(url) => url,
        None if text.is_empty() || text.contains("://") => return None,
        None => {
            let url = Url::parse(&format!("{default_scheme}://{text}")).ok().filter(usable)?;
            Some(url).filter(|url| url.path() == "/")?
        }
    };
    url.set_query(None);
    url.set_fragment(None);
    Some(url)
}

/// Removes user and password from an address, and returns them as a header.
fn take_userinfo(url: &mut Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (name, password) = (decode(url.username()), decode(url.password().unwrap_or_default()));
    url.set_username("").and_then(|()| url.set_password(None)).ok()?;
    basic_authorization(&name, &password)
}

fn has_login(user: &KubeconfigUser) -> bool {
    user.token.is_some()
        || user.token_file.is_some()
        || user.username.is_some()
        || user.password.is_some()
        || user.exec.is_some()
        || user.auth_provider.is_some()
}

/// Refuses contradictions, as kubectl does.
fn check_login(user: &KubeconfigUser) -> Result<(), Problem> {
    if user.token.is_some() && (user.username.is_some() || user.password.is_some()) {
        return Err(Problem::TwoLogins("a token", "a password"));
    }
    if user.token_file.is_some() && (user.username.is_some() || user.password.is_some()) {
        return Err(Problem::TwoLogins("a token file", "a password"));
    }
    if user.exec.is_some() && user.auth_provider.is_some() {
        return Err(Problem::TwoLogins("a login program", "an auth-provider"));
    }
    let impersonates = !user.impersonate_groups.is_empty()
        || user.impersonate_uid.is_some()
        || !user.impersonate_extra.is_empty();
    if impersonates && user.impersonate.is_none() {
        return Err(Problem::NoUserToImpersonate);
    }
    Ok(())
}

fn read(source: &DataSource, field: &'static str) -> Result<Option<Vec<u8>>, Problem> {
    if source.data.is_some() && source.file.is_some() {
        return Err(Problem::DataAndFile(field));
    }
    source.read().map_err(|error| Problem::UnreadableFile {
        path: source.file.clone().unwrap_or_default(),
        source: error,
    })
}

/// Checks that the files exist, as kubectl does for a connection that does not use them.
fn readable(cluster: &Cluster, user: &KubeconfigUser) -> Result<(), Problem> {
    read(&cluster.authority, "certificate-authority")?;
    if read(&user.certificate, "client-certificate")?.is_some() {
        read(&user.key, "client-key")?.ok_or(Problem::NoKey)?;
    }
    Ok(())
}

/// Returns the certificates that are trusted. The file of a Pod is read again, because it is replaced.
fn read_root_certificates(
    cluster: &Cluster,
    in_cluster: bool,
    secrets: &ConnectionSecrets,
) -> Result<TrustedCertificates, Problem> {
    let Some(pem) = read(&cluster.authority, "certificate-authority")? else {
        return Ok(if cluster.insecure { TrustedCertificates::Any } else { TrustedCertificates::Machine });
    };
    if cluster.insecure {
        return Err(Problem::AuthorityAndInsecure);
    }
    let certificates = parse_certificates(&pem)
        .map_err(|error| Problem::InvalidAuthority(Cause::new(error.as_ref(), secrets)))?;
    if certificates.is_empty() {
        return Err(Problem::NoAuthority);
    }
    Ok(match &cluster.authority.file {
        Some(file) if in_cluster => TrustedCertificates::File(file.clone()),
        _ => TrustedCertificates::Given(certificates),
    })
}

/// Returns the client certificate.
fn identity(user: &KubeconfigUser, secrets: &ConnectionSecrets) -> Result<Option<ClientIdentity>, Problem> {
    let Some(certificate) = read(&user.certificate, "client-certificate")? else { return Ok(None) };
    let key = read(&user.key, "client-key")?.ok_or(Problem::NoKey)?;
    secrets.add([String::from_utf8_lossy(&key).into_owned()]);
    match load_identity(&certificate, &key) {
        Ok(identity) => Ok(Some(identity)),
        Err(error) => Err(Problem::InvalidIdentity(Cause::new(error.as_ref(), secrets))),
    }
}

/// Returns how requests are authenticated. Only a login program of the selected user is started.
fn login(
    found: &FoundConnection,
    environment: &ProcessEnv,
    unattended: bool,
) -> Result<LoginMethod, Problem> {
    let user = &found.user;
    let scheme = found.token_scheme.as_deref().unwrap_or("Bearer");
    // as kubectl: the file first, then the token beside it
    if let Some(file) = &user.token_file {
        let fallback = user.token.as_deref().map(|token| token_header(scheme, token)).transpose()?;
        match (std::fs::read_to_string(file), &fallback) {
            (Ok(text), _) if !text.trim().is_empty() => drop(token_header(scheme, &text)?),
            (_, Some(_)) => {}
            (Ok(_), None) => return Err(Problem::EmptyTokenFile { path: file.clone() }),
            (Err(source), None) => return Err(Problem::UnreadableFile { path: file.clone(), source }),
        }
        return Ok(LoginMethod::File { path: file.clone(), fallback });
    }
    if let Some(token) = &user.token {
        return Ok(LoginMethod::Fixed(token_header(scheme, token)?));
    }
    if user.username.is_some() || user.password.is_some() {
        let (name, password) = (user.username.as_deref(), user.password.as_deref());
        let header = basic_authorization(name.unwrap_or_default(), password.unwrap_or_default());
        return Ok(LoginMethod::Fixed(header.ok_or(Problem::InvalidHeader("password"))?));
    }
    if let Some(provider) = &user.auth_provider {
        let token = provider.id_token.as_deref().filter(|_| provider.name == "oidc");
        let token = token.ok_or_else(|| Problem::AuthProvider { name: provider.name.clone() })?;
        return Ok(LoginMethod::Fixed(token_header("Bearer", token)?));
    }
    match &user.exec {
        Some(plugin) if user.certificate.is_empty() => {
            Ok(LoginMethod::Program(Box::new(program(plugin, &found.cluster, environment, unattended)?)))
        }
        _ => Ok(LoginMethod::None),
    }
}

/// Creates the header of a token. White space around the token is left out: files end with a line break.
fn token_header(scheme: &str, token: &str) -> Result<HeaderValue, Problem> {
    let header = HeaderValue::from_str(&format!("{} {}", scheme.trim(), token.trim()));
    let mut header = header.map_err(|_| Problem::InvalidHeader("token"))?;
    header.set_sensitive(true);
    Ok(header)
}

fn program(
    plugin: &ExecPlugin,
    cluster: &Cluster,
    environment: &ProcessEnv,
    unattended: bool,
) -> Result<LoginProgram, Problem> {
    const VERSIONS: [&str; 2] = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];
    let command = plugin.command.clone().ok_or(Problem::IncompleteProgram("command"))?;
    let version = plugin.api_version.clone().ok_or(Problem::IncompleteProgram("apiVersion"))?;
    if !VERSIONS.contains(&version.as_str()) {
        return Err(Problem::ProgramVersion(version));
    }
    let may_interact = match plugin.interactive_mode.as_deref() {
        Some("Never") => Some(false),
        Some("IfAvailable") => None,
        Some("Always") => Some(true),
        // the older version has this default
        None if version == VERSIONS[1] => None,
        None => return Err(Problem::IncompleteProgram("interactiveMode")),
        Some(_) => return Err(Problem::InteractiveMode),
    };
    let described = if plugin.provide_cluster_info { Some(describe(cluster)?) } else { None };
    Ok(LoginProgram {
        command,
        arguments: plugin.arguments.clone(),
        variables: plugin.variables.clone(),
        environment: environment
            .for_processes()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        api_version: version,
        install_hint: plugin.install_hint.clone(),
        may_interact: if unattended { Some(false) } else { may_interact },
        cluster: described,
    })
}

/// Describes the cluster for a login program.
fn describe(cluster: &Cluster) -> Result<serde_json::Value, Problem> {
    use base64::Engine as _;
    let authority = read(&cluster.authority, "certificate-authority")?;
    let mut described = serde_json::json!({"server": cluster.server});
    let mut set = |key: &str, value: Option<serde_json::Value>| {
        if let Some(value) = value {
            described[key] = value;
        }
    };
    set("tls-server-name", cluster.tls_server_name.clone().map(Into::into));
    set("insecure-skip-tls-verify", cluster.insecure.then_some(true.into()));
    let encode = |pem: Vec<u8>| base64::prelude::BASE64_STANDARD.encode(pem).into();
    set("certificate-authority-data", authority.map(encode));
    set("proxy-url", cluster.proxy_url.clone().map(Into::into));
    set("config", Some(cluster.login_config.clone().unwrap_or_default()));
    Ok(described)
}

/// Returns the headers of impersonation.
fn impersonation(user: &KubeconfigUser) -> Result<HeaderMap, Problem> {
    // as Go escapes them: what a header name cannot have, and the percent sign
    const ESCAPED: AsciiSet = NON_ALPHANUMERIC
        .remove(b'!')
        .remove(b'#')
        .remove(b'$')
        .remove(b'&')
        .remove(b'\'')
        .remove(b'*')
        .remove(b'+')
        .remove(b'-')
        .remove(b'.')
        .remove(b'^')
        .remove(b'_')
        .remove(b'`')
        .remove(b'|')
        .remove(b'~');
    let mut headers = HeaderMap::new();
    let mut add = |name: &str, value: &str| {
        let invalid = || Problem::InvalidHeader("user to impersonate");
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
        headers.append(name, HeaderValue::from_str(value.trim()).map_err(|_| invalid())?);
        Ok(())
    };
    let Some(name) = &user.impersonate else { return Ok(headers) };
    add("impersonate-user", name)?;
    user.impersonate_uid.iter().try_for_each(|uid| add("impersonate-uid", uid))?;
    user.impersonate_groups.iter().try_for_each(|group| add("impersonate-group", group))?;
    for (key, value) in &user.impersonate_extra {
        add(&format!("impersonate-extra-{}", utf8_percent_encode(key, &ESCAPED)), value)?;
    }
    headers.remove(AUTHORIZATION);
    Ok(headers)
}

/// Returns the proxy: that of the cluster, else that of the environment. The latter is not for loopback addresses, as
/// in Go.
fn proxy(cluster: &Cluster, server: &Url, environment: &ProcessEnv) -> Result<Option<ProxyAddress>, Problem> {
    if let Some(url) = &cluster.proxy_url {
        return ProxyAddress::parse("proxy-url", url).map(Some).map_err(Problem::Proxy);
    }
    let is_loopback = match server.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if is_loopback {
        return Ok(None);
    }
    proxy_for(server, |name| environment.get(name)).map_err(Problem::Proxy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_address_gets_a_scheme_as_in_kubectl() {
        let check = |text: &str, expected: Option<&str>| {
            let found = server_url(text, "http").map(|url| url.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("https://h:6443", Some("https://h:6443/"));
        check("HTTPS://h/k8s/clusters/c-1?x=y#z", Some("https://h/k8s/clusters/c-1"));
        check("127.0.0.1:8080", Some("http://127.0.0.1:8080/"));
        check("localhost:6443", Some("http://localhost:6443/"));
        check("me:pw@localhost:6443", Some("http://me:pw@localhost:6443/"));
        check("h", Some("http://h/"));
        check("[::1]:6443", Some("http://[::1]:6443/"));
        check("h/path", None);
        check("ftp://h", None);
        check("https://", None);
        check("", None);
        check("a b", None);
    }

    #[test]
    fn secrets_of_a_login_program_are_its_values() {
        let plugin = ExecPlugin {
            arguments: [
                "get-token",
                "--oidc-client-secret=hunter-two",
                "--password",
                "hunter-three",
                "A1b2C3d4",
            ]
            .map(str::to_owned)
            .to_vec(),
            variables: vec![
                ("AWS_SECRET_ACCESS_KEY".to_owned(), "abc".to_owned()),
                ("AWS_PROFILE".to_owned(), "default".to_owned()),
            ],
            ..ExecPlugin::default()
        };
        assert_eq!(plugin_secrets(&plugin), ["hunter-two", "hunter-three", "A1b2C3d4", "abc"]);
    }
}
