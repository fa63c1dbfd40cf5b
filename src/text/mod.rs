//! Text for people: shortening, quoting, numbers, and characters that must not reach the reader unseen.
//!
//! ```text
//!  truncate   long text, shortened at a character boundary
//!  quote      a name in a sentence, a sentence from a phrase, a plural
//!  digits     numbers with three significant digits, percentages, hexadecimal
//!  sanitize   text that cannot control a terminal
//!  invisible  characters that hide or reorder text
//! ```
//!
//! Most of this text is untrusted: experiments, journals, processes and servers supply it.

mod digits;
mod invisible;
mod quote;
mod sanitize;
mod truncate;

pub use digits::{format_percent, format_significant, format_whole_percent, to_hex};
pub use invisible::{is_invisible, replace_invisible};
pub use quote::{capitalize, pluralize, quote, shorten, to_sentence};
pub use sanitize::{sanitize, sanitize_lines};
pub use truncate::{truncate, truncate_bytes, truncate_line, truncate_with_length};
