//! Header `Link`: the URL of the next page. Pure.

use reqwest::header::{HeaderMap, LINK};

/// Returns the URL of the next page.
pub(super) fn next_page(headers: &HeaderMap) -> Option<String> {
    headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()).find_map(parse_next)
}

fn parse_next(header: &str) -> Option<String> {
    let mut rest = header;
    loop {
        let (_, opened) = rest.split_once('<')?;
        let (address, after) = opened.split_once('>')?;
        // the parameters of a URL end at the next URL
        let (parameters, next) = after
            .split_once('<')
            .map_or((after, ""), |(parameters, _)| (parameters, &after[parameters.len()..]));
        let is_next = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or_default();
            let mut kinds = value.trim().trim_end_matches(',').trim_matches('"').split_ascii_whitespace();
            name.trim().eq_ignore_ascii_case("rel") && kinds.any(|kind| kind.eq_ignore_ascii_case("next"))
        };
        if parameters.trim().trim_end_matches(',').split(';').any(is_next) {
            return Some(address.to_owned());
        }
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_page_is_found_among_other_links() {
        let check = |header: &str, expected: Option<&str>| {
            assert_eq!(parse_next(header).as_deref(), expected, "{header}");
        };
        check(
            "<https://h/a?page=2>; rel=\"next\", <https://h/a?page=9>; rel=\"last\"",
            Some("https://h/a?page=2"),
        );
        check(
            "<https://h/a?page=1>; rel=\"prev\", <https://h/a?page=3>; rel=\"next\"",
            Some("https://h/a?page=3"),
        );
        check("<https://h/a,b?x=1;y>; title=\"t\"; rel=next", Some("https://h/a,b?x=1;y"));
        check("<https://h/a>; rel=\"last\"", None);
        check("<https://h/a>; rel=\"nextish\"", None);
        check("<https://h/a", None);
        check("", None);
    }
}
