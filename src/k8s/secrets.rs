//! The border for texts that other programs and libraries write about a connection.
//!
//! Each of these texts passes here before it becomes part of an error: those of libraries and of login programs, the
//! answers of servers, addresses. What the kubeconfig and the flags contain as credentials is masked.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::sort;
use crate::substitution::Redactor;

/// Credentials of a connection. The list grows with each login.
pub(super) struct ConnectionSecrets {
    texts: RwLock<Vec<String>>,
    redactor: RwLock<Arc<Redactor>>,
}

impl Default for ConnectionSecrets {
    fn default() -> Self {
        let redactor = RwLock::new(Arc::new(Redactor::of_texts([])));
        Self { texts: RwLock::default(), redactor }
    }
}

impl ConnectionSecrets {
    /// Adds credentials.
    pub(super) fn add(&self, secrets: impl IntoIterator<Item = String>) {
        let mut texts = self.texts.write();
        texts.extend(secrets);
        sort::sort(&mut texts);
        texts.dedup();
        *self.redactor.write() = Arc::new(Redactor::of_texts(texts.iter().cloned()));
    }

    /// Masks the credentials in a text.
    pub(super) fn mask(&self, text: &str) -> String {
        let redactor = Arc::clone(&self.redactor.read());
        redactor.redact_text(text).into_owned()
    }
}
