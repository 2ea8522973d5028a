//! Owns the roles: what a model is for, and which models each role names.
//! Uses the entries of the catalogue to know the names.
//! Never decides which model of a role is taken.

use std::cell::LazyCell;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{CatalogError, Entry, nearest};

/// What a model is for. Each role names models in the order in which they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The work itself.
    Main,
    /// Short questions, where speed matters more than depth.
    Fast,
    /// Plans, before anything is changed.
    Plan,
    /// Texts into vectors.
    Embed,
    /// The order of what a search found.
    Rerank,
    /// A look at what was changed.
    Review,
}

impl Role {
    /// Every role, in the order of the documentation.
    pub const ALL: [Self; 6] = [Self::Main, Self::Fast, Self::Plan, Self::Embed, Self::Rerank, Self::Review];

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Fast => "fast",
            Self::Plan => "plan",
            Self::Embed => "embed",
            Self::Rerank => "rerank",
            Self::Review => "review",
        }
    }
}

/// What one file says of a role. The last file that speaks of a role is the one that counts.
pub(super) struct Named {
    pub(super) role: Role,
    /// Each name with its file and line.
    pub(super) names: Vec<(String, String)>,
}

/// The models of each role, every name known.
pub(super) fn check(
    named: Vec<Named>,
    entries: &[Entry],
    beside: impl FnOnce() -> Vec<String>,
) -> Result<BTreeMap<Role, Vec<String>>, CatalogError> {
    let mut roles = BTreeMap::new();
    let beside = LazyCell::new(beside);
    for Named { role, names } in named {
        for (name, origin) in &names {
            let known = is_no_entry(name)
                || entries.iter().any(|entry| entry.name.eq_ignore_ascii_case(name))
                || beside.iter().any(|known| known.eq_ignore_ascii_case(name));
            if !known {
                return Err(CatalogError::UnknownInRole {
                    origin: origin.clone(),
                    role: role.name(),
                    name: name.clone(),
                    similar: nearest(
                        name,
                        entries
                            .iter()
                            .map(|entry| entry.name.as_str())
                            .chain(beside.iter().map(String::as_str)),
                    ),
                });
            }
        }
        roles.insert(role, names.into_iter().map(|(name, _)| name).collect());
    }
    Ok(roles)
}

/// Whether a name is something that this catalogue need not know: the built-in model, a path, a model of a service that the
/// configuration may have added, a file that another program left here.
fn is_no_entry(name: &str) -> bool {
    name == "builtin" || name.contains(['/', ':']) || name.ends_with(".gguf")
}
