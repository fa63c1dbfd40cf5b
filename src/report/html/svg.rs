//! Elements that the page and several charts share: symbols, scroll regions, tables.

use maud::{Markup, html};

use crate::report::summary::Sentiment;

/// Returns the symbol of a sentiment.
pub(super) fn sentiment_symbol(tone: Sentiment) -> &'static str {
    match tone {
        Sentiment::Good => "✓",
        Sentiment::Bad => "✗",
        Sentiment::Unclear => "○",
    }
}

/// Wraps a table or chart that may be wider than the window. The keyboard can scroll it.
pub(super) fn scroll_region(label: &str, content: &Markup) -> Markup {
    html! { div .scroll tabindex="0" role="group" aria-label=(label) { (content) } }
}

/// Renders a table in a scroll region.
pub(super) fn table(label: &str, heads: &[&str], rows: &Markup) -> Markup {
    scroll_region(
        label,
        &html! {
            table {
                thead { tr { @for head in heads { th scope="col" { (head) } } } }
                tbody { (rows) }
            }
        },
    )
}

/// Returns the CSS class of a sentiment.
pub(super) fn sentiment_class(tone: Sentiment) -> &'static str {
    match tone {
        Sentiment::Good => "good",
        Sentiment::Bad => "bad",
        Sentiment::Unclear => "unclear",
    }
}
