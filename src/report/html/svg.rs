//! Elements that the page and several charts share: symbols, scroll regions, tables.

use maud::{Markup, html};

use crate::report::phrase::{Phrase, PhrasePart};
use crate::report::summary::Sentiment;
use crate::text::{replace_invisible, shorten};

/// Returns the symbol of a sentiment.
pub(super) fn sentiment_symbol(tone: Sentiment) -> &'static str {
    match tone {
        Sentiment::Good => "✓",
        Sentiment::Bad => "✗",
        Sentiment::Unclear => "○",
    }
}

/// Renders a phrase; its names are code.
pub(super) fn phrase(phrase: &Phrase) -> Markup {
    html! {
        @for part in phrase.parts() {
            @match part {
                PhrasePart::Text(text) => { (replace_invisible(text)) }
                PhrasePart::Name(name) => { code { (replace_invisible(&shorten(name))) } }
            }
        }
    }
}

/// Renders a term with its definition as a hint.
pub(super) fn term(term: &Markup, definition: &str) -> Markup {
    html! { abbr title=(definition) { (term) } }
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
