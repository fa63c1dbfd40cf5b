//! The part of the table about servers: certificates, addresses, proxies.

#![allow(clippy::too_many_lines, reason = "a table")]

use serde_json::Value;

use super::base::Base;
use super::cases::Table;
use crate::harness::ServerCertificate;

/// Certificate authorities and server certificates.
pub(super) fn authorities(table: &mut Table<'_>) {
    let base = table.base;
    let data = Base::data(&base.authority);
    const KEY: &str = "certificate-authority-data";
    let set = |key: &'static str, value: Value| {
        move |cluster: &mut Value| {
            cluster.as_object_mut().expect("a cluster").remove(KEY);
            cluster[key] = value;
        }
    };
    table.cluster(
        "authority as a file",
        set("certificate-authority", base.path("ca.crt").display().to_string().into()),
    );
    table.cluster("authority as a relative file", set("certificate-authority", "../ca.crt".into()));
    table.cluster(
        "authority in a file of two",
        set("certificate-authority", base.path("both.crt").display().to_string().into()),
    );
    table.cluster("authority file that does not exist", set("certificate-authority", "nope".into()));
    table.cluster(
        "authority file that is not PEM",
        set("certificate-authority", base.path("not-pem").display().to_string().into()),
    );
    table.cluster("authority as data and file", |cluster| {
        cluster["certificate-authority"] = base.path("ca.crt").display().to_string().into();
    });
    table.cluster("authority that is null", set(KEY, Value::Null));
    table.cluster("authority data that is not base64", set(KEY, "%".into()));
    table.cluster("authority data that is not PEM", set(KEY, Base::data("nothing").into()));
    table.cluster("authority data that is encoded twice", set(KEY, Base::data(&data).into()));
    let wrapped = |width: usize| {
        let lines: Vec<&str> =
            data.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
        lines.join("\n")
    };
    table.cluster("authority data with line breaks", set(KEY, wrapped(64).into()));
    let yaml = |value: &str| {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: one\nclusters:\n- name: c\n  cluster:\n    server: {}\n    \
             certificate-authority-data: {value}\nusers:\n- name: u\n  user:\n    token: {}\ncontexts:\n- name: one\n  \
             context: {{cluster: c, user: u}}\n",
            base.server, base.token
        )
    };
    table.text(
        "authority data as block text",
        &yaml(&format!("|\n      {}", wrapped(64).replace('\n', "\n      "))),
    );
    table
        .text(
            "authority data as folded text",
            &yaml(&format!(">-\n      {}", wrapped(64).replace('\n', "\n      "))),
        )
        .differs("folding makes spaces of line breaks, and the base64 of Go accepts only the latter");
    table.text("authority data as !!binary of data", &yaml(&format!("!!binary {}", Base::data(&data))));
    table
        .text("authority data as !!binary of PEM", &yaml(&format!("!!binary {data}")))
        .differs("the tag already says that it is base64");
    table.cluster("verification is switched off", set("insecure-skip-tls-verify", true.into()));
    table.cluster("verification is switched off by text", set("insecure-skip-tls-verify", "true".into()));
    table.cluster("authority, and verification is switched off", |cluster| {
        cluster["insecure-skip-tls-verify"] = true.into();
    });
    table.cluster("another authority", set(KEY, Base::data(base.servers[0].1.authority()).into()));
    table
        .cluster("flag --insecure-skip-tls-verify over an authority", |_| {})
        .flag("--insecure-skip-tls-verify=true");
    table
        .cluster(
            "flag --certificate-authority over another one",
            set(KEY, Base::data(base.servers[0].1.authority()).into()),
        )
        .flag(format!("--certificate-authority={}", base.path("ca.crt").display()));
    table
        .cluster("flag --certificate-authority of a file that does not exist", |_| {})
        .flag("--certificate-authority=nope");

    let trusted = "certificate-authority-data";
    for (kind, name) in [
        (ServerCertificate::Signed, "server certificate of an authority"),
        (ServerCertificate::SelfSigned, "server certificate that is trusted itself"),
        (ServerCertificate::SelfSignedAuthority, "server certificate that is a trusted authority"),
        (ServerCertificate::TrustedLeaf, "server certificate that is trusted without its authority"),
        (ServerCertificate::Expired, "server certificate that is trusted and expired"),
        (ServerCertificate::OtherName, "server certificate that is trusted for another name"),
        (ServerCertificate::ClientOnly, "server certificate that is trusted and for clients only"),
        (ServerCertificate::NameOnly, "server certificate with a common name only"),
    ] {
        table.server(name, kind, trusted, "DATA".into());
    }
    table.server(
        "server certificate that is an authority, and unknown",
        ServerCertificate::SelfSignedAuthority,
        trusted,
        Base::data(&base.authority).into(),
    );
    table.server(
        "server certificate that is unknown",
        ServerCertificate::SelfSigned,
        trusted,
        Base::data(&base.authority).into(),
    );
    table.server(
        "server certificate that is not verified",
        ServerCertificate::Expired,
        "insecure-skip-tls-verify",
        true.into(),
    );
}

/// Addresses of API servers.
pub(super) fn addresses(table: &mut Table<'_>) {
    let base = table.base;
    let plain = base.host_and_port().to_owned();
    table.cluster("server without a scheme", |cluster| cluster["server"] = plain.clone().into());
    table.cluster("server in upper case", |cluster| cluster["server"] = format!("HTTPS://{plain}").into());
    table.cluster("server with a slash", |cluster| cluster["server"] = format!("https://{plain}/").into());
    table.cluster("server with a path that does not exist", |cluster| {
        cluster["server"] = format!("https://{plain}/k8s/clusters/c-1").into();
    });
    table
        .cluster("server with a query", |cluster| cluster["server"] = format!("https://{plain}/?a=b").into());
    table.cluster("server by its name", |cluster| {
        cluster["server"] = format!("https://{}", plain.replace("127.0.0.1", "localhost")).into();
    });
    table.cluster("server by a name that does not exist", |cluster| {
        cluster["server"] = "https://api.invalid:6443".into();
    });
    table
        .cluster("server with another scheme", |cluster| cluster["server"] = format!("ftp://{plain}").into());
    table.cluster("server that is empty", |cluster| cluster["server"] = "".into());
    table.cluster("server that is null", |cluster| cluster["server"] = Value::Null);
    table.cluster("server on a closed port", |cluster| cluster["server"] = "https://127.0.0.1:1".into());
    table.cluster("tls-server-name of the certificate", |cluster| {
        cluster["tls-server-name"] = "kubernetes.default".into();
    });
    table.cluster("tls-server-name of another server", |cluster| {
        cluster["tls-server-name"] = "other.example".into();
    });
    table.cluster("tls-server-name that is empty", |cluster| cluster["tls-server-name"] = "".into());
    table
        .cluster("flag --server with a scheme", |cluster| cluster["server"] = "https://127.0.0.1:1".into())
        .flag(format!("--server={}", base.server));
    table
        .cluster("flag --server without a scheme", |cluster| cluster["server"] = "https://127.0.0.1:1".into())
        .flag(format!("--server={plain}"));
    table
        .cluster("flag --server discards tls-server-name", |cluster| {
            cluster["tls-server-name"] = "other.example".into();
        })
        .flag(format!("--server={}", base.server));
    table
        .cluster("flag --tls-server-name", |cluster| cluster["tls-server-name"] = "other.example".into())
        .flag("--tls-server-name=kubernetes");
}

/// Proxies.
pub(super) fn proxies(table: &mut Table<'_>) {
    let port = table.base.proxy.port;
    let url = format!("http://127.0.0.1:{port}");
    let of = |value: &str| {
        let value = value.to_owned();
        move |cluster: &mut Value| cluster["proxy-url"] = value.into()
    };
    table.cluster("proxy", of(&url));
    table.cluster("proxy with a password", of(&format!("http://me:s3cret@127.0.0.1:{port}")));
    table.cluster("proxy that does not answer", of("http://me:s3cret@127.0.0.1:1"));
    table
        .cluster("proxy without a scheme", of(&format!("127.0.0.1:{port}")))
        .differs("an address without a scheme is that of an HTTP proxy, as in HTTPS_PROXY");
    table.cluster("proxy with another scheme", of("ftp://me:s3cret@127.0.0.1:1"));
    table.cluster("proxy that is empty", of(""));
    table.cluster("proxy of SOCKS that does not answer", of("socks5://127.0.0.1:1"));
    table.cluster("proxy is not skipped by NO_PROXY", of("http://127.0.0.1:1")).env("NO_PROXY", "127.0.0.1");
    table
        .config("proxy of the environment is not for this machine", |_| {})
        .env("HTTPS_PROXY", "http://127.0.0.1:1");
    table
        .cluster("proxy of the environment that does not answer", |cluster| {
            cluster["server"] = "https://api.invalid:6443".into();
        })
        .env("HTTPS_PROXY", "http://127.0.0.1:1");
    table
        .cluster("proxy of the environment for other addresses", |cluster| {
            cluster["server"] = "https://api.invalid:6443".into();
        })
        .env("HTTPS_PROXY", url)
        .env("NO_PROXY", ".invalid");
}
