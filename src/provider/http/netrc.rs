//! Credentials from a `.netrc` file, which Python's `requests` sends without being asked.

/// The login and password for a host: of its own entry, else of the default one.
pub(super) fn lookup(text: &str, host: &str) -> Option<(String, String)> {
    let entries = entries(text);
    let of_host = entries.iter().find(|entry| entry.host == Some(host));
    let entry = of_host.or_else(|| entries.iter().find(|entry| entry.host.is_none()))?;
    Some((entry.login?.to_owned(), entry.password?.to_owned()))
}

#[derive(Default)]
struct NetrcEntry<'a> {
    /// None for the default entry.
    host: Option<&'a str>,
    login: Option<&'a str>,
    password: Option<&'a str>,
}

fn entries(text: &str) -> Vec<NetrcEntry<'_>> {
    let mut entries: Vec<NetrcEntry<'_>> = Vec::new();
    let mut tokens = text.lines().flat_map(words);
    while let Some(token) = tokens.next() {
        match token {
            "machine" => entries.push(NetrcEntry { host: tokens.next(), ..NetrcEntry::default() }),
            "default" => entries.push(NetrcEntry::default()),
            // a macro is a program for ftp, up to the next empty line
            "macdef" => while tokens.next().is_some_and(|token| token != END_OF_MACRO) {},
            "login" | "user" | "password" | "account" => {
                let value = tokens.next();
                match (entries.last_mut(), token) {
                    (Some(entry), "password") => entry.password = value,
                    (Some(entry), "login" | "user") => entry.login = value,
                    _ => {}
                }
            }
            _ => {}
        }
    }
    entries
}

/// What an empty line reads as.
const END_OF_MACRO: &str = "";

fn words(line: &str) -> Vec<&str> {
    let line = line.trim();
    if line.starts_with('#') {
        return Vec::new();
    }
    if line.is_empty() { vec![END_OF_MACRO] } else { line.split_whitespace().collect() }
}

#[cfg(test)]
mod tests {
    use super::lookup;

    #[test]
    fn netrc_entry_of_the_host_precedes_the_default() {
        let text = "# machines\nmachine a.example login me password s3cret\n\nmachine b.example\n  user you\n  \
                    account x password p w\nmachine c.example login only\nmacdef init\ncd /tmp\nmachine no login n password n\n\n\
                    default login any password one\n";
        let check = |host: &str, expected: Option<(&str, &str)>| {
            let expected = expected.map(|(login, password)| (login.to_owned(), password.to_owned()));
            assert_eq!(lookup(text, host), expected, "{host}");
        };
        check("a.example", Some(("me", "s3cret")));
        check("b.example", Some(("you", "p")));
        check("c.example", None);
        check("no", Some(("any", "one")));
        check("d.example", Some(("any", "one")));
        assert_eq!(lookup("machine a login b", "a"), None);
        assert_eq!(lookup("", "a"), None);
    }
}
